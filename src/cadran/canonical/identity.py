"""The same person or company recorded more than once, made one.

Two rows are one when the source says so (``merged_into_id``, from ``merged_at`` on), when people decided
so (``identity_link``), when they have the same mail address or tax number, or when they have the same
domain and name; never by a domain alone. The earliest created of them
survives, fills what it lacks from the others, and keeps the earliest creation, response and
conversion; whatever pointed at the others points at it. Rows are taken as known at one instant, so
that a merge or a duplicate that comes later changes nothing of what was known before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.days import SECONDS_IN_DAY
from cadran.canonical.entities import COMMON, ENTITIES
from cadran.canonical.schema import TYPES, Expr
from cadran.canonical.shape import earliest, pick, running, stacked, window
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cadran.canonical.settings import Keep, Settings

#: Entities whose rows are merged, each after those that it points at.
MERGED = ("account", "customer", "contact", "lead")

#: Domains of mail boxes that anybody may have: they say nothing of a company.
FREE_MAIL = (
    *("gmail.com", "googlemail.com", "outlook.com", "outlook.fr", "hotmail.com", "hotmail.fr", "live.com", "live.fr"),
    *("msn.com", "yahoo.com", "yahoo.fr", "ymail.com", "icloud.com", "me.com", "aol.com", "gmx.com", "gmx.fr"),
    *("gmx.de", "web.de", "mail.com", "proton.me", "protonmail.com", "orange.fr", "wanadoo.fr", "free.fr", "sfr.fr"),
    *("laposte.net", "bbox.fr", "neuf.fr", "numericable.fr", "comcast.net", "verizon.net", "att.net", "qq.com"),
)

#: Forms of companies at the end of a name, which some sources leave out.
LEGAL_FORM = (
    "( (s ?a ?s ?u?|s ?a ?r ?l|s ?a|s ?n ?c|s ?c ?a|s ?c ?o ?p|e ?u ?r ?l|inc|incorporated|corp|corporation|co|company|"
    "llc|l ?l ?p|l ?p|ltd|limited|ltda|pty|plc|gmbh|mbh|ug|ag|kg|kgaa|ohg|se|b ?v|n ?v|s ?p ?a|s ?r ?l|s ?r ?l ?s|s ?l|"
    "s ?l ?u|s ?a ?b|s ?a ?b? de c ?v|oy|oyj|ab|as|asa|aps|a s|sp z o o|k ?k|group|groupe))+$"
)
ACCENTED = "àâäáãåçéèêëíìîïñóòôöõúùûüýÿ"
PLAIN = "aaaaaaceeeeiiiinooooouuuuyy"

#: Digits of a telephone number, and characters of a tax number, from which it names anybody.
FEWEST_DIGITS, SHORTEST_TAX_ID = 7, 8

#: How often labels are passed on: from a mail to a name to another mail, and once more.
ROUNDS = 2

#: Digits of a label before its id: seconds since 1970, in which labels sort by time.
WIDTH = 12


def merged(
    landed: Mapping[str, ir.Table], settings: Settings, keep: Keep = lambda _, table: table
) -> dict[str, ir.Table]:
    """The same tables with duplicate accounts, customers, contacts and leads merged (rule G-12).

    Args:
        landed: Tables of `history.current`: one row per id.
        settings: See `Settings`. With ``merge_duplicates`` off, only what the sources say is merged.
        keep: Called with the list of merged rows of each entity, small and used by every table: a build
            that stores it and returns the stored table looks for duplicates once.

    Returns:
        Every table given. Of merged rows only the survivor is left; every reference to one of the
        others is the survivor's id. A lead that comes ``recycle_days`` or more after the one before it
        of the same person is another enquiry and stays. Changes of status of merged leads are the
        survivor's. Order is not defined.
    """
    found = dict(landed)
    maps: dict[str, ir.Table] = {}
    for name in MERGED:
        table = _repointed(found[name], name, maps)
        maps[name] = keep(f"merged_{name}", _survivors(table, name, found["identity_link"], settings))
        found[name] = _survived(table, name, maps[name])
    for name, table in found.items():
        if name in ENTITIES and name not in MERGED:
            found[name] = _repointed(table, name, maps)
    # A parent account may itself be merged: only now is the map of accounts known.
    found["account"] = _repointed(found["account"], "account", {"account": maps["account"]})
    found["field_history"] = _statuses(found["field_history"], maps["lead"])
    return found


def email_key(text: Expr) -> Expr:
    """A mail address as it is compared: lower case, without the part after a plus sign; NULL for other text."""
    plain = text.strip().lower().re_replace("[+][^@]*@", "@")
    return pick(plain.re_search("^[^@ ]+@[^@ ]+[.][^@ ]+$"), plain, ibis.null("string"))


def domain_key(text: Expr) -> Expr:
    """The domain of a site or mail address, without ``www.``; NULL for domains of free mail."""
    host = text.strip().lower().re_replace("^[a-z]+://", "").re_replace("^.*@", "").re_replace("^www[.]", "")
    host = host.re_replace("[/:?#].*$", "").nullif("")
    return pick(host.isin(FREE_MAIL), ibis.null("string"), host)


def name_key(text: Expr) -> Expr:
    """A name as it is compared: plain lower-case words, without the legal form of a company."""
    words = text.lower().translate(ACCENTED, PLAIN).re_replace("[^a-z0-9]+", " ").strip()
    return words.re_replace(LEGAL_FORM, "").nullif("")


def phone_key(text: Expr) -> Expr:
    """The last nine digits of a telephone number, whatever it starts with; NULL for fewer than seven digits."""
    digits = text.re_replace("[^0-9]", "")
    return pick(digits.length() >= FEWEST_DIGITS, digits.right(9), ibis.null("string"))


def tax_key(text: Expr) -> Expr:
    """A tax or company number as it is compared: letters and digits, at least eight of them; else NULL."""
    plain = text.upper().re_replace("[^A-Z0-9]", "")
    return pick(plain.length() >= SHORTEST_TAX_ID, plain, ibis.null("string"))


def _survivors(table: ir.Table, name: str, links: ir.Table, settings: Settings) -> ir.Table:
    """One row per id that is merged away: merged_id, survivor_id."""
    explicit = _explicit(table, settings)
    if not settings.merge_duplicates or name == "customer":
        return explicit
    ruled = _ruled(table.anti_join(explicit, table.id == explicit.merged_id), name, links, settings)
    onward = ruled.select(via_id="merged_id", final_id="survivor_id")
    found = explicit.left_join(onward, explicit.survivor_id == onward.via_id)
    followed = found.select("merged_id", survivor_id=found.final_id.coalesce(found.survivor_id))
    return stacked(followed, ruled)


def _explicit(table: ir.Table, settings: Settings) -> ir.Table:
    """What the sources say was merged by then, with the last of up to three merges in a row as the survivor."""
    known = ibis.literal(settings.known_at, TYPES["timestamp"])
    said = table.filter(
        table.merged_into_id.notnull(),
        table.merged_into_id != table.id,
        table.merged_at.isnull() | (table.merged_at <= known),
        table.merged_into_id.isin(table.id),
    )
    first = said.select(merged_id="id", survivor_id="merged_into_id")
    second = first.view().select(second_from="merged_id", second_to="survivor_id")
    third = first.view().select(third_from="merged_id", third_to="survivor_id")
    found = first.left_join(second, [("survivor_id", "second_from")]).left_join(third, [("second_to", "third_from")])
    pairs = found.select("merged_id", survivor_id=found.third_to.coalesce(found.second_to, found.survivor_id))
    return pairs.filter(pairs.merged_id != pairs.survivor_id)


def _ruled(table: ir.Table, name: str, links: ir.Table, settings: Settings) -> ir.Table:
    """What people decided to be one, has the same mail address or tax number, or the same domain and name."""
    alive = table.filter(table.deleted_at.isnull())
    if name == "lead":
        alive = alive.filter(~alive.is_test.fill_null(False))
    seconds = alive.created_at.epoch_seconds().cast("int64").fill_null(10**WIDTH - 1).cast("string")
    keyed = alive.select("id", "created_at", label=seconds.lpad(WIDTH, "0").concat(alive.id), **_keys(alive, name))
    labelled = _decided(keyed, name, links)
    labelled = labelled.mutate(cluster=labelled.label)
    for _ in range(ROUNDS):
        for key in ("linked", "mail", "named"):
            shared = labelled.cluster.min().over(window(key))
            labelled = labelled.mutate(cluster=pick(labelled[key].isnull(), labelled.cluster, shared))
    if name == "lead":
        labelled = _enquiries(labelled, settings)
    pairs = labelled.select(merged_id="id", survivor_id=labelled.cluster.substr(WIDTH))
    return pairs.filter(pairs.merged_id != pairs.survivor_id)


def _decided(keyed: ir.Table, name: str, links: ir.Table) -> ir.Table:
    """The keys with the group that people put a row in; a row that they told apart has no other key."""
    own = links.filter(links.entity_type == name, links.deleted_at.isnull())
    own = own.select("record_id", "is_apart", linked="group_id")
    found = keyed.left_join(own, keyed.id == own.record_id)
    rules = {key: pick(found.is_apart.fill_null(False), ibis.null("string"), found[key]) for key in ("mail", "named")}
    return found.mutate(**rules).drop("record_id", "is_apart")


def _keys(alive: ir.Table, name: str) -> dict[str, Expr]:
    """The two keys of an entity; NULL where a row cannot be told from others by it."""
    named = name_key(alive.name)
    if name == "account":
        return {"mail": tax_key(alive.tax_id), "named": domain_key(alive.domain).concat(" ", named)}
    # One word is no name of a person: a company may have two Annas.
    full = pick(named.contains(" "), named, ibis.null("string"))
    address = email_key(alive.email)
    return {"mail": address, "named": domain_key(address).concat(" ", full)}


def _enquiries(labelled: ir.Table, settings: Settings) -> ir.Table:
    """Leads of one person cut where one came long after the one before it."""
    order = window("cluster", "label")
    gap = labelled.created_at.epoch_seconds() - labelled.created_at.lag().over(order).epoch_seconds()
    is_late = (gap >= settings.recycle_days * SECONDS_IN_DAY).fill_null(False)
    cut = labelled.mutate(starts=pick(is_late, 1, 0))
    cut = cut.mutate(enquiry=cut.starts.sum().over(running("cluster", "label")))
    first = cut.label.min().over(window(["cluster", "enquiry"]))
    return cut.mutate(cluster=first)


def _survived(table: ir.Table, name: str, survivors: ir.Table) -> ir.Table:
    """The rows that are left, each with what it lacks from those that it stands for."""
    kept = table.anti_join(survivors, table.id == survivors.merged_id)
    gone = table.join(survivors, table.id == survivors.merged_id)
    types = {c.name: c.type for c in ENTITIES[name].columns}
    first = {
        column: gone[column].min()
        if kind == "timestamp"
        else gone[column].argmin(gone.created_at, where=gone[column].notnull())
        for column, kind in types.items()
    }
    others = gone.group_by("survivor_id").agg(
        other_created_at=gone.created_at.min(), **{f"other_{column}": value for column, value in first.items()}
    )
    found = kept.left_join(others, kept.id == others.survivor_id)
    values = {
        column: earliest(found[column], found[f"other_{column}"])
        if kind == "timestamp"
        else found[column].coalesce(found[f"other_{column}"])
        for column, kind in types.items()
    }
    created = earliest(found.created_at, found.other_created_at)
    return found.mutate(created_at=created, **values).select(*(c.name for c in COMMON), *types)


def _repointed(table: ir.Table, name: str, maps: Mapping[str, ir.Table]) -> ir.Table:
    """The table with every reference to a merged row pointing at its survivor."""
    columns = table.columns
    for column in ENTITIES[name].columns:
        if column.ref in maps and column.name in columns:
            pairs = maps[column.ref].select(was_id="merged_id", is_id="survivor_id")
            found = table.left_join(pairs, table[column.name] == pairs.was_id)
            table = found.mutate(**{column.name: found.is_id.coalesce(found[column.name])}).select(*columns)
    return table


def _statuses(history: ir.Table, leads: ir.Table) -> ir.Table:
    """The changes of fields, those of the status of merged leads given to the survivor."""
    found = history.left_join(leads, history.entity_id == leads.merged_id)
    is_status = (found.entity_type == "lead") & (found.field == "status")
    moved = pick(is_status, found.survivor_id.coalesce(found.entity_id), found.entity_id)
    return found.mutate(entity_id=moved).select(*history.columns)
