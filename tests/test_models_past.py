"""No model, asked through a view of a past day, knows anything of what came after it, and the order of rows changes nothing."""

import datetime as dt
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from cadran.canonical.entities import ENTITIES
from cadran.catalogue.load import load_catalogue
from cadran.catalogue.plays import load_plays
from cadran.config import Project
from cadran.engine.deals import DealQuery
from cadran.engine.derivations import derivations
from cadran.engine.journeys import JourneyQuery
from cadran.engine.prospects import ProspectQuery
from cadran.engine.query import KpiQuery
from cadran.view import View
from warehouse import KNOWN_AT, MemoryWarehouse, context

FIRST = dt.datetime(2024, 7, 1, 9)
CUT = dt.datetime(2026, 6, 30, 22)
STAGES = ("one", "two", "three")
CATALOGUE = load_catalogue(None)[0]
PLAYS = load_plays(Path("playbooks"), CATALOGUE)[0]
MODELS = {
    "chances": lambda view: view.deals(DealQuery()),
    "forecast": lambda view: view.forecast(DealQuery()),
    "propensity": lambda view: view.propensity(ProspectQuery("accounts")),
    "attribution": lambda view: view.attribution(JourneyQuery()),
    "anomalies": lambda view: view.anomalies(KpiQuery(("win_rate", "new_opportunities"), end=dt.date(2026, 7, 1))),
    "causes": lambda view: view.blame(
        KpiQuery(("win_rate",), by=("industry", "owner"), start=dt.date(2026, 1, 1), end=dt.date(2026, 7, 1))
    ),
    "hypotheses": lambda view: view.hypotheses(("win_rate", "new_opportunities")),
    "next actions": lambda view: view.next_actions(PLAYS),
}


