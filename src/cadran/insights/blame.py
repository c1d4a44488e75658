"""Which segment is to blame for a change of a rate: the smallest cell that explains it, or that nothing does.

The period is told by the six periods of the same length before it. A cell is named by one or two
dimensions, only when windows in which nothing happened seldom give one as striking; its rows can be
asked for with `Blamed.where`.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from cadran.engine.query import where_is
from cadran.engine.span import HISTORY, before_span
from cadran.errors import QueryError
from cadran.stats.causes import Cases, Cause, find_cause

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

    from cadran.catalogue.definition import Catalogue, Kpi
    from cadran.engine.query import KpiQuery
    from cadran.engine.result import Figure, KpiResult
    from cadran.period import Grain

    Ask = Callable[[KpiQuery], KpiResult]

#: Dimensions that are searched unless others are asked, as far as the KPI has them.
SEARCHED = ("segment", "industry", "channel", "size_band", "owner", "region")
#: Fewest cases, later and earlier, from which a cell is looked for.
FEWEST = 50
#: Candidates that are kept, whether one is named or not.
KEPT = 5
LEVEL, DRAWS = 0.05, 199


@dataclass(frozen=True)
class Blamed:
    """One cell that may be to blame.

    Attributes:
        segment: Value of each dimension that is named.
        n: Cases in it in the period.
        rate: Its rate, in 0..1.
        expected: The rate that it would have had, had it moved like the rest.
        effect: What it adds to the KPI's rate, in points of rate: (hits − expected hits) ÷ all cases.
        where: Predicates that keep its rows.
    """

    segment: Mapping[str, str | None]
    n: int
    rate: float
    expected: float
    effect: float
    where: tuple[str, ...]


@dataclass(frozen=True)
class Blame:
    """What explains a change, or that nothing tells.

    Attributes:
        kpi: The KPI.
        start: First day of the period.
        end: First day after it.
        history_start: First day of what tells what was expected.
        rate: The KPI's rate in the period, or None.
        before: Its rate over the history, or None.
        n: Cases in the period.
        dims: Dimensions that were searched.
        cause: The cell to blame, or None.
        p: Share of windows without a cause that give one as striking, or None.
        candidates: The most striking cells, whether one is named or not.
        reason: Why none is named, as an English template; empty when one is.
        reason_params: Values of its fields.
    """

    kpi: Kpi
    start: date
    end: date
    history_start: date
    rate: float | None
    before: float | None
    n: int
    dims: tuple[str, ...]
    cause: Blamed | None = None
    p: float | None = None
    candidates: tuple[Blamed, ...] = ()
    reason: str = ""
    reason_params: Mapping[str, object] = field(default_factory=dict)


def blame_of(catalogue: Catalogue, query: KpiQuery, ask: Ask, *, seed: int = 0) -> Blame:
    """What is to blame for the rate of the last whole period of a question.

    Args:
        catalogue: Definitions.
        query: One KPI that is a rate of counts; its `by` are the dimensions to search, at most six.
        ask: What answers questions.
        seed: Seed of the draws; the question itself is mixed in.

    Raises:
        QueryError: The question has several KPIs, or one that is no rate of counts.
    """
    kpi = _rate_kpi(catalogue, query)
    dims = _dims(kpi, query, catalogue)
    now = _period(ask, replace(query, by=(), compare="none"), kpi)
    history = before_span(now.start, now.end, HISTORY)
    asked = replace(query, by=dims, grain=None, compare="none")
    later = ask(replace(asked, start=now.start, end=now.end)).figures
    earlier = ask(replace(asked, start=history, end=now.start)).figures
    codes = _Codes(dims, [*earlier, *later])
    before, after = codes.cases(earlier), codes.cases(later)
    found = Blame(kpi, now.start, now.end, history, _rate(after), _rate(before), int(after.n.sum()), dims)
    if min(after.n.sum(), before.n.sum()) < FEWEST:
        params = {"n": int(min(after.n.sum(), before.n.sum())), "needed": FEWEST}
        return replace(
            found, reason="Only {n} cases: at least {needed} are needed to look for a cause.", reason_params=params
        )
    rng = np.random.default_rng([seed, zlib.crc32(f"{kpi.id} {now.start} {dims}".encode())])
    cause, candidates = find_cause(before, after, rng=rng, draws=DRAWS, level=LEVEL)
    named = tuple(_blamed(each, codes, after) for each in candidates[:KEPT])
    found = replace(found, p=candidates[0].p if candidates else None, candidates=named)
    if cause is None:
        return replace(found, reason="No segment stands out from what chance and the mix explain.")
    return replace(found, cause=named[0])


def _rate_kpi(catalogue: Catalogue, query: KpiQuery) -> Kpi:
    if len(query.kpis) != 1:
        raise QueryError("A cause is looked for one KPI at a time.", hint="Name one KPI.", where="kpi")
    kpi = catalogue.kpi(query.kpis[0])
    if kpi.interval != "wilson":
        raise QueryError(
            "{kpi} is no rate of counts: no segment can be blamed for it.",
            hint="`cadran drivers` splits it by its formula.",
            where="kpi",
            kpi=kpi.id,
        )
    return kpi


def _dims(kpi: Kpi, query: KpiQuery, catalogue: Catalogue) -> tuple[str, ...]:
    if query.by:
        return query.by[: len(SEARCHED)]
    known = kpi.dimensions or tuple(catalogue.dimensions)
    return tuple(name for name in SEARCHED if name in known and name in catalogue.dimensions)


def _period(ask: Ask, query: KpiQuery, kpi: Kpi) -> Figure:
    """The last whole period of the question; by month or the KPI's shortest longer grain unless one is asked."""
    if query.grain is None and query.start is None:
        grain: Grain = "month" if "month" in kpi.grains else kpi.grains[0]  # type: ignore[assignment]
        query = replace(query, grain=grain)
    figures = ask(query).figures
    if not figures:
        raise QueryError(
            "There is no case of {kpi} in this span.", hint="Give another span.", where="--from", kpi=kpi.id
        )
    whole = [figure for figure in figures if figure.n] or list(figures)
    return max(
        whole, key=lambda figure: (not figure.partial, figure.maturity is None or figure.maturity >= 1, figure.start)
    )


