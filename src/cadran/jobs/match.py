"""Duplicates that no rule finds: proposed by a model, decided by people, kept in a file of the project.

Nothing is merged unseen before a sample was reviewed: `merge_certain` asks for `FEWEST_REVIEWED` pairs that
the model was as sure of, drawn at random and judged by somebody, with next to none refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cadran.canonical.schema import schema_of
from cadran.errors import QueryError
from cadran.matching.companies import companies
from cadran.matching.decisions import FIELDS, MATCHED, MODEL, Decision, groups_of, lines_of, links, parsed, standing
from cadran.matching.groups import SUPPORT, groups, pair
from cadran.matching.people import people
from cadran.matching.rows import COLUMNS
from cadran.record import read_text
from cadran.stats.intervals import wilson_interval
from cadran.store.shelf import shelf_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from cadran.config import Project
    from cadran.matching.decisions import Verdict
    from cadran.matching.groups import Pair
    from cadran.stats.intervals import Interval

FILE = "matches.csv"
#: Chance from which on a pair may be merged unseen.
CERTAIN = {"account": 0.97, "contact": 0.985, "lead": 0.985}
#: Reviewed pairs that a merge of unseen ones needs, and the least share of right ones that they must prove.
FEWEST_REVIEWED, LEAST_RIGHT = 30, 0.88

#: The newest version of every record, before anything was merged, and what it is compared by.
_NEWEST = (
    "(SELECT *, row_number() OVER (PARTITION BY id ORDER BY valid_from DESC) AS place FROM landed_{name}) AS {name}"
)
_RECORDS = {
    "account": "SELECT account.id, account.name, NULL AS company, NULL AS email, account.phone, account.domain, "
    "account.country, account.tax_id FROM {account} WHERE account.place = 1 AND account.deleted_at IS NULL",
    "contact": "SELECT contact.id, contact.name, employer.name AS company, contact.email, contact.phone, "
    "employer.domain, contact.country, NULL AS tax_id FROM {contact} LEFT JOIN account AS employer ON "
    "employer.id = contact.account_id WHERE contact.place = 1 AND contact.deleted_at IS NULL",
    "lead": "SELECT lead.id, lead.name, coalesce(lead.company, employer.name) AS company, lead.email, lead.phone, "
    "employer.domain, lead.country, NULL AS tax_id FROM {lead} LEFT JOIN account AS employer ON "
    "employer.id = lead.account_id WHERE lead.place = 1 AND lead.deleted_at IS NULL",
}


@dataclass(frozen=True)
class Proposal:
    """Two records that may be one.

    Attributes:
        entity: What they are.
        pair: Their ids, and the probability that they are one.
        one: What is known of the first, by column of `matching.rows.COLUMNS`.
        other: What is known of the second.
    """

    entity: str
    pair: Pair
    one: dict[str, str | None]
    other: dict[str, str | None]


@dataclass(frozen=True)
class Reviewed:
    """What people said of pairs that the model was certain of.

    Attributes:
        n: Pairs reviewed.
        right: Pairs that they found to be one.
        interval: 95 % interval of the share of right ones, or None without any.
    """

    n: int
    right: int
    interval: Interval | None

    @property
    def is_enough(self) -> bool:
        """True when pairs as certain may be merged unseen."""
        return self.n >= FEWEST_REVIEWED and self.interval is not None and self.interval.low >= LEAST_RIGHT


def decision_log(project: Project) -> list[Decision]:
    """Every decision of the project, oldest first.

    Raises:
        ConfigError: The file cannot be read.
    """
    path = _path(project)
    return parsed(read_text(path, FILE), FILE) if path.exists() else []


def decided(project: Project, entity: str) -> list[Decision]:
    """The decisions that hold about an entity, each where it first came.

    Raises:
        ConfigError: The file cannot be read.
    """
    return [each for each in standing(decision_log(project)).values() if each.entity == entity]


def link_table(project: Project, exports: Iterable[datetime]) -> pa.Table:
    """The versions of ``identity_link`` that follow from the decisions: see `matching.decisions.links`.

    Raises:
        ConfigError: The file of decisions cannot be read.
    """
    rows = [{**row, "connection_id": FILE, "source_system": FILE} for row in links(decision_log(project), exports)]
    schema = schema_of("identity_link").to_pyarrow()
    return pa.Table.from_pylist(rows, schema=schema)


def proposals(project: Project, entity: str) -> list[Proposal]:
    """Pairs of records of the newest snapshot that nobody decided on, the likeliest first.

    Raises:
        ConfigError: The libraries of matching are not installed, or the decisions cannot be read.
        QueryError: The entity is not one whose records are matched.
        StoreError: There is no snapshot yet.
    """
    if entity not in MATCHED:
        raise QueryError(
            "{entity} is not matched.", hint="Choose one of {known}.", entity=entity, known=", ".join(MATCHED)
        )
    rows, alive = _records(project, entity)
    held = {each.ids: each for each in decided(project, entity)}
    if entity == "account":
        found = companies(rows, {ids: each.verdict == "same" for ids, each in held.items()})
    else:
        found = people(rows)
    together = {record: number for number, group in enumerate(groups_of(held.values(), entity)) for record in group}
    known = {row["id"]: row for row in rows.to_pylist()}
    waiting = [
        each
        for each in found
        if each.ids not in held
        and {*each.ids} <= alive
        and together.get(each.one, each.one) != together.get(each.other, each.other)
    ]
    waiting.sort(key=lambda each: (-each.chance, each.ids))
    return [Proposal(entity, each, known[each.one], known[each.other]) for each in waiting]


def sample(found: Sequence[Proposal], n: int, seed: int) -> list[Proposal]:
    """Pairs to review: half of them drawn from those that are certain, half those that teach most.

    Args:
        found: Proposals of one entity.
        n: How many.
        seed: Of the draw.
    """
    certain = [each for each in found if each.pair.chance >= CERTAIN[each.entity]]
    others = sorted(
        (each for each in found if each.pair.chance < CERTAIN[each.entity]),
        key=lambda each: (abs(each.pair.chance - 0.5), each.pair.ids),
    )
    of_others = min(len(others), max(n // 2, n - len(certain)))
    drawn = np.random.default_rng(seed).permutation(len(certain))[: n - of_others]
    return [*(certain[at] for at in drawn), *others[:of_others]]


def decide(project: Project, decisions: Sequence[Decision]) -> None:
    """Add decisions to the project's file.

    Raises:
        QueryError: A pair cannot be one: its records, or others that they are one with, were told apart.
    """
    for each in decisions:
        if each.verdict == "same":
            _refuse_contradiction(decision_log(project), each)
    _append(project, decisions)


def decision(  # noqa: PLR0913, PLR0917 - what a line of the file holds
    entity: str, one: str, other: str, verdict: Verdict, person: str, now: datetime, chance: float | None = None
) -> Decision:
    """A decision about two records, whatever the order of their ids.

    Raises:
        QueryError: It is the same record twice, or an entity that is not matched.
    """
    if one == other or entity not in MATCHED:
        raise QueryError(
            "A decision is about two records of one of {known}.",
            hint="Give two different ids, such as those of `cadran match list`.",
            known=", ".join(MATCHED),
        )
    first, second = sorted((one, other))
    return Decision(entity, first, second, verdict, person, now.replace(microsecond=0, tzinfo=None), chance)


def reviewed(log: Iterable[Decision], entity: str) -> Reviewed:
    """What people said of pairs of an entity that the model was certain of."""
    judged = [
        each
        for each in standing(log).values()
        if each.entity == entity and each.person != MODEL and (each.chance or 0.0) >= CERTAIN[entity]
    ]
    right = sum(each.verdict == "same" for each in judged)
    return Reviewed(len(judged), right, wilson_interval(right, len(judged)))


def merge_certain(project: Project, entity: str, now: datetime) -> list[Decision]:
    """Decide that every pair that is certain is one; each decision can be undone like any other.

    Raises:
        QueryError: Too few certain pairs were reviewed, or too many of those were refused.
    """
    seen = reviewed(decision_log(project), entity)
    if not seen.is_enough:
        raise QueryError(
            "Nothing is merged unseen: of the pairs of {entity} that are certain, {n} were reviewed and {right} were "
            "right.",
            hint="Review at least {needed}, next to all of them right: cadran match review {entity}.",
            entity=entity,
            n=seen.n,
            right=seen.right,
            needed=FEWEST_REVIEWED,
        )
    open_pairs = [each.pair for each in proposals(project, entity)]
    chances = {each.ids: each.chance for each in open_pairs if each.chance >= CERTAIN[entity]}
    held = decided(project, entity)
    joined = [pair(*each.ids) for each in held if each.verdict == "same"]
    apart = [each.ids for each in held if each.verdict == "apart"]
    made = []
    for group in groups([*joined, *open_pairs], apart, least=CERTAIN[entity], support=SUPPORT):
        new = [ids for ids in chances if ids[0] in group and ids[1] in group]
        made += [decision(entity, *ids, "same", MODEL, now, chances[ids]) for ids in sorted(new)]
    _append(project, made)
    return made


def _append(project: Project, decisions: Sequence[Decision]) -> None:
    path = _path(project)
    if not path.exists():
        path.write_text(",".join(FIELDS) + "\n", encoding="utf-8")
    with path.open("a", encoding="utf-8") as file:
        file.writelines(lines_of(decisions))


def _refuse_contradiction(log: Sequence[Decision], new: Decision) -> None:
    """Stop where a pair that is to be one was told apart, by itself or through others."""
    held = [each for each in standing([*log, new]).values() if each.entity == new.entity]
    place = {record: group[0] for group in groups_of(held, new.entity) for record in group}
    # any other pair than the new one may be the one that gives way
    if any(each.verdict == "same" and place.get(each.one) != place.get(each.other, "") for each in held):
        raise QueryError(
            "{one} and {other} cannot be one: records that they are one with were told apart.",
            hint="Undo what was said of those first: cadran match list {entity} --decided.",
            one=new.one,
            other=new.other,
            entity=new.entity,
        )


def _records(project: Project, entity: str) -> tuple[pa.Table, set[str]]:
    """Every record of an entity as it was landed last, and the ids that are left after the merges so far."""
    snapshot = shelf_of(project).open()
    try:
        statement = _RECORDS[entity].format(**{entity: _NEWEST.format(name=entity)})
        rows = snapshot.execute(statement).select(COLUMNS)
        alive = snapshot.execute(f"SELECT id FROM {entity}").column("id").to_pylist()
    finally:
        snapshot.close()
    return rows.cast(pa.schema([(name, pa.string()) for name in COLUMNS])), set(alive)


def proposal_record(found: Proposal) -> dict[str, Any]:
    """A proposal as plain values: chance, and every column of both records."""
    sides = (("a", found.one), ("b", found.other))
    columns = {f"{name}_{side}": record[name] for name in COLUMNS for side, record in sides}
    return {"entity": found.entity, "chance": found.pair.chance, **columns}


def _path(project: Project) -> Path:
    return project.root / FILE
