"""What an export wrote, and what was lost KPI by KPI."""

from __future__ import annotations

from collections import Counter
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cadran.catalogue.definition import Catalogue, Kpi, Measure

#: ``whole``: the same figures; ``loss``: the same figures but for what the losses say;
#: ``none``: no metric, because the format would give other figures.
Status = Literal["whole", "loss", "none"]
#: Keys of a KPI that say what the number is, or that every format carries as plain text.
_KNOWN_KPI = frozenset(
    {
        *("id", "names", "kind", "unit", "direction", "basis", "version", "effective_from", "effective_to"),
        *("descriptions", "formula", "numerator", "denominator", "n", "expression", "inputs", "window_days"),
        *("dimensions", "default_by", "grains", "scope", "sources", "owner", "team", "funnel", "cadence", "min_n"),
        *("targets", "benchmarks", "alerts", "hypothesis", "interval", "variants", "is_vanity", "oracle", "zone"),
        *("low", "high", "notes", "cost_lines", "trailing", "locks", "approval", "where", "places"),
    }
)
_KNOWN_MEASURE = frozenset(
    {
        *("entity", "agg", "expr", "where", "time", "event", "balance", "at_end"),
        *("missing", "missing_what", "required", "places"),
    }
)
#: Losses that would make it another figure in every format.
FIGURE_LOST = frozenset({"survival", "estimate", "trailing", "inputs", "unknown_key"})
#: Aggregations that SQL has a word for.
WRITABLE = frozenset({"count", "sum", "mean", "count_distinct", "median", "min", "max"})
#: What was lost: why, and whether another tool can still give the figure.
MESSAGES = {
    "survival": "A Kaplan-Meier median cannot be written in this format.",
    "estimate": "An estimate over cases that are partly open ({agg}) cannot be written in this format.",
    "trailing": "Cadran does not write windows that end with each period ({window}) in this format.",
    "at_end": "Photographs such as month ends would be added up over a longer period.",
    "balance": "A balance at the end of a period would become the sum of what moved in it.",
    "two_days": "Its parts are dated by different days ({days}), and this format takes one.",
    "two_tables": "Its parts lie in tables that this format cannot put side by side ({tables}).",
    "inputs": "It is computed from {names}, which this format cannot compute.",
    "unknown_key": "This format does not know what {keys} means.",
    "time": "Which day dates a row is not part of this format: ask it by {day}.",
    "window": "Cases whose {days} days are not over yet are counted, so that recent periods look low.",
    "rate": "An amount without an exchange rate is left out in silence instead of making the figure undefined.",
    "all_unknown": "A period in which every amount is unknown gives 0 instead of nothing.",
    "default_by": "It is always broken down by {dims}; this format lets it be asked without.",
    "zone": "Its days are cut in {zone}; this format has one time zone for all.",
    "versions": "Only version {version} is written, not the earlier {earlier}.",
}
#: What no format takes from any KPI: said once.
GENERAL = (
    "Owner, cadence, targets, benchmarks, alerts, hypothesis, smallest sample and checking SQL travel as an extension.",
    "Intervals, verdicts, maturity and figures as known on a past day are not computed by other tools.",
    "Fiscal years, weeks that start on Sunday and opening hours are not part of the export.",
    "SQL is written for DuckDB and PostgreSQL, on Cadran's published tables.",
)


@dataclass(frozen=True)
class Loss:
    """One thing that a format cannot say about one KPI.

    Attributes:
        code: Key of `MESSAGES`.
        params: Values of the message's fields.
    """

    code: str
    params: Mapping[str, object] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """English template of the message."""
        return MESSAGES[self.code]


@dataclass(frozen=True)
class Exported:
    """What became of one KPI.

    Attributes:
        kpi: KPI id.
        status: Whether other tools give the same figures.
        losses: Why not, or what to mind.
    """

    kpi: str
    status: Status
    losses: tuple[Loss, ...] = ()


@dataclass(frozen=True)
class Export:
    """A catalogue written in another format.

    Attributes:
        files: Text of every file, by its relative path.
        kpis: What became of every KPI, in the catalogue's order.
    """

    files: Mapping[str, str]
    kpis: tuple[Exported, ...]

    def counts(self) -> Mapping[Status, int]:
        """How many KPIs there are of each status."""
        found = Counter(each.status for each in self.kpis)
        return {status: found[status] for status in ("whole", "loss", "none")}


def measures_of(kpi: Kpi) -> dict[str, Measure]:
    """The measures that make the value, by their role."""
    found = {"numerator": kpi.numerator, "denominator": kpi.denominator}
    return {role: measure for role, measure in found.items() if measure is not None}


def cannot_write(kpi: Kpi) -> Iterator[Loss]:
    """What keeps every format from computing a KPI."""
    keys = sorted(_unknown_keys(kpi, _KNOWN_KPI))
    for measure in measures_of(kpi).values():
        keys += sorted(_unknown_keys(measure, _KNOWN_MEASURE))
    if keys:
        yield Loss("unknown_key", {"keys": ", ".join(dict.fromkeys(keys))})
    for agg in {measure.agg for measure in measures_of(kpi).values()} - WRITABLE:
        yield Loss("survival") if agg == "survival" else Loss("estimate", {"agg": agg})
    if kpi.trailing:
        yield Loss("trailing", {"window": str(kpi.trailing)})


def _common_losses(kpi: Kpi, catalogue: Catalogue) -> Iterator[Loss]:
    """What no format can say about a KPI, whatever its kind."""
    yield from cannot_write(kpi)
    if kpi.default_by:
        yield Loss("default_by", {"dims": ", ".join(kpi.default_by)})
    if kpi.zone:
        yield Loss("zone", {"zone": kpi.zone})
    if earlier := [each.version for each in catalogue.kpis[kpi.id][:-1]]:
        yield Loss("versions", {"version": kpi.version, "earlier": ", ".join(earlier)})


def described(kpi: Kpi) -> str:
    """What a KPI is, in English, on one line."""
    return " ".join(kpi.descriptions.get("en", kpi.name("en")).split())


def verdict(kpi: Kpi, catalogue: Catalogue, losses: Iterable[Loss], fatal: frozenset[str]) -> Exported:
    """What became of a KPI, from what was lost and which of that leaves it out.

    Args:
        kpi: The KPI.
        catalogue: Definitions that it is part of.
        losses: What this format loses, beside what all do.
        fatal: Codes of losses that would change the figure itself.
    """
    found = tuple({each.code: each for each in (*_common_losses(kpi, catalogue), *losses)}.values())
    if any(each.code in fatal for each in found):
        return Exported(kpi.id, "none", tuple(each for each in found if each.code in fatal))
    return Exported(kpi.id, "loss" if found else "whole", found)


def _unknown_keys(part: Kpi | Measure, known: frozenset[str]) -> Iterator[str]:
    """Keys that this package has never heard of and that are set: what they mean must not be lost in silence."""
    for each in fields(part):
        default = each.default_factory() if each.default_factory is not MISSING else each.default
        if each.name not in known and getattr(part, each.name) != default:
            yield each.name
