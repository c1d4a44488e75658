"""Files whose headers are the canonical column names themselves, read with no mapping file.

One mapping per landed entity, named ``cadran_<entity>``, made from `canonical.entities` so that it
never lags behind. A file is recognised by its name (``quotas.csv``, ``objectifs 2026.csv``) and by
one or two headers; ``owner`` beside ``owner_id`` gives the name instead of the id, ``owner_email``
the mail address, ``account_domain`` the domain.
"""

from __future__ import annotations

from cadran.canonical.entities import ENTITIES, Column, Entity
from cadran.canonical.parse import fillable
from cadran.canonical.rules import Aliases, EntityRule, Mapping, Rule

#: Words of file names, and headers that must be there, by entity.
SIGNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "account": (("account", "compte"), ("id", "name")),
    "contact": (("contact",), ("id",)),
    "lead": (("lead", "piste"), ("id",)),
    "lifecycle_event": (("lifecycle", "cycle_de_vie"), ("to_stage", "occurred_at")),
    "stage": (("stage", "etape", "étape"), ("name", "position")),
    "deal_split": (("split", "partage"), ("opportunity_id", "share")),
    "opportunity": (("opportunit", "deal", "affaire"), ("id", "stage")),
    "field_history": (("history", "historique"), ("entity_id", "field", "changed_at")),
    "activity": (("activit",), ("type", "occurred_at")),
    "outreach_message": (("outreach", "message", "sequence", "séquence"), ("sent_at",)),
    "marketing_touch": (("touch",), ("occurred_at",)),
    "web_session_daily": (("session", "web"), ("day_on", "sessions")),
    "search_performance": (("search", "seo"), ("day_on", "impressions")),
    "spend": (("spend", "cost", "depense", "dépense", "cout", "coût"), ("day_on", "amount")),
    "customer": (("customer", "client"), ("id",)),
    "subscription": (("subscription", "abonnement"), ("id", "started_at")),
    "invoice": (("invoice", "facture"), ("id", "issued_at")),
    "quota": (("quota", "objectif"), ("start_on", "end_on", "amount")),
    "forecast_submission": (("forecast", "prevision", "prévision"), ("start_on", "amount", "submitted_at")),
    "owner": (("owner", "user", "team", "equipe", "équipe", "commerciaux"), ("name",)),
    "time_entry": (("time", "temps"), ("day_on", "minutes")),
    "fx_rate": (("fx", "rate", "taux", "change"), ("day_on", "from_currency", "to_currency", "rate")),
}
#: Columns that together name a row of an entity whose files often have no id.
KEYS: dict[str, tuple[str, ...]] = {
    "lifecycle_event": ("lead_id", "contact_id", "to_stage", "occurred_at"),
    "stage": ("pipeline", "name"),
    "deal_split": ("opportunity_id", "owner_id"),
    "field_history": ("entity_id", "field", "changed_at", "new_value"),
    "activity": ("type", "occurred_at", "owner_id", "contact_id", "lead_id", "opportunity_id", "subject"),
    "outreach_message": ("sequence", "step_position", "person_key", "contact_id", "lead_id", "sent_at"),
    "marketing_touch": ("occurred_at", "contact_id", "lead_id", "anonymous_id", "landing_page"),
    "web_session_daily": ("property", "day_on", "channel", "source", "medium", "campaign", "landing_page"),
    "search_performance": ("site", "day_on", "query", "page", "country", "device"),
    "spend": ("day_on", "platform", "campaign", "category", "department", "market", "channel"),
    "quota": ("metric", "scope_type", "scope", "owner_id", "segment", "market", "channel", "start_on"),
    "forecast_submission": ("start_on", "scope_type", "scope", "owner_id", "segment", "category", "submitted_at"),
    "owner": ("name",),
    "time_entry": ("owner_id", "day_on", "category"),
    "fx_rate": ("day_on", "from_currency", "to_currency"),
}
#: Entities whose rows may repeat the same key, each adding to the others.
NUMBERED = frozenset({"activity", "marketing_touch", "web_session_daily", "search_performance", "spend", "time_entry"})
WHERE = "cadran"


def mappings() -> tuple[Mapping, ...]:
    """One mapping per landed entity, for files in canonical words."""
    return tuple(_mapping(ENTITIES[name]) for name in SIGNS)


def _mapping(entity: Entity) -> Mapping:
    words, headers = SIGNS[entity.name]
    names = {column.name: _aliases(column) for column in entity.columns}
    return Mapping(
        name=f"cadran_{entity.name}",
        system="cadran",
        connection="cadran",
        files=tuple(f"*{word}*" for word in words),
        headers=tuple(names.get(header, (header,)) for header in headers),
        entities=(EntityRule(entity.name, _ids(entity), _columns(entity), entity.name in NUMBERED, where=WHERE),),
        is_shipped=True,
        where=f"{WHERE} ({entity.name})",
    )


def _aliases(column: Column) -> Aliases:
    """Headers that may hold a column, in any of its forms."""
    word = column.name.removesuffix("_id")
    return (column.name, word, f"{word}_email", f"{word}_domain") if column.ref else (column.name,)


def _ids(entity: Entity) -> tuple[Rule, ...]:
    own = Rule("id", sources=(("id",),), optional=entity.name in KEYS, where=WHERE)
    if entity.name not in KEYS:
        return (own,)
    known = {column.name: column for column in entity.columns}
    parts = tuple(_aliases(known[name]) for name in KEYS[entity.name])
    return own, Rule("id", sources=parts, combine="join", optional=True, where=WHERE)


def _columns(entity: Entity) -> tuple[Rule, ...]:
    return tuple(rule for column in fillable(entity).values() for rule in _rules(column))


def _rules(column: Column) -> tuple[Rule, ...]:
    plain = Rule(column.name, column.type, target=column.ref, optional=True, where=WHERE)
    if not column.ref:
        ref = "id" if column.name == "entity_id" else ""
        return (_from(plain, column.name, ref),)
    word = column.name.removesuffix("_id")
    own, by_name = _from(plain, column.name, "id"), _from(plain, word, "name")
    return own, by_name, _from(plain, f"{word}_email", "email"), _from(plain, f"{word}_domain", "domain")


def _from(rule: Rule, header: str, ref: str) -> Rule:
    return Rule(rule.column, rule.type, ((header,),), ref=ref, target=rule.target, optional=True, where=WHERE)  # type: ignore[arg-type]
