"""Data quality as it was found, build by build: what `cadran quality` shows and remembers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cadran.i18n import say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cadran.insights.quality import Effect, Finding, Quality
    from cadran.view import View

#: File of the folder that Cadran writes: one line per snapshot whose quality was asked.
FILE = "quality.jsonl"
FIELDS = ("code", "kind", "entity", "message", "n", "n_checked", "share", "ids", "effects")
#: KPIs that are asked again unless others are named: those of the board that all teams look at.
BOARD = "direction"


@dataclass(frozen=True)
class Trend:
    """Scores of an earlier snapshot.

    Attributes:
        known_at: UTC instant up to which it was known, in ISO form.
        total: Score of all rows, or None.
        teams: Score by team; rows without one under an empty name.
    """

    known_at: str
    total: float | None
    teams: dict[str, float | None]


def measured(view: View, kpis: Sequence[str], checks: Sequence[str] = ()) -> tuple[Quality, list[Trend]]:
    """The quality of the data that a person reads, and the scores of earlier snapshots, oldest first.

    The scores are remembered, once per snapshot.

    Args:
        view: What the person may read.
        kpis: KPIs whose figures are asked without the rows of each finding.
        checks: Codes of the findings whose effect is asked; empty for all.
    """
    found = view.quality(kpis, checks)
    path = view.project.state / FILE
    teams = {each.team or "": each.value for each in found.teams}
    now = {"snapshot": view.meta.name, "known_at": view.meta.known_at.isoformat(), "total": found.total.value}
    if all(each["snapshot"] != view.meta.name for each in _kept(path)):
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**now, "teams": teams}, ensure_ascii=False) + "\n")
    return found, remembered(view)


def remembered(view: View) -> list[Trend]:
    """The scores of earlier snapshots, oldest first; nothing is written.

    Args:
        view: What the person may read.
    """
    earlier = [each for each in _kept(view.project.state / FILE) if each["snapshot"] != view.meta.name]
    return [Trend(each["known_at"], each["total"], each["teams"]) for each in earlier]


def board_kpis(view: View) -> list[str]:
    """The KPIs of the board that all teams look at, or of the first one."""
    boards = {board.id: board for board in view.catalogue.boards}
    board = boards.get(BOARD) or next(iter(boards.values()), None)
    return [name for name in board.kpis if name in view.catalogue.kpis] if board else []


def finding_record(found: Finding, language: str) -> dict[str, Any]:
    """A finding as plain values."""
    check = found.check
    effects = None if found.effects is None else [effect_record(each) for each in found.effects]
    return {
        "code": check.code,
        "kind": check.kind,
        "entity": check.entity,
        "message": say(check.message, {"n": found.n}, language),
        "n": found.n,
        "n_checked": found.n_checked,
        "share": found.share,
        "ids": list(found.ids),
        "effects": effects,
    }


def effect_record(each: Effect) -> dict[str, Any]:
    """An effect as plain values; amounts are decimals as text."""
    shown, without = (
        value if value is None or isinstance(value, int | float) else str(value)
        for value in (each.with_rows, each.without)
    )
    return {
        "kpi": each.kpi,
        "segment": each.segment,
        "unit": each.unit,
        "shown": shown,
        "without": without,
        "points": each.points,
    }


def _kept(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
