"""The answers: numbers with everything that statistics and people need, and the rows behind them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from cadran.catalogue.definition import Kpi
    from cadran.errors import Issue
    from cadran.i18n import Said
    from cadran.period import Period

Number = int | float | Decimal
#: ``ok``; ``undefined`` when there is no value, with the reason.
Status = Literal["ok", "undefined"]
#: What was known on a past day, or what is known by now of past periods (T-18).
Knowledge = Literal["as_known", "as_true"]
#: KPI id, first day of the period, and dimension values in alphabetical order of their dimension.
Key = tuple[str, "date", tuple[tuple[str, str | None], ...]]


@dataclass(frozen=True)
class Moments:
    """Sums over the cases of one figure, enough for an interval of a mean or of a ratio of sums.

    Attributes:
        n: Number of cases.
        x: Sum of the numerator over the cases.
        y: Sum of the denominator over the cases.
        xx: Sum of squares of the numerator.
        yy: Sum of squares of the denominator.
        xy: Sum of products.
    """

    n: int
    x: float
    y: float
    xx: float
    yy: float
    xy: float


@dataclass(frozen=True)
class Durations:
    """Durations of cases, finished or not, enough for a Kaplan-Meier curve.

    Attributes:
        times: Distinct durations, ascending, in the KPI's unit.
        ended: How many cases ended at each duration.
        censored: How many cases were last seen, still open, at each duration.
    """

    times: tuple[float, ...]
    ended: tuple[int, ...]
    censored: tuple[int, ...]


@dataclass(frozen=True)
class Outcomes:
    """Cases by the age, in whole days since entry, at which something happened to them.

    Attributes:
        ages: Distinct ages, ascending, at least 0.
        converted: How many ended as wanted at each age.
        ended: How many ended in any other way.
        open: How many were last seen, still open.
        joined: How many began to be watched at that age.
    """

    ages: tuple[int, ...]
    converted: tuple[int, ...]
    ended: tuple[int, ...]
    open: tuple[int, ...]
    joined: tuple[int, ...]


@dataclass(frozen=True)
class Figure:
    """One number: one KPI, one period, one segment.

    Attributes:
        kpi: The version of the KPI that was computed.
        start: First day of the period.
        end: First day after it.
        segment: Dimension values, by dimension id; None where the source gives none.
        value: The number, or None where it is undefined; rates in 0..1, money decimal. None also
            for ``survival`` KPIs, whose value is a statistic of `durations`, and for ``incidence``
            ones, whose value is a statistic of `outcomes` and `past`.
        numerator: Upper part, or None.
        denominator: Lower part, or None.
        n: Cases behind the number.
        status: ``ok`` or ``undefined``.
        reason: Why there is no value, as an English template; empty when there is one.
        reason_params: Values of the fields in `reason`.
        partial: True when the period was not over when the data was read, or its window not wholly in the data.
        moments: Sums for an interval, or None.
        durations: Durations for a survival curve, or None.
        outcomes: For an ``incidence`` KPI, the ages and outcomes of the cases, or None.
        past: The same for every case of the segment that was open at some time of the last year that
            is known, whenever it started: what open cases are judged by.
        parts: Values of the inputs of a ``derived`` KPI, by name.
        counts: For a ``derived`` KPI, numerator and denominator of each input that is a ratio of counts.
        notes: What the figure says of itself (`definition.Note`).
        maturity: For a cohort with a window, share of it whose window was over when the data was
            read, in 0..1; None otherwise.
        window: For a trailing figure, the days over which flows count, which end with the period; else None.
        history_from: For a trailing figure whose window starts before there is data, which is then partial,
            the first day of which there is any; else None.
        definitions: Version of the KPI and of every one behind it, such as ``win_rate 1.0``.
    """

    kpi: Kpi
    start: date
    end: date
    segment: Mapping[str, str | None]
    value: Number | None
    numerator: Number | None
    denominator: Number | None
    n: int
    status: Status
    reason: str = ""
    reason_params: Mapping[str, object] = field(default_factory=dict)
    partial: bool = False
    moments: Moments | None = None
    durations: Durations | None = None
    outcomes: Outcomes | None = None
    past: Outcomes | None = None
    parts: Mapping[str, Number | None] = field(default_factory=dict)
    maturity: float | None = None
    window: Period | None = None
    history_from: date | None = None
    definitions: tuple[str, ...] = ()
    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    notes: tuple[Said, ...] = ()

    @property
    def key(self) -> Key:
        """What tells this figure from the others of a result: KPI, first day, segment."""
        return self.kpi.id, self.start, tuple(sorted(self.segment.items()))


@dataclass(frozen=True)
class KpiResult:
    """The answer to a `KpiQuery`.

    Attributes:
        figures: One per KPI, period and segment; KPIs in the order asked, then periods, then
            segments in alphabetical order with "not given" last.
        currency: Base currency of every money value.
        as_of: Instant up to which the data was known.
        snapshot: Name of the snapshot that answered.
        sql: Every statement that ran.
        issues: Findings of the build about the entities in the lineage.
        lineage: Canonical entities behind each KPI.
        earlier: For a question that compares, the figure of the earlier period that each figure
            compares with, by the key of the later one; cut at the same elapsed share when the
            later one is partial.
        knowledge: ``as_known`` for a question about what was known on a past day, else ``as_true``.
    """

    figures: Sequence[Figure]
    currency: str
    as_of: datetime
    snapshot: str
    sql: tuple[str, ...] = ()
    issues: tuple[Issue, ...] = ()
    lineage: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    earlier: Mapping[Key, Figure] = field(default_factory=dict)
    knowledge: Knowledge = "as_true"


@dataclass(frozen=True)
class Rows:
    """The rows behind a number.

    Attributes:
        columns: Column names, in order; ``counted`` says how the row counts: ``numerator``,
            ``denominator`` or ``excluded``.
        rows: One tuple per row.
        total: How many rows there are in all.
        as_of: Instant up to which the data was known.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    total: int
    as_of: datetime
