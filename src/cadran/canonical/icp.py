"""How well an account fits the customers that a company wants: tiers and points by rules that it wrote.

The first tier of which every condition holds is the account's; the points of the rules that hold, as a share
of all points, are its fit. A condition on something that is not known neither holds nor fails: where the
answer rests on it the tier stays unknown, and the reasons say what is missing. Nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cadran.canonical import normalise as n
from cadran.canonical.entities import entity
from cadran.canonical.rules import fold
from cadran.canonical.standards import countries, word_of
from cadran.deferred import ibis
from cadran.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import ibis.expr.types as ir

    from cadran.canonical.schema import Expr
    from cadran.record import Record

#: Keys of a condition on a number.
FROM, BELOW = "from", "below"
NUMBERS = frozenset({"int", "float", "money", "decimal"})
#: Columns that the rules give, or that say nothing of a company.
_NOT_ASKED = frozenset({"icp_tier", "icp_fit_score", "icp_reasons"})


@dataclass(frozen=True)
class Condition:
    """What one column of an account must be.

    Attributes:
        column: Column of the account.
        words: Texts that it may be, as `rules.fold` writes them; booleans are ``true`` and ``false``.
        low: Least number, or None.
        high: Number below which it must stay, or None.
    """

    column: str
    words: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class IcpRule:
    """A tier or a number of points, and what must hold for it.

    Attributes:
        name: What it is called in the reasons.
        conditions: All of them must hold.
        tier: The tier, or empty.
        points: The points, 0 for a tier.
    """

    name: str
    conditions: tuple[Condition, ...]
    tier: str = ""
    points: float = 0.0


@dataclass(frozen=True)
class Icp:
    """The rules of a company: tiers from the best, and points."""

    tiers: tuple[IcpRule, ...] = ()
    points: tuple[IcpRule, ...] = ()


def icp_of(written: Record) -> Icp:
    """The rules that a file holds: ``tiers`` with ``tier`` and ``when``, ``points`` with ``points`` and ``when``.

    Raises:
        ConfigError: A rule names a column that an account has not, or cannot be read.
    """
    for key in written:
        if key not in {"tiers", "points"}:
            raise _unreadable(written, key)
    tiers = tuple(_rule(record, "tier") for record in _records(written, "tiers"))
    return Icp(tiers, tuple(_rule(record, "points") for record in _records(written, "points")))


def _records(written: Record, key: str) -> list[Record]:
    rules = written.get(key) or []
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise _unreadable(written, key)
    return rules


def _rule(record: Record, gives: str) -> IcpRule:
    when = record.get("when")
    for key in record:
        if key not in {gives, "when", "name"}:
            raise _unreadable(record, key)
    if not isinstance(when, dict) or (gives == "points" and not when):
        raise _unreadable(record, "when")
    conditions = tuple(_condition(when, column) for column in when)  # type: ignore[arg-type]
    name = str(record.get("name") or ", ".join(when))
    value = record.get(gives)
    if gives == "tier":
        if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
            raise _unreadable(record, "tier")
        return IcpRule(name, conditions, tier=str(value))
    if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
        raise _unreadable(record, "points")
    return IcpRule(name, conditions, points=float(value))


def _condition(when: Record, column: str) -> Condition:
    kinds = {c.name: c.type for c in entity("account").columns if c.name not in _NOT_ASKED}
    if column not in kinds:
        near = did_you_mean(column, kinds)
        raise ConfigError(
            "An account has no column {column}.",
            hint="Did you mean {near}?" if near else "Use one of {known}.",
            where=when.where(column),
            column=column,
            near=near,
            known=", ".join(kinds),
        )
    value: Any = when[column]
    if kinds[column] in NUMBERS:
        bounds = value if isinstance(value, dict) else {}
        numbers = [bounds.get(FROM), bounds.get(BELOW)]
        if not bounds or bounds.keys() - {FROM, BELOW} or not all(_is_number(each) for each in numbers):
            raise _unreadable(when, column)
        return Condition(column, low=numbers[0], high=numbers[1])
    several = value if isinstance(value, list) else [value]
    if not several or any(each is None or isinstance(each, dict | list) for each in several):
        raise _unreadable(when, column)
    codes = countries() if column == "country" else {}
    return Condition(column, words=tuple(fold(codes.get(word_of(str(each)), str(each))) for each in several))


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _unreadable(record: Record, key: str) -> ConfigError:
    return ConfigError(
        "The rule cannot be read at {key}.",
        hint="Write it like {example}.",
        where=record.where(key),
        key=key,
        example="{tier: A, when: {country: [FR, BE], employee_count: {from: 50, below: 500}}}",
    )


def fitted(accounts: ir.Table, icp: Icp) -> ir.Table:
    """The accounts with ``icp_tier``, ``icp_fit_score`` and ``icp_reasons`` by the rules; the same columns.

    Without tiers the tier of the source stays, without points its score. The score is in 0..100: the points
    of the rules that hold, of all points; NULL where nothing that the rules ask is known.

    Args:
        accounts: Rows of the ``account`` entity, their values written in one way.
        icp: The rules.
    """
    if not icp.tiers and not icp.points:
        return accounts
    held = {f"_tier{place}": _holds(accounts, rule) for place, rule in enumerate(icp.tiers)}
    held |= {f"_point{place}": _holds(accounts, rule) for place, rule in enumerate(icp.points)}
    found = accounts.mutate(**held)
    told = {}
    if icp.tiers:
        told["icp_tier"] = ibis.cases(*_tiers(found, icp.tiers), else_=ibis.null("string"))
    if icp.points:
        told["icp_fit_score"] = _score(found, icp.points)
    told["icp_reasons"] = _reasons(found, icp)
    return found.mutate(**told).select(accounts.columns)


def _holds(accounts: ir.Table, rule: IcpRule) -> Expr:
    """True where all conditions hold, false where one fails, NULL where that rests on what is not known."""
    tests: list[Expr] = [_test(accounts[each.column], each) for each in rule.conditions]
    return ibis.and_(*tests)


def _test(value: Expr, condition: Condition) -> Expr:
    if condition.words:
        return n.folded(value.cast("string")).isin(condition.words)
    low: Expr = value >= condition.low if condition.low is not None else ibis.literal(True)
    high: Expr = value < condition.high if condition.high is not None else ibis.literal(True)
    return ibis.ifelse(value.isnull(), ibis.null("boolean"), low & high)


def _tiers(found: ir.Table, rules: Sequence[IcpRule]) -> Iterator[tuple[Expr, Expr]]:
    for place, rule in enumerate(rules):
        yield found[f"_tier{place}"].fill_null(False), ibis.literal(rule.tier)
        # a better tier that may hold is not passed over
        yield found[f"_tier{place}"].isnull(), ibis.null("string")


def _score(found: ir.Table, rules: Sequence[IcpRule]) -> Expr:
    total = sum(rule.points for rule in rules)
    held = [found[f"_point{place}"] for place in range(len(rules))]
    points: Expr = ibis.literal(0.0)
    for each, rule in zip(held, rules, strict=True):
        points += ibis.ifelse(each.fill_null(False), rule.points, 0.0)
    known = ibis.or_(*(each.notnull() for each in held))
    return ibis.ifelse(known, (points * 100 / total).round(6), ibis.null("float64"))


def _reasons(found: ir.Table, icp: Icp) -> Expr:
    """The rules that hold, and those whose answer is not known, as a text."""
    parts: list[Expr] = []
    for kind, rules in (("_tier", icp.tiers), ("_point", icp.points)):
        for place, rule in enumerate(rules):
            held = found[f"{kind}{place}"]
            told = f"{rule.tier}: {rule.name}" if rule.tier else f"+{rule.points:g} {rule.name}"
            parts.append(ibis.cases((held, f" · {told}"), (held.isnull(), f" · ? {told}"), else_=""))
    glue: Expr = ibis.literal("")
    return glue.join(parts).substr(3).nullif("")
