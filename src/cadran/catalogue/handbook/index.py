"""The handbook's index, team by team, and all of its pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.catalogue.fields import LANGUAGES
from cadran.catalogue.handbook.page import Page, bullets, table
from cadran.catalogue.words import level_text, target_text
from cadran.i18n import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cadran.catalogue.definition import Catalogue, Kpi

INDEX = "README.md"


def handbook(catalogue: Catalogue, *, currency: str = "EUR") -> dict[str, str]:
    """Every page of the handbook by its relative path, such as ``fr/win_rate.md``.

    Args:
        catalogue: Governed definitions; the newest version of each KPI has a page.
        currency: Currency in which amounts are told.
    """
    kpis = catalogue.newest()
    found = {}
    for language in LANGUAGES:
        found[f"{language}/{INDEX}"] = _index(kpis, catalogue, language, currency)
        found |= {f"{language}/{kpi.id}.md": Page(kpi, catalogue, language, currency).text() for kpi in kpis}
    return found


def _index(kpis: list[Kpi], catalogue: Catalogue, language: str, currency: str) -> str:
    blocks = [f"# {say('KPI handbook', {}, language)}", *_intro(language)]
    for team in dict.fromkeys(kpi.team for kpi in kpis):
        blocks += [
            f"## {_team(team, catalogue, language)}",
            _table([k for k in kpis if k.team == team], language, currency),
        ]
    boards = (
        f"**{board.labels.get(language, board.id)}** — {board.questions.get(language, '')} "
        + ", ".join(_link(catalogue.kpi(name), language) for name in board.kpis if name in catalogue.kpis)
        for board in catalogue.boards
    )
    return "\n\n".join([*blocks, f"## {say('Boards', {}, language)}", bullets(boards)]) + "\n"


def _intro(language: str) -> Iterator[str]:
    yield say("Written by `cadran handbook` from the definitions: change those, not these pages.", {}, language)
    text = "Grades of benchmarks: A primary source seen, B secondary source, C not traceable. ° marks a volume."
    yield say(text, {}, language)


def _table(kpis: list[Kpi], language: str, currency: str) -> str:
    heads = tuple(say(head, {}, language) for head in ("KPI", "Target", "Benchmark", "Owner", "Cadence"))
    return table(heads, (_row(kpi, language, currency) for kpi in kpis))


def _row(kpi: Kpi, language: str, currency: str) -> tuple[str, ...]:
    targets = [target_text(kpi, each, currency, language) + _of(each.segment.values()) for each in kpi.targets]
    levels = [
        f"{level_text(kpi, each, currency, language)}{_of(each.segment.values())} ({each.grade})"
        for each in kpi.benchmarks
    ]
    cadence = say(kpi.cadence, {}, language) if kpi.cadence else ""
    return (
        _link(kpi, language) + (" °" if kpi.is_vanity else ""),
        "; ".join(targets),
        "; ".join(levels),
        kpi.owner,
        cadence,
    )


def _of(segment: Iterable[str]) -> str:
    names = ", ".join(segment)
    return f" {names}" if names else ""


def _link(kpi: Kpi, language: str) -> str:
    return f"[{kpi.name(language)}]({kpi.id}.md)"


def _team(team: str, catalogue: Catalogue, language: str) -> str:
    board = next((board for board in catalogue.boards if board.id == team), None)
    return board.labels.get(language, team) if board else team or say("Without a team", {}, language)
