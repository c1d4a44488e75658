"""Why a KPI moved, as a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cadran.api.document import Document
from cadran.insights.change_record import change_record

if TYPE_CHECKING:
    from cadran.insights.change import Drivers


class DriverOut(Document):
    """One factor, movement, part or segment, with what it adds to the change."""

    name: str
    unit: str
    segment: dict[str, str | None]
    before: str | None
    now: str | None
    contribution: str | None
    mix: str | None
    rate: str | None
    weight_before: float | None
    weight_now: float | None


class DriversOut(Document):
    """Why a KPI moved between two periods; the contributions add up to `change` exactly."""

    kpi: str
    version: str
    unit: str
    currency: str | None
    start: str
    end: str
    earlier_start: str
    earlier_end: str
    before: str | None
    now: str | None
    change: str | None
    method: str
    mix: str | None
    rate: str | None
    is_simpson: bool
    reason: str
    believed: list[str]
    drivers: list[DriverOut]


def drivers_out(found: Drivers, language: str) -> DriversOut:
    """The document of a change."""
    record: dict[str, Any] = change_record(found, language)
    return DriversOut.model_validate(record)
