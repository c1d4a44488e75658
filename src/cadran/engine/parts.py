"""What a KPI is made of: its measures as they are computed, and the scans that can hold them together.

Parts on the same table, day column and dimensions share one scan.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from cadran.errors import DefinitionError, QueryError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cadran.catalogue.definition import Catalogue, Kpi, Measure
    from cadran.period import Trailing

Mode = Literal["flow", "balance", "photo"]
#: Aggregations of which a ratio may be made, because its parts can be put together again.
ADDITIVE = ("count", "sum")

#: The parts of KPIs by identity: they are asked for again for every figure, and a KPI cannot be hashed.
_KNOWN: dict[int, tuple[Kpi, Parts]] = {}
_MOST_KNOWN = 2000


@dataclass(frozen=True)
class Part:
    """One measure as it is computed in a KPI.

    Attributes:
        measure: The measure.
        time: Day column that periods are cut on.
        event_on: For the numerator of a conversion, day column of the event that must follow.
        window: For a conversion, days within which it must follow, or None.
        photo: For photographs, the predicate of the rows whose last day is taken; shared by the
            parts of one KPI so that they are taken on the same day.
        trailing: Window over which rows count that ends with each period, or None for the period alone.
    """

    measure: Measure
    time: str
    event_on: str = ""
    window: int | None = None
    photo: str = ""
    trailing: Trailing | None = None


@dataclass(frozen=True)
class Group:
    """What parts must have in common to share a scan.

    Attributes:
        entity: Canonical table.
        time: Day column that periods are cut on.
        zone: Zone that replaces the company's, or empty.
        mode: Rows of the period, all rows up to its end, or rows of its last day with rows.
        dims: Dimensions that break it down.
    """

    entity: str
    time: str
    zone: str
    mode: Mode
    dims: tuple[str, ...]


@dataclass(frozen=True)
class Parts:
    """The parts of one KPI; a derived one has no numerator."""

    numerator: Part | None
    denominator: Part | None
    n: Part | None

    def all(self) -> Iterator[Part]:
        """Every part."""
        yield from (part for part in (self.numerator, self.denominator, self.n) if part)

    @property
    def pair(self) -> tuple[Part, Part] | None:
        """Numerator and denominator when their rows can be met in one scan, for moments."""
        top, low = self.numerator, self.denominator
        if top is None or low is None or not {top.measure.agg, low.measure.agg} <= set(ADDITIVE):
            return None
        same = (top.measure.entity, top.time, mode_of(top)) == (low.measure.entity, low.time, mode_of(low))
        return (top, low) if same and mode_of(top) != "balance" else None


def mode_of(part: Part) -> Mode:
    """How the rows of a part are chosen for a period."""
    if part.measure.balance:
        return "balance"
    return "photo" if part.measure.at_end else "flow"


def group_of(part: Part, kpi: Kpi, dims: tuple[str, ...]) -> Group:
    """The scan that a part belongs to."""
    return Group(part.measure.entity, part.time, kpi.zone, mode_of(part), dims)


def parts_of(kpi: Kpi) -> Parts:
    """The parts of a KPI; of a derived one, only what counts its cases.

    Raises:
        DefinitionError: The KPI is not derived and has no numerator.
    """
    known = _KNOWN.get(id(kpi))
    if known is None or known[0] is not kpi:
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        known = _KNOWN[id(kpi)] = (kpi, _made(kpi))
    return known[1]


def _made(kpi: Kpi) -> Parts:
    found = _parts(kpi)
    if kpi.trailing is None:
        return found
    return Parts(*(_over(part, kpi.trailing) for part in (found.numerator, found.denominator, found.n)))


def _over(part: Part | None, trailing: Trailing) -> Part | None:
    """The part over a window; a balance or a photograph is that of the period's end all the same."""
    return replace(part, trailing=trailing) if part and mode_of(part) == "flow" else part


def _parts(kpi: Kpi) -> Parts:
    top = kpi.numerator
    if kpi.kind == "derived":
        return Parts(None, None, Part(kpi.n, kpi.n.time, photo=kpi.n.where) if kpi.n else None)
    if top is None:
        raise DefinitionError("{kpi} has no numerator.", where=kpi.where, kpi=kpi.id)
    low = kpi.denominator
    photo = top.where
    n = Part(kpi.n, kpi.n.time, photo=photo) if kpi.n else None
    if kpi.kind == "conversion" and low is not None:
        event = top.time if top.time != low.time else ""
        cohort = Part(low, low.time, window=kpi.window_days)
        return Parts(Part(top, low.time, event, kpi.window_days), cohort, n)
    return Parts(Part(top, top.time, photo=photo), Part(low, low.time, photo=photo) if low else None, n)


def dims_of(kpi: Kpi, by: tuple[str, ...], catalogue: Catalogue) -> tuple[str, ...]:
    """The dimensions that break a KPI down: those it always has, then those asked for.

    Raises:
        QueryError: A dimension does not exist, or may not break this KPI down.
    """
    for name in by:
        if name not in catalogue.dimensions:
            near = did_you_mean(name, catalogue.dimensions)
            hint = "Did you mean {near}?" if near else "The dimensions are: {known}."
            known = ", ".join(sorted(catalogue.dimensions))
            raise QueryError(
                "No dimension is named {name}.", hint=hint, where="--by", name=name, near=near, known=known
            )
        if kpi.dimensions and name not in (*kpi.dimensions, *kpi.default_by):
            raise no_dimension(kpi, name)
    return tuple(dict.fromkeys((*kpi.default_by, *by)))


def no_dimension(kpi: Kpi, name: str) -> QueryError:
    """The error for a dimension that cannot break a KPI down."""
    return QueryError(
        "{kpi} cannot be broken down by {name}.",
        hint="It can be broken down by: {known}.",
        where="--by",
        kpi=kpi.id,
        name=name,
        known=", ".join(kpi.dimensions),
    )


def lineage_of(kpi: Kpi, versions: Mapping[str, Kpi]) -> Iterator[Kpi]:
    """A KPI and, when it is derived, its inputs, all the way down.

    Args:
        kpi: KPI that is asked.
        versions: Version of every KPI that counts in the period.

    Raises:
        DefinitionError: A derived KPI depends on itself.
    """
    yield from _lineage(kpi, versions, ())


def _lineage(kpi: Kpi, versions: Mapping[str, Kpi], above: tuple[str, ...]) -> Iterator[Kpi]:
    if kpi.id in above:
        path = " → ".join((*above[above.index(kpi.id) :], kpi.id))
        raise DefinitionError("{kpi} depends on itself: {path}.", where=kpi.where, kpi=kpi.id, path=path)
    yield kpi
    for name in kpi.inputs.values() if kpi.kind == "derived" else ():
        yield from _lineage(versions[name], versions, (*above, kpi.id))
