"""The questions: which KPIs, over which time, for whom, as known when; to and from parameters.

The same words serve the command line, the URL, the JSON API and assistants.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal

from cadran.errors import QueryError
from cadran.period import Grain, Trailing, parse_grain, parse_trailing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from cadran.canonical.settings import Settings
    from cadran.period import Calendar

Comparison = Literal["none", "previous", "year"]


@dataclass(frozen=True)
class KpiQuery:
    """A question about one or more KPIs.

    Attributes:
        kpis: KPI ids, in the order of the answer.
        by: Dimensions that break the answer down.
        grain: Length of each period, or None for the whole span as one period.
        start: First day, or None for the first day with data.
        end: First day after the span, or None for the end of the data.
        where: Predicates that all hold, such as ``segment = 'SMB'``.
        as_of: Answer as it was known at the end of this day, or None for everything known.
        compare: Period that each period is compared with.
        trailing: Window that ends with each period and over which flows are counted instead of the period
            alone; balances stay those of the end. Replaces the window that a KPI's contract sets. Without
            a grain, the window that ends with the span is the only period.
    """

    kpis: tuple[str, ...]
    by: tuple[str, ...] = ()
    grain: Grain | None = None
    start: date | None = None
    end: date | None = None
    where: tuple[str, ...] = ()
    as_of: date | None = None
    compare: Comparison = "none"
    trailing: Trailing | None = None


@dataclass(frozen=True)
class Context:
    """What a question means here: the company's calendar, and what the person asking may see.

    Attributes:
        calendar: Weeks and fiscal years.
        zone: Zone in which days are cut.
        currency: Base currency of every money value.
        settings: Settings of the derivations, for questions about what was known on a past day.
        scope: Predicates, written as `KpiQuery.where`, that every row must also meet.
    """

    calendar: Calendar
    zone: ZoneInfo
    currency: str
    settings: Settings
    scope: tuple[str, ...] = ()


@dataclass(frozen=True)
class RowQuery:
    """The rows behind a number: the same question, one KPI, and how many rows at most.

    Attributes:
        query: Question with exactly one KPI.
        limit: Most rows to return.
        offset: Rows to skip.
    """

    query: KpiQuery
    limit: int = 1000
    offset: int = 0


@dataclass(frozen=True)
class LateQuery:
    """What was learnt late about some figures: the rows that entered, left or changed them.

    Attributes:
        query: Question with exactly one KPI, a first day and an end; `KpiQuery.as_of` is the day at whose end
            the later knowledge is taken, None for everything known.
        since: Day at whose end the earlier knowledge is taken.
    """

    query: KpiQuery
    since: date


def where_is(name: str, value: str | None) -> str:
    """The predicate, for `KpiQuery.where`, that keeps one value of a dimension; None for what is not given."""
    return f"{name} IS NULL" if value is None else "{} = '{}'".format(name, value.replace("'", "''"))


def from_params(params: Iterable[tuple[str, str]]) -> KpiQuery:
    """The question that a list of parameters asks; the inverse of `to_params`.

    Args:
        params: Pairs of name and text; ``kpi``, ``by`` and ``where`` may come several times.

    Raises:
        QueryError: A parameter is unknown or its value cannot be read.
    """
    kpis: list[str] = []
    by: list[str] = []
    where: list[str] = []
    single: dict[str, str] = {}
    for name, text in params:
        match name:
            case "kpi":
                kpis.append(text)
            case "by":
                by.append(text)
            case "where":
                where.append(text)
            case _:
                single[name] = text
    compare = single.get("compare", "none")
    if compare not in ("none", "previous", "year"):
        raise QueryError(
            "Cannot compare with {text}.", hint="Use previous, year or none.", where="--compare", text=compare
        )
    return KpiQuery(
        kpis=tuple(kpis),
        by=tuple(by),
        grain=parse_grain(single["grain"]) if single.get("grain") else None,
        start=_day(single.get("from"), "--from"),
        end=_day(single.get("to"), "--to"),
        where=tuple(where),
        as_of=_day(single.get("as_of"), "--as-of"),
        compare=compare,  # type: ignore[arg-type]
        trailing=parse_trailing(single["trailing"]) if single.get("trailing") else None,
    )


def to_params(query: KpiQuery) -> list[tuple[str, str]]:
    """The parameters that ask this question, defaults left out."""
    pairs = [("kpi", kpi) for kpi in query.kpis] + [("by", name) for name in query.by]
    pairs += [("grain", query.grain)] if query.grain else []
    pairs += [("from", query.start.isoformat())] if query.start else []
    pairs += [("to", query.end.isoformat())] if query.end else []
    pairs += [("where", text) for text in query.where]
    pairs += [("as_of", query.as_of.isoformat())] if query.as_of else []
    pairs += [("compare", query.compare)] if query.compare != "none" else []
    pairs += [("trailing", str(query.trailing))] if query.trailing else []
    return pairs


def _day(text: str | None, where: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise QueryError("{text} is not a day.", hint="Write it as 2026-03-31.", where=where, text=text) from error
