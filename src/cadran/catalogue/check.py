"""Contracts: whether what the catalogue defines can be computed, compared and believed.

`check_catalogue` never stops: it gives every problem with its file and line. Whoever answers for a KPI, how
often it is looked at and what follows from it make a number a KPI: without them it is refused. What else
only a careful definition has (oracle, formula) is an error in the KPIs that come with Cadran, and a warning
in a project's own.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import combinations, pairwise
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

from cadran.canonical.entities import ENTITIES, published_columns
from cadran.catalogue.check_contract import COVERAGE, check_contract, predicate_tree, said_names
from cadran.catalogue.check_parts import check_measure, check_shape, check_trailing, measures_of, restrictions
from cadran.catalogue.driving import check_drivers
from cadran.catalogue.expression import column_names, parse
from cadran.catalogue.fields import LANGUAGES, issue_of
from cadran.catalogue.findings import PROJECT, finding, of_kpi, unknown_name, where_of
from cadran.errors import CadranError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cadran.catalogue.definition import Board, Catalogue, Dimension, Kpi, Target
    from cadran.errors import Issue, Level

#: Most KPIs on a board.
MOST_ON_BOARD = 7
#: Most KPIs on the board of a team, which answers for each of them.
MOST_OF_TEAM = 5
#: What makes a number a KPI.
GOVERNED = ("owner", "cadence", "hypothesis")
#: What a contract says beside how to compute it.
CONTRACT = ("owner", "cadence", "funnel", "hypothesis", "descriptions", "formula", "oracle")


def check_catalogue(catalogue: Catalogue) -> tuple[Issue, ...]:
    """Every problem of a catalogue, KPI by KPI, then dimensions and boards."""
    found: list[Issue] = []
    for versions in catalogue.kpis.values():
        found += _versions(versions)
        for kpi in versions:
            found += check_kpi(kpi, catalogue)
    for dimension in catalogue.dimensions.values():
        found += _dimension(dimension)
    for board in catalogue.boards:
        found += _board(board, catalogue)
    found += check_drivers(catalogue)
    if catalogue.kpis and catalogue.north_star not in (*catalogue.kpis, *catalogue.left_out):
        message = "The north star {name} is not a KPI."
        found.append(unknown_name("unknown_kpi", message, catalogue.north_star, catalogue.kpis, ""))
    return tuple(found)


def check_kpi(kpi: Kpi, catalogue: Catalogue) -> Iterator[Issue]:
    """Every problem of one version of one KPI."""
    yield from _texts(kpi)
    yield from check_shape(kpi)
    yield from check_trailing(kpi)
    yield from check_contract(kpi)
    if kpi.zone and kpi.zone not in available_timezones():
        yield of_kpi(kpi, "bad_zone", "{zone} is not a time zone.", "zone", hint="Write Europe/Paris.", zone=kpi.zone)
    for key, measure in measures_of(kpi).items():
        yield from check_measure(kpi, key, measure)
    yield from _dimensions(kpi, catalogue)
    if kpi.kind == "derived":
        yield from _derived(kpi, catalogue)
    yield from _targets(kpi, catalogue)
    for rule in kpi.alerts:
        if rule.certainty is not None and not (rule.against == "usual" and 0 < rule.certainty < 1):
            message = "An alert of {kpi} is to be sure at {certainty}: only `against: usual` is, at a share below 1."
            hint = 'Write a share, such as certainty: "0.995".'
            yield of_kpi(kpi, "bad_alert", message, "alerts", hint, certainty=rule.certainty)
    for name in kpi.variants:
        if name not in (*catalogue.kpis, *catalogue.left_out):
            yield _unknown_kpi(name, catalogue, where_of(kpi.places, "variants", kpi.where))


def _texts(kpi: Kpi) -> Iterator[Issue]:
    for language in LANGUAGES:
        if not kpi.names.get(language):
            yield of_kpi(kpi, "missing_name", "{kpi} has no name in {language}.", "names", language=language)
    for key in CONTRACT:
        if not getattr(kpi, key):
            level: Level = "warning" if kpi.where.startswith(PROJECT) and key not in GOVERNED else "error"
            missing = of_kpi(kpi, "missing_contract", "{kpi} has no {part}.", hint=_ADVICE.get(key, ""), part=key)
            yield replace(missing, level=level)


_ADVICE = {
    "owner": "Name who answers for it.",
    "cadence": "Say how often it is looked at: daily, weekly, monthly or quarterly.",
    "hypothesis": "Say what follows when it moves: if it improves, which result improves, and by what way.",
    "oracle": "Write plain SQL that gives the same figure another way: without it nobody can check the number.",
}


def _versions(versions: Sequence[Kpi]) -> Iterator[Issue]:
    names = [kpi.version for kpi in versions]
    for earlier, later in pairwise(versions):
        if names.count(later.version) > 1 and later.version == earlier.version:
            message = "{kpi} has two versions named {version}."
            yield of_kpi(later, "same_version", message, "version", version=later.version)
    for first, second in combinations(versions, 2):
        if _overlap((first.effective_from, first.effective_to), (second.effective_from, second.effective_to)):
            message = "Versions {first} and {second} of {kpi} are in force on the same days."
            hint = "Give the later one the day from which it counts: effective_from."
            yield of_kpi(
                second, "versions_overlap", message, "effective_from", hint, first=first.version, second=second.version
            )
    yield from _not_approved(versions)
    for kpi in versions:
        if kpi.effective_from and kpi.effective_to and kpi.effective_from >= kpi.effective_to:
            yield of_kpi(kpi, "empty_version", "{kpi} ends before it starts to count.", "effective_to")


def _not_approved(versions: Sequence[Kpi]) -> Iterator[Issue]:
    """Versions that a project wrote by hand: a change is proposed, shown and approved by its owner (T-98)."""
    message, hint = "Nobody approved version {version} of {kpi}.", "Propose it: `cadran contract propose {kpi}`."
    for kpi in versions[1:]:
        if kpi.approval is None and kpi.where.startswith(PROJECT):
            found = of_kpi(kpi, "not_approved", message, "version", hint, version=kpi.version)
            yield replace(found, level="warning")


def _overlap(first: tuple[date | None, date | None], second: tuple[date | None, date | None]) -> bool:
    """True when two half-open spans, open where None, have a day in common."""
    start = max(first[0] or date.min, second[0] or date.min)
    return start < min(first[1] or date.max, second[1] or date.max)


def _unknown_kpi(name: str, catalogue: Catalogue, where: str) -> Issue:
    return unknown_name("unknown_kpi", "No KPI is named {name}.", name, catalogue.kpis, where)


def _dimensions(kpi: Kpi, catalogue: Catalogue) -> Iterator[Issue]:
    leaves = list(_leaves(kpi, catalogue, ()))
    asked = {**dict.fromkeys(kpi.dimensions, "dimensions"), **dict.fromkeys(kpi.default_by, "default_by")}
    asked |= {name: "alerts" for rule in kpi.alerts for name in rule.by if name not in asked}
    for name, key in asked.items():
        where = where_of(kpi.places, key, kpi.where)
        if name not in catalogue.dimensions:
            message = "No dimension is named {name}."
            yield unknown_name("unknown_dimension", message, name, catalogue.dimensions, where)
            continue
        columns = catalogue.dimensions[name].columns
        lacking = {m.entity for leaf in leaves for m in measures_of(leaf).values() if m.entity not in columns}
        if lacking:
            message = "{kpi} cannot be broken down by {name}: {entities} has no such column."
            yield of_kpi(kpi, "no_column", message, key, name=name, entities=", ".join(sorted(lacking)))


def _leaves(kpi: Kpi, catalogue: Catalogue, above: tuple[str, ...]) -> Iterator[Kpi]:
    """The KPI and what it is derived from; a cycle ends where it closes."""
    yield kpi
    for name in kpi.inputs.values():
        if name in catalogue.kpis and name not in (*above, kpi.id):
            yield from _leaves(catalogue.kpis[name][-1], catalogue, (*above, kpi.id))


def _derived(kpi: Kpi, catalogue: Catalogue) -> Iterator[Issue]:
    where = where_of(kpi.places, "inputs", kpi.where)
    missing = [name for name in kpi.inputs.values() if name not in catalogue.kpis]
    yield from (_unknown_kpi(name, catalogue, where) for name in missing)
    yield from _formula(kpi)
    if missing:
        return
    if kpi.id in _reached(kpi, catalogue):
        yield of_kpi(kpi, "cycle", "{kpi} is computed from itself.", "inputs")
        return
    inputs = [catalogue.kpis[name][-1] for name in kpi.inputs.values()]
    yield from _windows(kpi, inputs)
    yield from _coverage(kpi, inputs, catalogue)


def _formula(kpi: Kpi) -> Iterator[Issue]:
    where = where_of(kpi.places, "expression", kpi.where)
    try:
        tree = parse(kpi.expression, dict.fromkeys(kpi.inputs, "number"), "number", where=where)
    except CadranError as error:
        yield issue_of(error, "bad_expression")
        return
    for name in kpi.inputs.keys() - set(column_names(tree)) - said_names(kpi):
        yield of_kpi(kpi, "useless_part", "{kpi} does not use its input {name}.", "inputs", name=name)


def _reached(kpi: Kpi, catalogue: Catalogue) -> set[str]:
    waiting, found = list(kpi.inputs.values()), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [other for version in catalogue.kpis.get(name, ()) for other in version.inputs.values()]
    return found


def _windows(kpi: Kpi, inputs: list[Kpi]) -> Iterator[Issue]:
    """Inputs that count cases are all dated the same way, over the same window (T-08)."""
    dated = [each for each in inputs if each.basis != "balance" and each.kind != "derived"]
    bases = {each.basis for each in dated}
    windows = {each.window_days for each in dated}
    if len(bases) > 1 or len(windows) > 1:
        names = ", ".join(
            f"{each.id} ({each.basis}{f' {each.window_days}' if each.window_days else ''})" for each in dated
        )
        yield of_kpi(
            kpi,
            "mixed_windows",
            "{kpi} mixes figures dated in different ways: {names}.",
            "inputs",
            hint="Use inputs on one basis and one window, so that they speak of the same cases.",
            names=names,
        )


def _coverage(kpi: Kpi, inputs: list[Kpi], catalogue: Catalogue) -> Iterator[Issue]:
    """Inputs cover the same part of the market (T-52)."""
    for first, second in combinations(inputs, 2):
        ours, theirs = _covers(first, catalogue), _covers(second, catalogue)
        if ours != theirs:
            yield of_kpi(
                kpi,
                "scope_mismatch",
                "{kpi} puts together {first} and {second}, which do not cover the same {dimensions}.",
                "inputs",
                hint="Restrict both in the same way, or neither.",
                first=first.id,
                second=second.id,
                dimensions=", ".join(sorted({name for name, _ in ours ^ theirs})),
            )


def _covers(kpi: Kpi, catalogue: Catalogue) -> frozenset[tuple[str, str]]:
    """What the denominator, or the only measure, restricts coverage to; of a derived KPI, what its inputs do."""
    if kpi.kind == "derived":
        leaves = [leaf for leaf in _leaves(kpi, catalogue, ()) if leaf.kind != "derived"]
        return frozenset().union(*(_covers(leaf, catalogue) for leaf in leaves))
    measure = kpi.denominator or kpi.numerator
    if measure is None:
        return frozenset()
    try:
        return restrictions(predicate_tree(measure), COVERAGE)
    except CadranError:
        return frozenset()  # said by the check of the measure


def _targets(kpi: Kpi, catalogue: Catalogue) -> Iterator[Issue]:
    where = where_of(kpi.places, "targets", kpi.where)
    for target in kpi.targets:
        for name in target.segment:
            if name not in catalogue.dimensions:
                message = "No dimension is named {name}."
                yield unknown_name("unknown_dimension", message, name, catalogue.dimensions, where)
            elif kpi.dimensions and name not in kpi.dimensions:
                message = "{kpi} has a target by {name}, by which it cannot be broken down."
                yield of_kpi(kpi, "no_column", message, "targets", name=name)
        if target.high is not None and target.high < target.value:
            message = "A target of {kpi} ends below where it starts: {low} to {high}."
            yield of_kpi(kpi, "bad_target", message, "targets", low=target.value, high=target.high)
    for first, second in combinations(kpi.targets, 2):
        if first.segment == second.segment and _overlap(_days(first), _days(second)):
            yield of_kpi(kpi, "targets_overlap", "Two targets of {kpi} hold for the same segment and days.", "targets")


def _days(target: Target) -> tuple[date | None, date | None]:
    return target.start, target.end


def _dimension(dimension: Dimension) -> Iterator[Issue]:
    for language in LANGUAGES:
        if not dimension.labels.get(language):
            message = "The dimension {name} has no label in {language}."
            yield finding("missing_name", message, dimension.where, name=dimension.id, language=language)
    if not dimension.columns:
        message = "No table has a column for the dimension {name}."
        yield finding("no_column", message, dimension.where, name=dimension.id)
    for entity, column in dimension.columns.items():
        if entity not in ENTITIES:
            yield unknown_name("unknown_entity", "No entity is named {name}.", entity, ENTITIES, dimension.where)
        elif column not in (names := [each.name for each in published_columns(entity)]):
            message = "{entity} has no column {name}."
            yield unknown_name("no_column", message, column, names, dimension.where, entity=entity)


def _board(board: Board, catalogue: Catalogue) -> Iterator[Issue]:
    for name in board.kpis:
        if name not in (*catalogue.kpis, *catalogue.left_out):
            yield _unknown_kpi(name, catalogue, board.where)
        elif name in catalogue.kpis and catalogue.kpis[name][-1].is_vanity:
            message = "{kpi} is a volume that says nothing of results: it does not belong on the board {board}."
            yield finding("vanity", message, board.where, kpi=name, board=board.id)
    yield from _too_many(board, catalogue)


def _too_many(board: Board, catalogue: Catalogue) -> Iterator[Issue]:
    """A board that nobody can steer by, or a team that answers for more than it can move, without a reason."""
    is_team = any(kpi.team == board.id for kpi in catalogue.newest())
    message, most = "The board {board} has {n} KPIs; nobody steers by more than {most}.", MOST_ON_BOARD
    if is_team:
        message, most = "The team {board} has {n} KPIs; nobody answers for more than {most}.", MOST_OF_TEAM
    n = len(board.kpis)
    if n > most and not board.reason:
        hint = "Take some off, or say why under `reason`."
        yield finding("too_many", message, board.where, hint=hint, board=board.id, n=n, most=most)
