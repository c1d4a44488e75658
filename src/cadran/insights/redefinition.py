"""What a change of a contract does to its figures: both versions side by side, and the rows in and out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cadran.i18n import Said
from cadran.insights.record import plain

if TYPE_CHECKING:
    from cadran.catalogue.definition import Kpi
    from cadran.engine.late import LateChange
    from cadran.engine.result import Figure
    from cadran.insights.reading import Reading, Readings

#: Rows that are kept with a change; more are counted.
MOST_ROWS = 200
RESTATED = {
    "en": "Restated on {day} by version {version}, which {owner} approved: {reason}",
    "fr": "Retraité le {day} selon la version {version}, approuvée par {owner} : {reason}",
}


@dataclass(frozen=True)
class Redefinition:
    """A KPI by the version in force and by the one proposed, over the same span.

    Attributes:
        before: Version in force.
        after: Version proposed.
        old: Readings by the version in force.
        new: Readings by the version proposed, as if it had always counted.
        changes: Rows that count otherwise; empty when `reason` says why they cannot be listed.
        reason: Why rows cannot be listed, as an English template, or empty.
    """

    before: Kpi
    after: Kpi
    old: Readings
    new: Readings
    changes: tuple[LateChange, ...] = ()
    reason: str = ""

    @property
    def pairs(self) -> tuple[tuple[Reading | None, Reading | None], ...]:
        """Readings of the same period and segment, by both versions; None where one has no such segment."""
        old, new = ({r.figure.key: r for r in each.readings} for each in (self.old, self.new))
        return tuple((old.get(key), new.get(key)) for key in dict.fromkeys([*new, *old]))

    @property
    def n_in(self) -> int:
        """Rows that did not count and would."""
        return sum(change.kind == "entered" for change in self.changes)

    @property
    def n_out(self) -> int:
        """Rows that counted and would not."""
        return sum(change.kind == "left" for change in self.changes)


def redefinition_record(found: Redefinition) -> dict[str, Any]:
    """Both versions side by side as plain values, kept with the change as it was shown."""
    return {
        "figures": [_pair(old, new) for old, new in found.pairs],
        "n_in": found.n_in,
        "n_out": found.n_out,
        "n_changed": len(found.changes) - found.n_in - found.n_out,
        "rows": [_row(change) for change in found.changes[:MOST_ROWS]],
        "reason": found.reason,
        "currency": found.new.currency,
        "unit": found.after.unit,
        "snapshot": found.new.snapshot,
    }


def restated(figure: Figure) -> Said | None:
    """That a figure was told by another version before, with the day and the reason; None where it was not."""
    approval = figure.kpi.approval
    if approval is None or approval.restated_until is None or figure.start >= approval.restated_until:
        return None
    told = {"day": approval.on, "version": figure.kpi.version, "owner": approval.by, "reason": approval.reason}
    return Said(RESTATED, told)


def _pair(old: Reading | None, new: Reading | None) -> dict[str, Any]:
    reading = new or old
    assert reading is not None  # noqa: S101 - a pair has at least one reading
    return {
        "period_start": reading.figure.start.isoformat(),
        "period_end": reading.figure.end.isoformat(),
        "segment": dict(reading.figure.segment),
        "partial": reading.figure.partial,
        "old": _side(old),
        "new": _side(new),
    }


def _side(reading: Reading | None) -> dict[str, Any] | None:
    if reading is None:
        return None
    return {"value": plain(reading.value), "low": reading.low, "high": reading.high, "n": reading.figure.n}


def _row(change: LateChange) -> dict[str, Any]:
    return {
        "period_start": change.start.isoformat(),
        "part_of": change.kpi,
        "part": change.part,
        "change": change.kind,
        "entity": change.entity,
        "id": change.id,
        "old": plain(change.old),
        "new": plain(change.new),
    }
