"""What people decided of pairs of records: a log that is only added to, so that nothing is lost.

``matches.csv`` of a project, one line per decision. The last line about a pair holds; ``undo`` takes its
earlier lines back. From the log follow the rows of the canonical table ``identity_link``: which group each
record is in, from which export on.
"""

from __future__ import annotations

import csv
import io
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from cadran.errors import ConfigError
from cadran.matching.groups import groups, pair

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Verdict = Literal["same", "apart", "undo"]
VERDICTS: tuple[str, ...] = get_args(Verdict)
#: Entities whose records are matched.
MATCHED = ("account", "contact", "lead")
#: Who decided what a model proposed and nobody looked at.
MODEL = "model"
FIELDS = ("entity", "id_a", "id_b", "verdict", "decided_by", "decided_at", "chance")


@dataclass(frozen=True)
class Decision:
    """What was said of two records.

    Attributes:
        entity: One of `MATCHED`.
        one: The lesser id.
        other: The greater id.
        verdict: ``same``, ``apart``, or ``undo`` for neither.
        person: Who said it; `MODEL` for what was merged unseen.
        at: Naive UTC instant.
        chance: Probability that the model gave the pair then, or None.
    """

    entity: str
    one: str
    other: str
    verdict: Verdict
    person: str
    at: datetime
    chance: float | None = None

    @property
    def ids(self) -> tuple[str, str]:
        """Both ids, the lesser first."""
        return self.one, self.other

    def line(self) -> str:
        """The line of the file, with its end."""
        at = self.at.isoformat(timespec="seconds")
        chance = "" if self.chance is None else f"{self.chance:.6f}"
        text = io.StringIO()
        row = (self.entity, self.one, self.other, self.verdict, self.person, at, chance)
        csv.writer(text, lineterminator="\n").writerow(row)
        return text.getvalue()


def parsed(text: str, file: str) -> list[Decision]:
    """The decisions that a file holds, in its order.

    Raises:
        ConfigError: A line cannot be read.
    """
    lines = csv.DictReader(io.StringIO(text))
    return [_decision(row, f"{file}:{lines.line_num}") for row in lines]


def standing(log: Iterable[Decision]) -> dict[tuple[str, str, str], Decision]:
    """The decision that holds for each entity and pair of ids; what was undone is left out."""
    last = {(each.entity, *each.ids): each for each in log}
    return {key: each for key, each in last.items() if each.verdict != "undo"}


def groups_of(decisions: Iterable[Decision], entity: str) -> list[tuple[str, ...]]:
    """The groups of records of an entity that are one by these decisions."""
    own = [each for each in decisions if each.entity == entity]
    # what a person said goes before what a model did
    same = [pair(*each.ids, 1.0 if each.person != MODEL else 0.5) for each in own if each.verdict == "same"]
    return groups(same, [each.ids for each in own if each.verdict == "apart"], most=None)


def links(log: Sequence[Decision], exports: Iterable[datetime]) -> list[dict[str, Any]]:
    """The versions of the rows of ``identity_link``: one per record whenever its group changed.

    A decision counts from the export on which it was taken: what was known before that is not changed
    by it (rule G-12), and an export that comes later keeps it.

    Args:
        log: Every decision.
        exports: Naive UTC instants of what was read.
    """
    days = sorted(set(exports))
    taken: dict[datetime, list[Decision]] = {}
    for each in log if days else ():
        taken.setdefault(days[max(bisect_right(days, each.at) - 1, 0)], []).append(each)
    rows: list[dict[str, Any]] = []
    before: dict[tuple[str, str], tuple[str | None, bool]] = {}
    so_far: list[Decision] = []
    for day in sorted(taken):
        so_far += taken[day]
        now = _state(standing(so_far).values())
        nothing: tuple[str | None, bool] = (None, False)
        for key in sorted(before.keys() | now.keys()):
            state = now.get(key, nothing)
            rows += [_row(*key, *state, day)] if state != before.get(key, nothing) else []
        before = now
    return rows


def _state(decisions: Iterable[Decision]) -> dict[tuple[str, str], tuple[str | None, bool]]:
    """The group of each record, and whether rules leave it alone."""
    held = list(decisions)
    found: dict[tuple[str, str], tuple[str | None, bool]] = {}
    for entity in MATCHED:
        for group in groups_of(held, entity):
            found |= {(entity, record): (group[0], False) for record in group}
    for each in held:
        if each.verdict == "apart":
            key = (each.entity, each.other)
            found[key] = (found.get(key, (None, False))[0], True)
    return found


def _row(entity: str, record: str, group: str | None, is_apart: bool, day: datetime) -> dict[str, Any]:
    return {
        "id": f"{entity}/{record}",
        "source_id": f"{entity}/{record}",
        "entity_type": entity,
        "record_id": record,
        "group_id": group,
        "is_apart": is_apart,
        "decided_at": day,
        "created_at": day,
        "valid_from": day,
        "first_seen_at": day,
        "last_seen_at": day,
    }


def _decision(row: Mapping[str, str | None], where: str) -> Decision:
    one, other = sorted((row.get("id_a") or "", row.get("id_b") or ""))
    verdict, entity = row.get("verdict") or "", row.get("entity") or ""
    if verdict not in VERDICTS or entity not in MATCHED or not one or one == other:
        raise ConfigError(
            "This decision about two records cannot be read: {line}.",
            hint="A line is {fields}; the verdict is one of {verdicts}, the entity one of {entities}.",
            where=where,
            line=",".join(value or "" for value in row.values() if not isinstance(value, list)),
            fields=",".join(FIELDS),
            verdicts=", ".join(VERDICTS),
            entities=", ".join(MATCHED),
        )
    try:
        at = datetime.fromisoformat(row.get("decided_at") or "").replace(tzinfo=None)
        chance = float(row["chance"]) if row.get("chance") else None  # type: ignore[arg-type]
    except ValueError as error:
        raise ConfigError(
            "{value} is not an instant or a probability.",
            hint="Write instants as 2026-03-31T09:00:00, in UTC, and probabilities as 0.98.",
            where=where,
            value=f"{row.get('decided_at')}, {row.get('chance')}",
        ) from error
    return Decision(entity, one, other, verdict, row.get("decided_by") or "", at, chance)  # type: ignore[arg-type]


def lines_of(decisions: Iterable[Decision]) -> Iterator[str]:
    """Their lines, as they are added to the file."""
    return (each.line() for each in decisions)
