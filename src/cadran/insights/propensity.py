"""Which accounts or leads are most likely to convert, and what the ideal customer looks like, as the past tells.

What is learnt is correlation: that customers of a kind convert more often does not say that the kind is why.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

import numpy as np

from cadran.engine.prospects import LABELS
from cadran.stats.propensity import Prospects, fit_propensity

if TYPE_CHECKING:
    from datetime import datetime

    from cadran.engine.prospects import ProspectResult, Subject
    from cadran.stats.propensity import Propensity

#: Names of the columns of a record, in order. Other programs rely on them: names are only added.
FIELDS = ("id", "name", "owner", "chance", "lift", "reasons")
#: Reasons told of each, and the least odds ratio, on the log scale, that is one.
MOST_REASONS, LEAST_REASON = 3, 0.05


@dataclass(frozen=True)
class Prospect:
    """One account or lead that has not converted.

    Attributes:
        id: Readable id.
        name: Name, or empty.
        owner: Owner, or None.
        chance: Chance of converting.
        lift: Chance relative to that of all.
        reasons: Dimension, label and factor on the odds, the strongest first.
    """

    id: str
    name: str
    owner: str | None
    chance: float
    lift: float
    reasons: tuple[tuple[str, str, float], ...]


@dataclass(frozen=True)
class PropensityAnswer:
    """Prospects, the most likely first, and what that rests on.

    Attributes:
        subject: ``accounts`` or ``leads``.
        found: What was learnt.
        prospects: Those that have not converted.
        as_of: Instant up to which the data was known.
    """

    subject: Subject
    found: Propensity
    prospects: tuple[Prospect, ...]
    as_of: datetime


def propensity_of(result: ProspectResult) -> PropensityAnswer:
    """The prospects of an answer with their chances; those asked for only, learnt from all that may be read.

    A lead is a prospect while its days run, an account until it has a won deal.
    """
    rows = result.rows.to_pylist()
    known = [row for row in rows if row["is_decided"]]
    told = np.array([row["is_converted"] for row in known], dtype=float)
    order = np.array([row["came_at"].timestamp() if row["came_at"] else 0.0 for row in known])
    found = fit_propensity(_described(known, result.subject), told, order)
    is_lead = result.subject == "leads"
    open_rows = [
        row for row in rows if row["is_asked"] and not row["is_converted"] and not (is_lead and row["is_decided"])
    ]
    waiting = _described(open_rows, result.subject)
    chance, effects = found.chance(waiting), found.effects(waiting)
    prospects = [
        Prospect(
            row["id"],
            row["name"] or "",
            row["owner"],
            float(chance[place]),
            float(chance[place]) / found.overall,
            _reasons({kind: float(values[place]) for kind, values in effects.items()}, row),
        )
        for place, row in enumerate(open_rows)
    ]
    prospects.sort(key=lambda each: (-each.chance, each.id))
    return PropensityAnswer(result.subject, found, tuple(prospects), result.as_of)


def propensity_records(answer: PropensityAnswer) -> list[dict[str, Any]]:
    """One record per prospect, by the names of `FIELDS`."""
    return [
        {
            "id": each.id,
            "name": each.name,
            "owner": each.owner,
            "chance": each.chance,
            "lift": each.lift,
            "reasons": [{"kind": kind, "label": label, "odds": odds} for kind, label, odds in each.reasons],
        }
        for each in answer.prospects
    ]


def propensity_record(answer: PropensityAnswer) -> dict[str, Any]:
    """The whole answer: what was learnt, how it was checked, every trait and every prospect."""
    found = answer.found
    return {
        "subject": answer.subject,
        "as_of": answer.as_of.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "basis": found.basis,
        "n": found.n,
        "converted": found.converted,
        "overall": found.overall,
        "n_checked": found.n_checked,
        "brier": _number(found.brier),
        "brier_share": _number(found.brier_share),
        "auc": _number(found.auc),
        "traits": [
            {
                "kind": each.kind,
                "label": each.label,
                "n": each.n,
                "converted": each.converted,
                "odds": each.odds,
                "low": each.low,
                "high": each.high,
            }
            for each in found.traits
        ],
        "prospects": propensity_records(answer),
    }


def _described(rows: list[dict[str, Any]], subject: Subject) -> Prospects:
    labels = {name: np.array([row[name] or "" for row in rows], dtype=str) for name in LABELS[subject]}
    return Prospects(labels, {}, len(rows))


def _reasons(effects: dict[str, float], row: dict[str, Any]) -> tuple[tuple[str, str, float], ...]:
    strong = [(kind, row[kind] or "", effect) for kind, effect in effects.items() if abs(effect) >= LEAST_REASON]
    strong.sort(key=lambda each: (-abs(each[2]), each[0]))
    return tuple((kind, label, math.exp(effect)) for kind, label, effect in strong[:MOST_REASONS])


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
