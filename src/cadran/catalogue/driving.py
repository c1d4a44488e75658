"""What drives what: from a KPI down to its factors, and up to the North Star.

An edge is arithmetic (the formula says how much) or a hypothesis (somebody believes it). Arithmetic
comes from the expression of a derived KPI, or from the ``drivers`` section of a file::

    drivers:
      net_new_mrr: {equals: mrr_new + mrr_expansion - mrr_churn}      the same figure, from others
      mrr: {moves_by: mrr_new + mrr_expansion - mrr_churn + mrr_fx}   what moves a balance in a period;
                                                                     an entry may have both
      mrr_new: {believed: [new_customers, acv]}                       hypotheses
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cadran.catalogue import fields
from cadran.catalogue.expression import column_names, parse
from cadran.catalogue.fields import issue_of
from cadran.catalogue.findings import finding, unknown_name
from cadran.catalogue.syntax import Source
from cadran.catalogue.trees import read_syntax
from cadran.errors import CadranError, DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cadran.catalogue.definition import Catalogue, Driving, Kpi
    from cadran.catalogue.syntax import Tree
    from cadran.errors import Issue

#: ``equals``: the formula is the figure; ``moves_by``: it is what moved a balance over the period.
How = Literal["equals", "moves_by"]
#: ``variant``: the same thing by another convention, which leads on.
Relation = Literal["arithmetic", "hypothesis", "variant"]
DRIVING = fields.Shape(
    "a driver", {"equals": fields.text, "moves_by": fields.text, "believed": fields.texts}, required=()
)


@dataclass(frozen=True)
class Formula:
    """The arithmetic by which a KPI is made of others.

    Attributes:
        how: Whether it gives the figure or its movement.
        text: The expression, over the names in `inputs`.
        inputs: KPI behind each name.
    """

    how: How
    text: str
    inputs: Mapping[str, str]

    @property
    def tree(self) -> Tree:
        """The expression, checked."""
        return parse(self.text, dict.fromkeys(self.inputs, "number"), "number", where="")


def formula_of(kpi: Kpi, catalogue: Catalogue) -> Formula | None:
    """The arithmetic of a KPI over others, its movement first; None when it is measured on its own."""
    if kpi.kind == "derived":
        return Formula("equals", kpi.expression, dict(kpi.inputs))
    driving = catalogue.drivers.get(kpi.id)
    text = (driving.moves_by or driving.equals) if driving else ""
    if driving is None or not text:
        return None
    names = _names(text, driving)
    known = {name: name for name in names if name in catalogue.kpis}
    # a KPI that could not be read leaves no formula rather than a wrong one
    is_whole = bool(names) and len(known) == len(names)
    return Formula("moves_by" if driving.moves_by else "equals", text, known) if is_whole else None


def edges(name: str, catalogue: Catalogue) -> dict[str, Relation]:
    """What drives a KPI directly, arithmetic first."""
    if name not in catalogue.kpis:
        return {}
    formula, driving = formula_of(catalogue.kpis[name][-1], catalogue), catalogue.drivers.get(name)
    found: dict[str, Relation] = dict.fromkeys(formula.inputs.values(), "arithmetic") if formula else {}
    if driving:
        both = (*_names(driving.moves_by, driving), *_names(driving.equals, driving))
        found |= {other: "arithmetic" for other in both if other in catalogue.kpis}
    for other in driving.believed if driving else ():
        if other in catalogue.kpis:
            found.setdefault(other, "hypothesis")
    return found


def ways_up(name: str, catalogue: Catalogue) -> tuple[tuple[str, Relation], ...] | None:
    """The shortest way from a KPI, or a variant of it, to the North Star, with how each drives the next.

    Returns:
        Pairs of KPI and relation to the one after it, the KPI itself first and the North Star, whose
        relation means nothing, last; None without any way.
    """
    found = _way(name, catalogue)
    for other in catalogue.kpis[name][-1].variants if found is None and name in catalogue.kpis else ():
        way = _way(other, catalogue) if other != name else None
        if way is not None and (found is None or len(way) + 1 < len(found)):
            found = ((name, "variant"), *way)
    return found


def _way(name: str, catalogue: Catalogue) -> tuple[tuple[str, Relation], ...] | None:
    target = catalogue.north_star
    parents: dict[str, list[tuple[str, Relation]]] = {}
    for upper in catalogue.kpis:
        for lower, relation in edges(upper, catalogue).items():
            parents.setdefault(lower, []).append((upper, relation))
    waiting: list[tuple[tuple[str, Relation], ...]] = [((name, "arithmetic"),)]
    seen = {name}
    while waiting:
        way = waiting.pop(0)
        if way[-1][0] == target:
            return way
        for upper, relation in parents.get(way[-1][0], []):
            if upper not in seen:
                seen.add(upper)
                waiting.append((*way[:-1], (way[-1][0], relation), (upper, "arithmetic")))
    return None


def check_drivers(catalogue: Catalogue) -> Iterator[Issue]:
    """What is wrong with the ``drivers`` section: names, formulas, circles."""
    for name, driving in catalogue.drivers.items():
        if name not in (*catalogue.kpis, *catalogue.left_out):
            yield unknown_name("unknown_kpi", "No KPI is named {name}.", name, catalogue.kpis, driving.where)
            continue
        yield from _entry(name, driving, catalogue)
        if name in _reached(name, catalogue):
            yield finding("cycle", "{name} drives itself.", driving.where, name=name)


def _entry(name: str, driving: Driving, catalogue: Catalogue) -> Iterator[Issue]:
    """What is wrong with one entry by itself."""
    try:
        used = _used(driving)
    except CadranError as error:
        yield issue_of(error, "bad_expression")
        return
    for other in (*used, *driving.believed):
        if other not in (*catalogue.kpis, *catalogue.left_out):
            yield unknown_name("unknown_kpi", "No KPI is named {name}.", other, catalogue.kpis, driving.where)
    if used and name in catalogue.kpis and catalogue.kpis[name][-1].kind == "derived":
        message = "{name} is derived: its own expression says what it is made of."
        yield finding("two_formulas", message, driving.where, name=name)


def _names(text: str, driving: Driving) -> tuple[str, ...]:
    """The names in a formula; none in one that cannot be read, which `check_drivers` says."""
    try:
        return tuple(dict.fromkeys(column_names(read_syntax(text, Source(text, driving.where, DefinitionError)))))
    except CadranError:
        return ()


def _used(driving: Driving) -> tuple[str, ...]:
    """The names in the formulas of an entry."""
    found: dict[str, None] = {}
    for text in filter(None, (driving.equals, driving.moves_by)):
        names = tuple(column_names(read_syntax(text, Source(text, driving.where, DefinitionError))))
        parse(text, dict.fromkeys(names, "number"), "number", where=driving.where)
        found |= dict.fromkeys(names)
    return tuple(found)


def _reached(name: str, catalogue: Catalogue) -> set[str]:
    waiting, found = list(edges(name, catalogue)), set[str]()
    while waiting:
        other = waiting.pop()
        if other not in found:
            found.add(other)
            waiting += edges(other, catalogue)
    return found