def story(seed, n=420):
    """Each deal: when it was created, its account's industry, its owner, its touches and its ways: (instant, stage)."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(n):
        at = FIRST + dt.timedelta(days=number * 900 / n)
        kind, owner = str(rng.choice(["bank", "shop", "farm"])), str(rng.choice(["o1", "o2"]))
        touches = [
            (at - dt.timedelta(days=float(rng.uniform(1, 60))), str(rng.choice(["ads", "mail"]))) for _ in range(2)
        ]
        way, begun = [], at
        for stage in (*STAGES[1:], "won"):
            begun += dt.timedelta(days=float(rng.exponential(18)), minutes=1)
            goes = rng.random() < {"bank": 0.85, "shop": 0.65, "farm": 0.45}[kind]
            way.append((begun, stage if goes else "lost"))
            if not goes:
                break
        found.append((at, kind, owner, touches, way))
    return found


def another_future(deals):
    """The same until the day; then no deal is new, the open ones go another way, and one in three that was over too."""
    found = []
    for number, (at, kind, owner, touches, way) in enumerate(deals):
        past = [step for step in way if step[0] < CUT]
        last = way[-1][1] if len(past) < len(way) else past[-1][1]
        other = [(CUT + dt.timedelta(days=20), "lost" if last == "won" else "won")]
        if past and past[-1][1] in {"won", "lost"}:
            other = [(CUT + dt.timedelta(days=9), "two"), *other] if number % 3 == 0 else []
        late = [(when + dt.timedelta(days=7), "event") if when >= CUT else (when, name) for when, name in touches]
        if at < CUT:
            found.append((at, kind, owner, late, [*past, *other]))
    return found


def tables(deals, until=KNOWN_AT):
    """What a CRM gives at an instant of these deals."""
    rows = {"opportunity": [], "field_history": [], "account": [], "marketing_touch": []}
    common = {"connection_id": "crm", "valid_from": until.isoformat(), "is_inferred": False}
    for number, (at, kind, owner, touches, steps) in enumerate(deals):
        if at >= until:
            continue
        key, account = f"d{number:04d}", f"a{number:04d}"
        way = [step for step in steps if step[0] < until]
        stage = way[-1][1] if way else STAGES[0]
        over = stage in {"won", "lost"}
        rows["account"].append(common | {"id": account, "source_id": account, "created_at": at.isoformat(), "name": key, "industry": kind, "owner_id": owner})  # fmt: skip
        rows["opportunity"].append(
            common
            | {"id": key, "source_id": key, "name": key, "account_id": account, "owner_id": owner, "pipeline": "Sales"}
            | {
                "created_at": at.isoformat(),
                "stage": stage,
                "is_closed": over,
                "is_won": stage == "won" if over else None,
            }
            | {"amount": str(1000 + 10 * (number % 7)), "currency": "EUR"}
            | {"closed_at": way[-1][0].isoformat() if over else None, "expected_close_on": "2026-12-01"}
        )
        before = STAGES[0]
        for place, (when, name) in enumerate(way):
            rows["field_history"].append(
                common
                | {
                    "id": f"{key}-{place}",
                    "source_id": f"{key}-{place}",
                    "entity_type": "opportunity",
                    "entity_id": key,
                }
                | {"field": "stage", "old_value": before, "new_value": name, "changed_at": when.isoformat()}
            )
            before = name
        rows["marketing_touch"] += [
            common | {"id": f"{key}-t{place}", "source_id": f"{key}-t{place}", "account_id": account, "channel": name, "occurred_at": when.isoformat()}
            for place, (when, name) in enumerate(touches) if when < until
        ]  # fmt: skip
    names = [*STAGES, "won", "lost"]
    kinds = {"won": "won", "lost": "lost"}
    rows["stage"] = [
        common | {"id": name, "source_id": name, "pipeline": "Sales", "name": name, "position": place, "category": kinds.get(name, "open")}
        for place, name in enumerate(names, start=1)
    ]  # fmt: skip
    rows["owner"] = [common | {"id": key, "source_id": key, "name": key} for key in ("o1", "o2")]
    return rows


class PastWarehouse(MemoryWarehouse):
    """What every table was on the day, derived once from what was landed until the end as any question of the past is."""

    def __init__(self, rows):
        super().__init__(known_at=CUT, **{f"landed_{name}": each for name, each in rows.items()})
        for name, piece in derivations(context(known_at=CUT).settings, self.dialect).items():
            verb = f'INSERT INTO "{name}" BY NAME' if name in ENTITIES else f'CREATE TABLE "{name}" AS'
            self.connection.execute(f"{verb} {piece.sql}")


def view_of(rows):
    return View(Project(root=Path("acme"), company="Acme"), CATALOGUE, "local", PastWarehouse(rows))


@pytest.fixture(scope="module")
def views():
    deals = story(3)
    rows = tables(deals)
    rng = np.random.default_rng(4)
    mixed = {name: [each[at] for at in rng.permutation(len(each))] for name, each in rows.items()}
    return {
        "as it came": view_of(rows),
        "another future": view_of(tables(another_future(deals))),
        "mixed": view_of(mixed),
    }


@pytest.fixture(scope="module")
def told(views):
    return {name: ask(views["as it came"]) for name, ask in MODELS.items()}


def words(answer, digits=17):
    """All that an answer holds, with so many digits: sums of doubles differ in the last ones by the order of rows."""
    with np.printoptions(precision=17, threshold=sys.maxsize):
        return re.sub(r"\d+\.\d+(e-?\d+)?", lambda found: f"{float(found[0]):.{digits}g}", repr(answer))


@pytest.mark.parametrize("model", MODELS)
def test_nothing_that_came_after_a_day_changes_what_is_told_of_it(views, told, model):
    """To the last digit, so that the same question asked twice is answered the same too: draws have a seed."""
    assert words(told[model]) == words(MODELS[model](views["another future"]))


@pytest.mark.parametrize("model", MODELS)
def test_the_order_of_rows_changes_nothing(views, told, model):
    assert words(told[model], 9) == words(MODELS[model](views["mixed"]), 9)


def test_every_model_says_something_here(told):
    """So that no two answers are the same because both say nothing."""
    assert told["chances"].pipelines[0].skill.basis == "model"
    assert told["forecast"].methods["bottom_up"] > 0
    assert told["propensity"].found.basis == "model"
    assert told["attribution"].rows
    assert told["anomalies"].n_series
    assert told["causes"].candidates
    assert any(each.n for each in told["hypotheses"])
    assert any(each.money for each in told["next actions"])


def test_parts_sum_to_the_whole(told):
    outlook, credit = told["forecast"], told["attribution"]
    for by in {part.by for part in outlook.parts}:
        assert sum(part.value for part in outlook.parts if part.by == by) == outlook.value
    for model in credit.rows[0].shares:
        assert sum(row.shares[model].value for row in credit.rows) == credit.value
