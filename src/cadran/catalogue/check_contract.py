"""What a contract says beside its measures: notes, ranges, the costs it counts, and one market for both parts."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

from cadran.canonical.cost import COST_LINES
from cadran.catalogue.check_parts import measures_of, restrictions
from cadran.catalogue.expression import column_names, entity_kinds, parse
from cadran.catalogue.fields import LANGUAGES, issue_of
from cadran.catalogue.findings import of_kpi, where_of
from cadran.catalogue.syntax import Call, Column, Value
from cadran.errors import CadranError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cadran.catalogue.definition import Kpi, Measure, Note
    from cadran.catalogue.syntax import Tree
    from cadran.errors import Issue

#: Word for every cost line.
ALL = "all"
#: Columns of ``cost`` that cut costs in another way than by line.
OTHER_CUTS = frozenset({"department", "platform", "campaign", "channel"})
#: Dimensions that say which part of the market a figure covers (T-52).
COVERAGE = frozenset({"segment", "market", "country", "region", "industry", "size_band", "product"})


def check_contract(kpi: Kpi) -> Iterator[Issue]:
    """Every problem of the notes, the range, the cost lines and the scope of one KPI."""
    for note in kpi.notes:
        yield from _note(kpi, note)
    yield from _range(kpi)
    yield from _costs(kpi)
    yield from _one_market(kpi)


def said_names(kpi: Kpi) -> set[str]:
    """The inputs of a derived KPI that its notes and its range use."""
    found: set[str] = set()
    for text in (kpi.low, kpi.high, *(note.when for note in kpi.notes)):
        try:
            found |= set(column_names(parse(text, _names(kpi)))) if text else set()
        except CadranError:
            continue  # said by `check_contract`
    return found


def _names(kpi: Kpi) -> dict[str, Any]:
    found = kpi.inputs if kpi.kind == "derived" else ("numerator", "denominator")
    return dict.fromkeys([*found, "n"], "number")


def _note(kpi: Kpi, note: Note) -> Iterator[Issue]:
    where = where_of(kpi.places, "notes", kpi.where)
    try:
        parse(note.when, _names(kpi), "bool", where=where)
    except CadranError as error:
        yield issue_of(error, "bad_expression")
    for language in LANGUAGES:
        text = note.text.get(language, "")
        if not text:
            yield of_kpi(kpi, "missing_name", "A note of {kpi} has no text in {language}.", "notes", language=language)
        for _, name, _, _ in string.Formatter().parse(text):
            if name is not None and name not in (*_names(kpi), "currency"):
                message = "A note of {kpi} has a field {name}, which is none of its parts."
                yield of_kpi(kpi, "bad_expression", message, "notes", name=name)


def _range(kpi: Kpi) -> Iterator[Issue]:
    if (kpi.interval == "range") != bool(kpi.low and kpi.high):
        message = "{kpi} has the interval range exactly when it says its edges, low and high."
        yield of_kpi(kpi, "bad_interval", message, "interval")
    for key in ("low", "high"):
        text = getattr(kpi, key)
        if text:
            try:
                parse(text, dict.fromkeys(kpi.inputs, "number"), "number", where=where_of(kpi.places, key, kpi.where))
            except CadranError as error:
                yield issue_of(error, "bad_expression")


def _costs(kpi: Kpi) -> Iterator[Issue]:
    """A KPI on costs lists the lines that it counts, and counts exactly those (T-32)."""
    measures = [measure for measure in measures_of(kpi).values() if measure.entity == "cost"]
    if measures and not kpi.cost_lines:
        message = "{kpi} counts costs and does not list which: write cost_lines."
        hint = "Write cost_lines: all, or the lines among {known}."
        yield of_kpi(kpi, "no_cost_lines", message, "numerator", hint, known=", ".join(COST_LINES))
    wanted = set(COST_LINES) if ALL in kpi.cost_lines else set(kpi.cost_lines)
    for name in sorted(set(kpi.cost_lines) - {ALL, *COST_LINES}):
        message = "{kpi} lists a cost line {name}, which is none of {known}."
        yield of_kpi(kpi, "bad_cost_line", message, "cost_lines", name=name, known=", ".join(COST_LINES))
    if kpi.cost_lines:
        for measure in measures:
            yield from _counted_lines(kpi, measure, wanted)


def _counted_lines(kpi: Kpi, measure: Measure, wanted: set[str]) -> Iterator[Issue]:
    try:
        tree = predicate_tree(measure)
    except CadranError:
        return  # said by the check of the measure
    counted = {line for line in COST_LINES if _holds(tree, line) is not False}
    if left := sorted(wanted & set(COST_LINES) - counted):
        message = "{kpi} says that it counts {lines} and leaves them out."
        hint = "All sales and marketing costs means salaries too: count them, or list only the lines that are counted."
        yield of_kpi(kpi, "cost_line_left_out", message, "cost_lines", hint, lines=", ".join(left))
    if more := sorted(counted - wanted):
        message = "{kpi} counts {lines}, which it does not list."
        yield of_kpi(kpi, "cost_line_unlisted", message, "cost_lines", lines=", ".join(more))
    cuts = restrictions(tree, OTHER_CUTS)
    if ALL in kpi.cost_lines and cuts:
        message = "{kpi} says that it counts all costs and keeps only some by {columns}."
        names = ", ".join(sorted({name for name, _ in cuts}))
        yield of_kpi(kpi, "cost_line_left_out", message, "cost_lines", columns=names)


def _holds(tree: Tree, line: str) -> Any:
    """Whether a predicate can hold for a cost of that line: None where it depends on other columns."""
    match tree:
        case Value():
            return tree.value
        case Column():
            return line if tree.name == "cost_line" else None
        case Call("and" | "or"):
            return _joined(tree.name, *(_holds(arg, line) for arg in tree.args))
    args = [_holds(arg, line) for arg in tree.args]
    if tree.name == "coalesce":
        return args[0]
    if any(arg is None for arg in args):
        return None
    tests = {"=": args[0] == args[-1], "<>": args[0] != args[-1], "in": args[0] in args[1:], "not": not args[0]}
    return tests.get(tree.name)


def _joined(name: str, left: Any, right: Any) -> bool | None:
    settles = name == "or"
    if settles in (left, right):
        return settles
    return None if left is None or right is None else not settles


def _one_market(kpi: Kpi) -> Iterator[Issue]:
    """Both parts of a ratio over two tables cover the same part of the market (T-52)."""
    top, low = kpi.numerator, kpi.denominator
    if top is None or low is None or top.entity == low.entity:
        return
    try:
        ours, theirs = (restrictions(predicate_tree(measure), COVERAGE) for measure in (top, low))
    except CadranError:
        return  # said by the check of the measures
    if ours != theirs:
        message = "The two parts of {kpi} do not cover the same {dimensions}."
        hint = "Restrict both in the same way, or neither."
        names = ", ".join(sorted({name for name, _ in ours ^ theirs}))
        yield of_kpi(kpi, "scope_mismatch", message, "numerator", hint, dimensions=names)


def predicate_tree(measure: Measure) -> Tree:
    """Which rows a measure counts, as a tree; TRUE when it counts every row.

    Raises:
        CadranError: The predicate cannot be read, or names a column that its table has not.
    """
    return parse(measure.where or "TRUE", entity_kinds(measure.entity), "bool")
