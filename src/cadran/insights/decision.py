"""Decisions: what was expected of which KPI, and what they are measured to have changed.

A decision names its KPI, its segment and its two windows before anything is known of the second
one. The effect is computed on these alone (T-96): after less before, less the same of a control
segment where one was named.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime
    from decimal import Decimal

    from cadran.period import Period

#: ``waiting`` until its day; ``to_measure`` from that day on until it is measured; ``measured``.
DecisionStatus = Literal["waiting", "to_measure", "measured"]
#: ``effect`` where the interval leaves 0 out, ``no_effect`` where it holds 0; ``too_few`` under the contract's
#: fewest cases; ``cannot_tell`` for a reason that time does not mend; ``not_yet`` while a window is not over.
Outcome = Literal["effect", "no_effect", "too_few", "cannot_tell", "not_yet"]
Method = Literal["before_after", "difference_in_differences"]


@dataclass(frozen=True)
class Cell:
    """One value of a comparison.

    Attributes:
        role: ``treated`` for the segment of the decision, ``control`` for the other one.
        window: ``before`` or ``after``; ``earlier`` is as long as ``before`` and ends where it starts.
        period: Days that count.
        value: The KPI, or for a flow its mean per week; None where there is none.
        low: Lower edge of its 95 % interval, or None.
        high: Upper edge, or None.
        n: Cases behind it.
    """

    role: Literal["treated", "control"]
    window: Literal["earlier", "before", "after"]
    period: Period
    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Effect:
    """What a decision is measured to have changed.

    Attributes:
        outcome: What can be said.
        method: How it was measured.
        is_weekly: True when values are means per week, for KPIs that are counts or sums.
        value: Change in the KPI's unit, or None.
        low: Lower edge of its 95 % interval, or None.
        high: Upper edge, or None.
        cells: What was compared.
        drift: For a difference of differences, the same before the decision, between ``earlier`` and
            ``before``, as value, low and high: how far the segments moved apart on their own; None when unknown.
        reason: Why there is no value, as an English template.
        params: Values of its fields.
        measured_at: When, a naive UTC instant.
        known_at: Until when the data was known, a naive UTC instant.
        snapshot: Snapshot that answered.
    """

    outcome: Outcome
    method: Method
    measured_at: datetime
    known_at: datetime
    snapshot: str
    is_weekly: bool = False
    value: float | None = None
    low: float | None = None
    high: float | None = None
    cells: tuple[Cell, ...] = ()
    drift: tuple[float, float, float] | None = None
    reason: str = ""
    params: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """False while time may still bring an answer."""
        return self.outcome != "not_yet"

    @property
    def has_drifted(self) -> bool:
        """True when the control was no fair one: the segments were already moving apart."""
        return self.drift is not None and not self.drift[1] <= 0 <= self.drift[2]


@dataclass(frozen=True)
class Plan:
    """What is declared before the outcome is known.

    Attributes:
        title: What was decided.
        owner: Who answers for it.
        kpi: KPI id on which it is measured.
        predicates: Segment that it touches; empty for all.
        control: Segment that it does not touch, to compare with; empty for none.
        before: Window before.
        after: Window after, which starts where `before` ends.
        expected: Effect expected, signed, in the KPI's unit (0.03 for three points of a rate); for counts and
            sums per week.
        due_on: Day on which it is measured.
    """

    title: str
    owner: str
    kpi: str
    before: Period
    after: Period
    expected: Decimal
    due_on: date
    predicates: tuple[str, ...] = ()
    control: tuple[str, ...] = ()

    @property
    def method(self) -> Method:
        """How it is measured."""
        return "difference_in_differences" if self.control else "before_after"


@dataclass(frozen=True)
class Decision:
    """A plan that was recorded.

    Attributes:
        id: Its number.
        plan: What was declared.
        version: Version of the KPI when it was decided.
        person: Who recorded it.
        decided_on: Local day on which it was recorded.
        reading: The readings that it was based on, as they were shown.
        effect: What it was measured to have changed, or None.
    """

    id: int
    plan: Plan
    version: str
    person: str
    decided_on: date
    reading: Any
    effect: Effect | None = None

    @property
    def is_late(self) -> bool:
        """True when the window was already running when the decision was recorded."""
        return self.plan.after.start < self.decided_on

    def status(self, today: date) -> DecisionStatus:
        """Where it stands; a day that passes without a measure does not make it disappear (T-96)."""
        if self.effect is not None:
            return "measured"
        return "to_measure" if today >= self.plan.due_on else "waiting"

    @property
    def is_held(self) -> bool | None:
        """True when the interval holds what was expected; None where nothing could be measured."""
        effect = self.effect
        if effect is None or effect.low is None or effect.high is None or effect.outcome == "too_few":
            return None
        return effect.low <= float(self.plan.expected) <= effect.high


@dataclass(frozen=True)
class TrackRecord:
    """How well expectations turned out, over decisions with a conclusive number of cases.

    Attributes:
        n_measured: Decisions measured with an interval.
        n_effect: Those with a detectable effect in the expected direction.
        n_opposite: Those with a detectable effect in the other direction.
        n_none: Those without a detectable effect.
        n_held: Those whose interval holds what was expected.
        n_unclear: Those that could not be measured, or on too few cases.
        n_overdue: Those whose day has passed without a measure.
        median_ratio: Median of measured effect over expected effect, or None; 1 is exact, under 1 too hopeful.
    """

    n_measured: int
    n_effect: int
    n_opposite: int
    n_none: int
    n_held: int
    n_unclear: int
    n_overdue: int
    median_ratio: float | None


def track_record(decisions: Sequence[Decision], today: date) -> TrackRecord:
    """How well those who decided predicted what came of it."""
    told = [(d, d.effect) for d in decisions if d.is_held is not None and d.effect and d.effect.value is not None]
    ratios = [e.value / float(d.plan.expected) for d, e in told if e.value is not None]
    seen = [(e.value or 0) * float(d.plan.expected) > 0 for d, e in told if e.outcome == "effect"]
    return TrackRecord(
        n_measured=len(told),
        n_effect=sum(seen),
        n_opposite=len(seen) - sum(seen),
        n_none=len(told) - len(seen),
        n_held=sum(bool(d.is_held) for d, _ in told),
        n_unclear=sum(d.effect is not None and d.is_held is None for d in decisions),
        n_overdue=sum(d.status(today) == "to_measure" for d in decisions),
        median_ratio=statistics.median(ratios) if ratios else None,
    )
