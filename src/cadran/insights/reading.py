"""Reading: a number and its meaning — interval, comparison, target, benchmark, verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from cadran.stats.contrast import Estimate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from cadran.catalogue.definition import Benchmark, Kpi, Target
    from cadran.engine.result import Figure, Knowledge, Number
    from cadran.errors import Issue
    from cadran.stats.conversion import Conversion

#: ``ok`` a value to rely on; ``too_few`` under the contract's fewest cases; ``too_young`` too small a
#: share of the cohort has had time to finish; ``undefined`` no value, with the reason.
ReadingStatus = Literal["ok", "too_few", "too_young", "undefined"]
Verdict = Literal["on_track", "watch", "off_track", "cannot_tell", "none"]


@dataclass(frozen=True)
class Change:
    """The difference with an earlier period, cut at the same elapsed share when it is unfinished.

    Attributes:
        start: First day of the earlier period.
        end: First day after what was compared of it.
        value: Value then, or None.
        delta: Value now less value then, or None; in points of rate, or in the unit. None too where a trailing
            window of either is not wholly in the data.
        ratio: Relative change, or None where the base is not above zero.
        is_favourable: True or False by the KPI's direction; None when it has none, did not move, or was
            measured by another version.
        version: Version of the KPI that measured the earlier period, when it is another one (T-98); else empty.
    """

    start: date
    end: date
    value: Number | None
    delta: Number | None
    ratio: float | None
    is_favourable: bool | None
    version: str = ""


@dataclass(frozen=True)
class Reading:
    """One figure, judged.

    Attributes:
        figure: What the engine measured.
        value: The value to show; for survival KPIs, the median, or None when it is not reached.
        low: Lower edge of the 95 % interval, or None.
        high: Upper edge, or None.
        status: Whether the value can be relied on.
        reason: Why not, as an English template.
        reason_params: Values of its fields.
        verdict: Against the target: ``cannot_tell`` when the interval contains it.
        target: Target that applies to this period and segment, or None.
        benchmark: Benchmark that applies, or None.
        change: Comparison with an earlier period, or None when none was asked.
        n_needed: How many cases it would take to tell, or None.
        maturity: Share of the cohort that had its whole window, in 0..1, or None; of an expected
            conversion, share of the cohort whose outcome is known.
        conversion: For an expected conversion, its curve and what it rests on, or None.
        issues: Findings that touch this number.
        is_break: True when the period before, in the same answer, was measured by another version of the KPI
            or of one behind it (T-98): a line must not join the two.
    """

    figure: Figure
    value: Number | None
    low: float | None = None
    high: float | None = None
    status: ReadingStatus = "ok"
    reason: str = ""
    reason_params: dict[str, object] = field(default_factory=dict)
    verdict: Verdict = "none"
    target: Target | None = None
    benchmark: Benchmark | None = None
    change: Change | None = None
    n_needed: int | None = None
    maturity: float | None = None
    conversion: Conversion | None = None
    issues: tuple[Issue, ...] = ()
    is_break: bool = False

    @property
    def kpi(self) -> Kpi:
        """The KPI that was read."""
        return self.figure.kpi

    @property
    def estimate(self) -> Estimate | None:
        """The value with its interval, or None where one of them is not known."""
        if self.value is None or self.low is None or self.high is None:
            return None
        return Estimate(float(self.value), self.low, self.high)


@dataclass(frozen=True)
class Readings:
    """The readings that answer one question.

    Attributes:
        readings: In the order of the engine's figures.
        currency: Base currency.
        as_of: Instant up to which the data was known.
        snapshot: Snapshot that answered.
        issues: Findings about the data behind them.
        sql: Every statement that ran.
        lineage: Canonical entities behind each KPI.
        knowledge: ``as_known`` when the question asks what was known on a past day; ``as_true`` when past
            periods are told with everything known by now, restated where need be (T-18).
    """

    readings: tuple[Reading, ...]
    currency: str
    as_of: datetime
    snapshot: str
    issues: tuple[Issue, ...] = ()
    sql: tuple[str, ...] = ()
    lineage: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    knowledge: Knowledge = "as_true"

    def by_segment(self) -> list[list[Reading]]:
        """The readings of each segment, in order."""
        found: dict[tuple[tuple[str, str | None], ...], list[Reading]] = {}
        for reading in self.readings:
            found.setdefault(reading.figure.key[2], []).append(reading)
        return list(found.values())
