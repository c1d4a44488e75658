"""The change of a KPI as shares of its factors, its parts or its segments."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from cadran.engine.assemble import exact
from cadran.insights.change import REST, Driver, quantum, rounded
from cadran.stats.decomposition import Leaf, Product, is_simpson, mix_and_rate, settle, split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cadran.catalogue.definition import Kpi
    from cadran.engine.result import Figure
    from cadran.insights.change import Drivers
    from cadran.stats.decomposition import Node

SYMMETRIC = "A factor is zero or changes its sign: the shares are means over every order of change."
NO_VALUE = "{name} has no value in one of the two periods."
NOT_SUM = "The formula of {kpi} is neither a sum nor a product: its change cannot be split."
ON_ITS_OWN = "{kpi} is measured on its own: split it by a dimension."
NO_WAY = "The formula of {kpi} divides by zero between the two periods: its change cannot be split."


def by_terms(
    found: Drivers,
    node: Node | None,
    inputs: Mapping[str, str],
    before: Mapping[str, Decimal | None],
    now: Mapping[str, Decimal | None],
) -> Drivers:
    """The change split over the names of a formula."""
    bare = tuple(Driver(inputs[name], before=before[name], now=now[name]) for name in inputs)
    missing = next((inputs[name] for name in inputs if before[name] is None or now[name] is None), None)
    if missing is not None or node is None:
        reason, params = (NO_VALUE, {"name": missing}) if missing else (NOT_SUM, {"kpi": found.kpi.id})
        return replace(found, drivers=bare, reason=reason, reason_params=params)
    shares = split(node, _floats(before), _floats(now))
    if shares is None:
        return replace(found, drivers=bare, reason=NO_WAY, reason_params={"kpi": found.kpi.id})
    parts = [shares.parts.get(name, 0.0) for name in inputs]
    settled = _settled(parts, found)
    drivers = tuple(replace(d, contribution=c) for d, c in zip(bare, settled, strict=False))
    drivers += tuple(Driver(REST, contribution=rest) for rest in settled[len(bare) :])
    reason = SYMMETRIC if shares.method == "symmetric" else ""
    return replace(found, method=shares.method, drivers=drivers, reason=reason)


def by_parts(found: Drivers, figure: Figure, earlier: Figure) -> Drivers:
    """The change of a ratio split over what is above and below the line."""
    if figure.numerator is None or earlier.numerator is None or not (figure.denominator and earlier.denominator):
        return replace(found, reason=ON_ITS_OWN, reason_params={"kpi": found.kpi.id})
    node = Product(((1, Leaf("numerator")), (-1, Leaf("denominator"))))
    before = {"numerator": _decimal(earlier.numerator), "denominator": _decimal(earlier.denominator)}
    now = {"numerator": _decimal(figure.numerator), "denominator": _decimal(figure.denominator)}
    return by_terms(found, node, {"numerator": "numerator", "denominator": "denominator"}, before, now)


def by_difference(found: Drivers, cells: Sequence[tuple[Figure | None, Figure | None]]) -> Drivers:
    """Each segment adds its own difference."""
    drivers: list[Driver] = []
    for before, now in cells:
        first, second = (rounded(value_of(each) or Decimal(0), found.kpi) or Decimal(0) for each in (before, now))
        drivers.append(Driver("", found.kpi.unit, _segment(before, now), first, second, second - first))
    ordered = _largest_first(drivers)
    total = [sum((getattr(d, name) for d in drivers), Decimal(0)) for name in ("before", "now")]
    return replace(found, before=total[0], now=total[1], change=total[1] - total[0], method="segments", drivers=ordered)


def by_mix_and_rate(found: Drivers, cells: Sequence[tuple[Figure | None, Figure | None]]) -> Drivers:
    """Each segment moves the ratio by its weight and by its own rate."""
    sums = [(*_parts(before), *_parts(now)) for before, now in cells]
    n0, d0, n1, d1 = (sum((cell[place] for cell in sums), Decimal(0)) for place in range(4))
    found = replace(found, before=_ratio(n0, d0, found.kpi), now=_ratio(n1, d1, found.kpi), change=None)
    parts = mix_and_rate([tuple(float(value) for value in cell) for cell in sums])  # type: ignore[misc]
    if parts is None or found.now is None or found.before is None:
        return replace(found, reason=NO_VALUE, reason_params={"name": found.kpi.id})
    found = replace(found, change=found.now - found.before)
    settled = _settled([part.mix for part in parts] + [part.rate for part in parts], found)
    drivers = [
        Driver(
            "",
            found.kpi.unit,
            _segment(before, now),
            _ratio(cell[0], cell[1], found.kpi),
            _ratio(cell[2], cell[3], found.kpi),
            settled[place] + settled[place + len(parts)],
            settled[place],
            settled[place + len(parts)],
            float(cell[1] / d0),
            float(cell[3] / d1),
        )
        for place, ((before, now), cell) in enumerate(zip(cells, sums, strict=True))
    ]
    ordered = _largest_first(drivers)
    return replace(found, method="mix_rate", drivers=ordered, is_simpson=is_simpson(parts, float(found.change or 0)))


def _largest_first(drivers: Sequence[Driver]) -> tuple[Driver, ...]:
    return tuple(sorted(drivers, key=lambda driver: abs(driver.contribution or Decimal(0)), reverse=True))


def _settled(parts: Sequence[float], found: Drivers) -> tuple[Decimal, ...]:
    """Contributions on the KPI's step, with a last one for what they do not explain, when there is any."""
    change, step = found.change or Decimal(0), quantum(found.kpi)
    rest = float(change) - sum(parts)
    size = max([abs(float(change)), *(abs(part) for part in parts)])
    if abs(rest) > max(float(step) * len(parts), 1e-9 * size):
        return settle([*parts, rest], change, step)
    return settle([part + rest * abs(part) / (sum(map(abs, parts)) or 1) for part in parts], change, step)


def _segment(before: Figure | None, now: Figure | None) -> Mapping[str, str | None]:
    figure = now or before
    return dict(figure.segment) if figure else {}


def value_of(figure: Figure | None) -> Decimal | None:
    """The exact value of a figure, or None."""
    return exact(figure) if figure is not None else None


def _parts(figure: Figure | None) -> tuple[Decimal, Decimal]:
    if figure is None:
        return Decimal(0), Decimal(0)
    return _decimal(figure.numerator or 0), _decimal(figure.denominator or 0)


def _ratio(upper: Decimal, lower: Decimal, kpi: Kpi) -> Decimal | None:
    return rounded(upper / lower, kpi) if lower else None


def _decimal(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _floats(values: Mapping[str, Decimal | None]) -> dict[str, float]:
    return {name: float(value or 0) for name, value in values.items()}
