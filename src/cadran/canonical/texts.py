"""From the cells of a row to the text of each rule: trimmed, combined, mapped, filled.

Each step is a select of its own: a step that named the cells of the one before in full would make
statements that take longer to plan than to run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.canonical import normalise as n
from cadran.canonical.rules import is_pattern
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import ibis.expr.types as ir

    from cadran.canonical.rules import Bound, BoundRule, Clause, Rule
    from cadran.canonical.schema import Expr

#: Marks of the columns of a rule: its text, a value that the value map lacks, what it is multiplied by.
TEXT, LACKS, TIMES = "?", "!", "*"
#: Marks of the steps in between: the text before the value map, the same folded, a folded cell.
_SOURCE, _FOLDED, _CELL = "<", "^", "="
ROW = "_row"


def texts(raw: ir.Table, bound: Bound, rules: Mapping[str, BoundRule]) -> ir.Table:
    """One row per row of the file: ``_row`` and the marked columns of every rule.

    Args:
        raw: Cells as they came, and ``_row``.
        bound: Mapping with the headers of the file; the condition of its entity number ``n`` becomes
            column ``n._when``.
        rules: The rules by name of their column.
    """
    clauses = [c for entity in bound.entities for c in entity.when] + [c for r in rules.values() for c in r.when]
    headers = [header for rule in rules.values() for header in (*rule.headers, rule.times) if header]
    named = dict.fromkeys([*headers, *(clause.headers[0] for clause in clauses)])
    cells = raw.select(ROW, **{header + _CELL: _cell(raw, header) for header in named})
    sources = cells.mutate(**{name + _SOURCE: _source(cells, rule) for name, rule in rules.items()})
    folds = sources.mutate(
        **{name + _FOLDED: n.folded(sources[name + _SOURCE]) for name, rule in rules.items() if rule.rule.values}
    )
    found: dict[str, Expr] = {}
    for name, rule in rules.items():
        found[name + TEXT] = _when(folds, rule, _mapped(folds, name, rule.rule))
        if rule.times:
            found[name + TIMES] = folds[rule.times + _CELL]
        if rule.rule.otherwise == "error":
            found[name + LACKS] = _when(folds, rule, _lacks(folds, name, rule.rule))
    for number, entity in enumerate(bound.entities):
        if entity.when:
            found[f"{number}._when"] = _holds(folds, entity.when)
    return folds.select(ROW, **found)


def kept(raw: ir.Table, clauses: tuple[Clause, ...]) -> Expr:
    """True for the rows of a file that pass every clause; never NULL."""
    return _all((clause, n.folded(_cell(raw, clause.headers[0]))) for clause in clauses)


def _cell(raw: ir.Table, header: str) -> Expr:
    """A cell as trimmed text; a column that has a type of its own is written out as ISO text."""
    value = raw[header]
    kind = value.type()
    if kind.is_string():
        return n.clean(value)
    if kind.is_timestamp() and kind.timezone:
        return value.cast("timestamp('UTC')").cast("timestamp(6)").cast("string") + "Z"
    if kind.is_floating():
        return value.cast("string").re_replace(r"\.0$", "")
    return value.cast("string")


def _source(cells: ir.Table, rule: BoundRule) -> Expr:
    """The text of a rule before its value map."""
    if not rule.headers:
        return ibis.literal(rule.rule.constant, "string")
    parts = [cells[header + _CELL] for header in rule.headers]
    text: Expr = _joined(parts, rule.rule) if rule.rule.combine == "join" else ibis.coalesce(*parts)
    if rule.rule.pattern:
        text = text.re_extract(rule.rule.pattern, 1).nullif("").coalesce(text)
    return text


def _joined(parts: list[Expr], rule: Rule) -> Expr:
    """The cells in one text; NULL when all of them are empty."""
    gap: Expr = ibis.literal(rule.glue)
    text = gap.join([part.coalesce("") for part in parts])
    if not rule.glue.strip():  # keys keep their place, so that ("a", "") and ("", "a") differ; words do not
        text = text.strip().re_replace(r"\s+", " ")
    if rule.constant is not None:
        text = text + gap + rule.constant
    return ibis.ifelse(ibis.coalesce(*parts).notnull(), text, ibis.null("string"))


def _tests(word: Expr, rule: Rule) -> list[tuple[Expr, str | None]]:
    return [(word.re_search(key[1:-1]) if is_pattern(key) else word == key, value) for key, value in rule.values]


def _mapped(folds: ir.Table, name: str, rule: Rule) -> Expr:
    """The text as the value map turns it, with the default where it is empty."""
    text: Expr = folds[name + _SOURCE]
    if rule.values:
        branches = [(test, ibis.literal(value, "string")) for test, value in _tests(folds[name + _FOLDED], rule)]
        text = ibis.cases(*branches, else_=text if rule.otherwise == "keep" else ibis.null("string"))
    return text.coalesce(rule.default) if rule.default is not None else text


def _lacks(folds: ir.Table, name: str, rule: Rule) -> Expr:
    """The text where the value map lacks it, else NULL."""
    text: Expr = folds[name + _SOURCE]
    known: Expr = ibis.literal(False)
    for test, _ in _tests(folds[name + _FOLDED], rule) if rule.values else []:
        known = known | test.coalesce(False)
    return ibis.ifelse(text.notnull() & ~known, text, ibis.null("string"))


def _when(cells: ir.Table, rule: BoundRule, text: Expr) -> Expr:
    return ibis.ifelse(_holds(cells, rule.when), text, ibis.null("string")) if rule.when else text


def _holds(cells: ir.Table, clauses: tuple[Clause, ...]) -> Expr:
    return _all((clause, n.folded(cells[clause.headers[0] + _CELL])) for clause in clauses)


def _all(tests: Iterable[tuple[Clause, Expr]]) -> Expr:
    """True when every clause holds; never NULL."""
    found: Expr = ibis.literal(True)
    for clause, word in tests:
        words = [value for value in clause.values if value is not None]
        test: Expr = word.isin(words).coalesce(False) if words else ibis.literal(False)
        test = test | word.isnull() if None in clause.values else test
        found = found & (~test if clause.negated else test)
    return found
