"""Costs of sales and marketing by market: what is shared between markets is allotted by a stated key.

A line of cost without a market is shared. Its key says how it is allotted: ``headcount`` by the people
of each market on that day, ``direct_spend`` by the other costs of each market in that month. A shared
line whose key is missing or gives nothing stays without a market (``is_allocated`` false): it is
shown as not given, never dropped and never guessed (T-32).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical.money import WIDE
from cadran.canonical.months import month_of
from cadran.canonical.origin import plain
from cadran.canonical.schema import TYPES, Expr
from cadran.canonical.shape import known_day, money, pick, running, stacked, window
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from cadran.canonical.settings import Settings

#: Lines of cost, and the words that categories have for them; any other category is ``other``.
_WORDS: dict[str, tuple[str, ...]] = {
    "salary": (
        "salary", "salaries", "salaire", "salaires", "payroll", "paie", "wages", "compensation", "commission",
        "commissions", "bonus", "remuneration", "remunerations", "masse salariale", "personnel", "staff",
    ),
    "ads": (
        "ads", "ad spend", "advertising", "paid media", "media", "publicite", "achat media", "adverts", "paid",
        "google ads", "linkedin ads",
    ),
    "tooling": ("tooling", "tools", "tool", "software", "saas", "outils", "outil", "logiciels", "licences", "licenses"),
    "agency": (
        "agency", "agencies", "agence", "agences", "freelance", "freelances", "contractor", "contractors",
        "prestataire", "prestataires", "consulting", "conseil",
    ),
    "event": (
        "event", "events", "evenement", "evenements", "salon", "salons", "trade show", "trade shows", "sponsoring",
        "sponsorship", "webinar", "webinaire",
    ),
    "content": ("content", "contenu", "contenus", "creative", "creation", "seo"),
}  # fmt: skip
COST_LINES = (*_WORDS, "other")
#: Words for each key of allocation.
KEYS: dict[str, tuple[str, ...]] = {
    "headcount": ("headcount", "effectif", "effectifs", "people", "fte", "etp"),
    "direct_spend": ("direct spend", "spend", "depenses directes", "depense directe", "direct costs"),
}
#: Days before the last known one in which deals must have been won to tell the usual cycle.
CYCLE_DAYS = 365


def cost(spend: ir.Table, t: Mapping[str, ir.Table], settings: Settings) -> ir.Table:
    """One row per line of cost and market that bears a part of it.

    ``amount_base`` of the parts of a line add up to the line, to the last digit. ``lagged_on`` is the
    day plus the usual cycle: the median of the deals won with new customers in the last year, of the
    market where it has any, else of the company; NULL when nothing was won. Order is not defined.

    Args:
        spend: Published ``spend``, with amounts in the base currency.
        t: Tables of `history.current`, with ``opportunity`` as published.
        settings: See `Settings`.
    """
    lines = _lines(spend)
    direct, shared = lines.filter(lines.market.notnull()), lines.filter(lines.market.isnull())
    weights = stacked(_by_people(shared, direct, t["owner"]), _by_spend(shared, direct))
    allotted = _allotted(shared, weights.filter(weights.weight > 0))
    left = shared.anti_join(allotted.select("spend_id").distinct(), "spend_id")
    every = stacked(
        _whole(direct, is_allocated=True),
        allotted.select(*_whole(direct, is_allocated=True).columns),
        _whole(left, is_allocated=False),
    )
    return _lagged(every, t["opportunity"], settings)


def _lines(spend: ir.Table) -> ir.Table:
    word = plain(spend.category)
    line: Expr = ibis.cases(*((word.isin(words), name) for name, words in _WORDS.items()), else_="other")
    key_word = plain(spend.allocation_key)
    key: Expr = ibis.cases(*((key_word.isin(words), name) for name, words in KEYS.items()), else_=ibis.null("string"))
    return spend.select(
        "day_on",
        "platform",
        "campaign",
        "department",
        "allocation_key",
        "channel",
        "currency",
        "amount",
        "amount_base",
        spend_id="id",
        account_id=ibis.null("string"),
        cost_line=line,
        market=spend.market.strip().nullif(""),
        key=key,
        month=month_of(spend.day_on),
    )


def _by_people(shared: ir.Table, direct: ir.Table, owner: ir.Table) -> ir.Table:
    """Weight of each market in each line shared by headcount: the people whose region it is, on that day."""
    markets = direct.select(bearer="market").distinct()
    people = owner.filter(owner.deleted_at.isnull()).select(
        person="id", bearer="region", joined="start_on", left="end_on"
    )
    people = people.join(markets, "bearer")
    lines = shared.filter(shared.key == "headcount").select("spend_id", "day_on")
    there = lines.join(
        people,
        [
            (people.joined <= lines.day_on) | people.joined.isnull(),
            (people.left > lines.day_on) | people.left.isnull(),
        ],
    )
    found = there.group_by("spend_id", "bearer").agg(weight=there.person.nunique())
    return found.mutate(weight=found.weight.cast("float64"))


def _by_spend(shared: ir.Table, direct: ir.Table) -> ir.Table:
    """Weight of each market in each line shared by direct spend: its own costs of that month."""
    own = direct.group_by("month", bearer="market").agg(weight=direct.amount_base.sum().cast("float64"))
    lines = shared.filter(shared.key == "direct_spend").select("spend_id", line_month="month")
    found = lines.join(own, lines.line_month == own.month)
    return found.select("spend_id", "bearer", "weight")


def _allotted(shared: ir.Table, weights: ir.Table) -> ir.Table:
    """The parts of shared lines by market: what one market bears ends where the next begins, so nothing is lost."""
    order = running("spend_id", "bearer")
    whole = window("spend_id")
    summed = weights.mutate(up_to=weights.weight.sum().over(order), total=weights.weight.sum().over(whole))
    last = summed.bearer == summed.bearer.max().over(whole)
    shares = summed.select(
        "spend_id",
        "bearer",
        allocation_share=summed.weight / summed.total,
        upper=pick(last, 1.0, summed.up_to / summed.total),
        lower=(summed.up_to - summed.weight) / summed.total,
    )
    found = shared.join(shares, "spend_id")
    return found.mutate(
        market=found.bearer,
        amount=_between(found.amount, found.lower, found.upper),
        amount_base=_between(found.amount_base, found.lower, found.upper),
        is_shared=ibis.literal(True),
        is_allocated=ibis.literal(True),
    )


def _between(amount: Expr, lower: Expr, upper: Expr) -> Expr:
    """What lies between two shares of an amount; neighbouring parts use the same edge."""
    return money(_part(amount, upper) - _part(amount, lower))


def _part(amount: Expr, share: Expr) -> Expr:
    product: Expr = amount.cast(WIDE) * share.round(9).cast(TYPES["decimal"]).cast(WIDE)
    return money(product)


def _whole(lines: ir.Table, *, is_allocated: bool) -> ir.Table:
    """Lines that one market, or nobody, bears wholly."""
    return lines.mutate(
        allocation_share=ibis.literal(1.0),
        is_shared=lines.market.isnull(),
        is_allocated=ibis.literal(is_allocated),
    ).drop("key", "month")


def _lagged(every: ir.Table, opportunity: ir.Table, settings: Settings) -> ir.Table:
    """The rows with the usual cycle and the day on which their cost should have brought a customer."""
    known = ibis.literal(known_day(settings), "date")
    is_new = opportunity.type.fill_null("new") == "new"
    won = opportunity.filter(
        opportunity.is_won,
        is_new,
        opportunity.cycle_days.notnull(),
        ~opportunity.is_test.fill_null(False),
        opportunity.closed_on > known - ibis.interval(days=CYCLE_DAYS),
    )
    usual = won.group_by(cycle_market="market").agg(market_cycle=won.cycle_days.median())
    whole = won.aggregate(company_cycle=won.cycle_days.median())
    found = every.left_join(usual, every.market == usual.cycle_market).cross_join(whole)
    days = (found.market_cycle.coalesce(found.company_cycle) + 0.5).floor().cast("int64")
    found = found.mutate(lag_days=days)
    # Some engines make a timestamp of a day plus an interval: the detour makes it a day again.
    later = (found.day_on + found.lag_days.as_interval("D")).cast(TYPES["timestamp"]).date()
    return found.mutate(lagged_on=later)
