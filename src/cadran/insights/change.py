"""A change and its drivers: what moved a KPI between two periods, and by how much."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from cadran.catalogue.definition import Kpi

#: How the change was split: terms of a sum; factors by log-mean Divisia or, past zero, by the mean over
#: every order; movements of a balance; segments of a sum; mix and rate of a ratio; not at all.
Method = Literal["sum", "log_mean", "symmetric", "movements", "segments", "mix_rate", "none"]
#: Step to which contributions are rounded, by unit; they add up on it exactly.
QUANTA = {"money": Decimal("0.01"), "money_per_day": Decimal("0.01"), "count": Decimal("0.000001")}
QUANTUM = Decimal("0.000000001")
REST = "rest"


@dataclass(frozen=True)
class Driver:
    """One factor, movement, part or segment.

    Attributes:
        name: KPI id; ``numerator`` or ``denominator``; `REST` for what the formula does not tell;
            empty for a segment.
        unit: What its own value is counted in; empty where it has no unit of its own.
        segment: Dimension values, for a segment.
        before: Its value then, or None.
        now: Its value now, or None.
        contribution: What it adds to the change, in the KPI's unit; None where nothing can be said.
        mix: Of that, because its weight moved; None when it is no rate.
        rate: Of that, because its own rate moved; None when it is no rate.
        weight_before: Share of the cases then, or None.
        weight_now: Share of the cases now, or None.
    """

    name: str
    unit: str = ""
    segment: Mapping[str, str | None] = field(default_factory=dict)
    before: Decimal | None = None
    now: Decimal | None = None
    contribution: Decimal | None = None
    mix: Decimal | None = None
    rate: Decimal | None = None
    weight_before: float | None = None
    weight_now: float | None = None


@dataclass(frozen=True)
class Drivers:
    """Why a KPI moved.

    Attributes:
        kpi: The KPI.
        start: First day of the period.
        end: First day after it.
        earlier_start: First day of the period it is compared with.
        earlier_end: First day after what was compared of that.
        before: Value then, or None.
        now: Value now, or None.
        change: `now` less `before`: what the contributions add up to, exactly.
        method: How the change was split.
        drivers: In the order of the formula, or the largest contribution first.
        reason: Why there are no contributions, or why the method is not the usual one, as a template.
        reason_params: Values of its fields.
        is_simpson: True when every segment moved one way and the total the other.
        believed: KPIs that are believed to drive it, beside the arithmetic.
        currency: Base currency.
    """

    kpi: Kpi
    start: date
    end: date
    earlier_start: date
    earlier_end: date
    before: Decimal | None
    now: Decimal | None
    change: Decimal | None
    method: Method
    drivers: tuple[Driver, ...] = ()
    reason: str = ""
    reason_params: Mapping[str, object] = field(default_factory=dict)
    is_simpson: bool = False
    believed: tuple[str, ...] = ()
    currency: str = ""

    @property
    def mix(self) -> Decimal | None:
        """All of the change that moving weights explain, or None."""
        return _sum(driver.mix for driver in self.drivers)

    @property
    def rate(self) -> Decimal | None:
        """All of the change that moving rates explain, or None."""
        return _sum(driver.rate for driver in self.drivers)


def rounded(value: Decimal | None, kpi: Kpi) -> Decimal | None:
    """A value on the step of its unit."""
    return None if value is None else value.quantize(quantum(kpi))


def quantum(kpi: Kpi) -> Decimal:
    """The step on which the contributions to a KPI are rounded."""
    return QUANTA.get(kpi.unit, QUANTUM)


def _sum(values: Iterable[Decimal | None]) -> Decimal | None:
    known = [value for value in values if value is not None]
    return sum(known, Decimal(0)) if known else None