class _Codes:
    """Numbers for dimension values, the same for both sides."""

    def __init__(self, dims: tuple[str, ...], figures: Sequence[Figure]) -> None:
        self.dims = dims
        self.values = [sorted({f.segment[dim] for f in figures}, key=lambda v: (v is None, v or "")) for dim in dims]
        self._code = [{value: code for code, value in enumerate(values)} for values in self.values]

    def cases(self, figures: Sequence[Figure]) -> Cases:
        """Groups of cases that agree on every dimension."""
        kept = [figure for figure in figures if figure.denominator]
        codes = [[code[f.segment[dim]] for dim, code in zip(self.dims, self._code, strict=True)] for f in kept]
        return Cases(
            np.array(codes, dtype=np.int64).reshape(len(kept), len(self.dims)),
            np.array([float(f.denominator or 0) for f in kept]),
            np.array([float(f.numerator or 0) for f in kept]),
        )

    def segment(self, cause: Cause) -> dict[str, str | None]:
        """The values of a cell by dimension."""
        return {self.dims[at]: self.values[at][code] for at, code in cause.cell.items()}


def _blamed(cause: Cause, codes: _Codes, after: Cases) -> Blamed:
    segment = codes.segment(cause)
    return Blamed(
        segment=segment,
        n=cause.n,
        rate=cause.hits / cause.n,
        expected=cause.expected / cause.n,
        effect=(cause.hits - cause.expected) / float(after.n.sum()),
        where=tuple(where_is(name, value) for name, value in segment.items()),
    )


def _rate(cases: Cases) -> float | None:
    return float(cases.hits.sum() / cases.n.sum()) if cases.n.sum() else None
