"""Open deals: chances from the company's own past, why, and which have gone silent."""

import datetime as dt
import json
import time
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from click.testing import CliRunner

from cadran import workspace as rooms
from cadran.api.deals import DealsOut
from cadran.cli import main
from cadran.engine.deals import DealQuery, deals
from cadran.errors import QueryError
from cadran.insights.deal_stays import pipelines_of
from cadran.insights.deals_record import FIELDS, deal_records, deals_record
from cadran.insights.open_deals import open_deals, quarter_ends
from cadran.period import Calendar
from cadran.stats.breaks import Break
from cadran.stats.stays import GONE, LOST, OPEN
from cockpit import fake_workspace
from deal_world import company
from warehouse import KNOWN_AT, PARIS, MemoryWarehouse, catalogue, context

TODAY = 700.0


def when(day):
    return None if not np.isfinite(day) else (KNOWN_AT + dt.timedelta(days=float(day) - TODAY)).isoformat()


def tables(n=700, **more):
    """The company of `deal_world` as canonical tables."""
    stays = company(n=n, **more).known_at(TODAY)
    ways = {}
    for row in np.lexsort((stays.entered, stays.deal)).tolist():
        ways.setdefault(int(stays.deal[row]), []).append(row)
    opportunities, intervals = [], []
    for deal, rows in ways.items():
        last = rows[-1]
        to, left = int(stays.to[last]), float(stays.left[last])
        kind = str(stays.labels["kind"][last])
        opportunities.append(
            {
                "id": f"crm:{deal:05d}", "name": f"Deal {deal}", "pipeline": "Sales", "segment": kind, "owner": "Ada",
                "stage": stays.stages[int(stays.stage[last])], "created_at": when(stays.began[last]),
                "closed_at": when(left), "is_closed": to != OPEN, "is_won": to == stays.won, "amount": "1000",
                "amount_base": "1000", "currency": "EUR", "expected_close_on": "2026-12-01", "probability": 50.0,
                "is_stale": deal % 2 == 0,
            }
        )  # fmt: skip
        for seq, row in enumerate(rows):
            words = {LOST: "lost", OPEN: None, stays.won: "won"}
            intervals.append(
                {
                    "opportunity_id": f"crm:{deal:05d}", "pipeline": "Sales", "segment": kind, "owner": "Ada", "seq": seq,
                    "stage": stays.stages[int(stays.stage[row])], "position": int(stays.stage[row]) + 1,
                    "entered_at": when(stays.entered[row]), "exited_at": when(stays.left[row]),
                    "exit_to": words.get(int(stays.to[row]), "next"),
                }
            )  # fmt: skip
    return {"opportunity": opportunities, "stage_interval": intervals}


def read(query=None, scope=(), **rows):
    return deals(catalogue(), query or DealQuery(), MemoryWarehouse(**rows), context(scope=scope))


@pytest.fixture(scope="module")
def found():
    return open_deals(read(**tables()))


def test_every_open_deal_has_a_chance_a_range_and_reasons(found):
    [rests] = found.pipelines
    assert rests.skill.basis == "model"
    assert found.deals
    for deal in found.deals:
        assert 0 < deal.low < deal.chance < deal.high < 1
        assert deal.expected == (deal.amount * Decimal(str(deal.chance))).quantize(Decimal("0.01"))
        assert deal.by_hand == 0.5
    good, bad = ([each for each in found.deals if each.segment == kind] for kind in ("good", "bad"))
    assert np.mean([each.chance for each in good]) > np.mean([each.chance for each in bad])
    assert any(reason.kind == "segment" and reason.label == "good" and reason.effect > 0 for reason in good[0].reasons)


def test_sums_are_those_of_the_deals_and_the_most_is_first(found):
    assert found.amount == 1000 * len(found.deals)
    assert found.expected == sum(deal.expected for deal in found.deals)
    assert found.at_risk == 1000 * sum(bool(deal.silent) for deal in found.deals)
    assert [deal.expected for deal in found.deals] == sorted((deal.expected for deal in found.deals), reverse=True)


def test_silent_deals_are_past_their_date_quiet_or_longer_than_usual_in_their_stage():
    rows = tables()
    quiet = [row["id"] for row in rows["opportunity"] if not row["is_closed"]][:3]
    rows["touch"] = [{"id": "t", "opportunity_id": quiet[0], "occurred_at": "2026-12-30"}]
    for row in rows["opportunity"]:
        row["is_stale"] = False
        row["last_touch_at"] = "2026-12-30" if row["id"] != quiet[1] else "2026-11-01"
    found = open_deals(read(**rows), silent=True)
    silent = {deal.id: deal for deal in found.deals}
    assert "no_activity" in silent[quiet[1]].silent
    assert all(deal.silent for deal in found.deals)
    for deal in found.deals:
        assert ("stalled" in deal.silent) == (deal.usual_days is not None and deal.days > deal.usual_days)
    assert found.has_touches


def test_without_recorded_touches_no_deal_is_called_quiet(found):
    assert not found.has_touches
    assert not any("no_activity" in deal.silent for deal in found.deals)


@pytest.mark.slow
def test_only_the_deals_asked_for_are_shown_but_all_that_may_be_read_are_learnt_from(found):
    rows = tables()
    asked = open_deals(read(DealQuery(("segment = 'good'",)), **rows))
    chances = {deal.id: deal.chance for deal in found.deals}
    assert {deal.segment for deal in asked.deals} == {"good"}
    assert all(deal.chance == chances[deal.id] for deal in asked.deals)
    scoped = open_deals(read(scope=("segment = 'good'",), **rows))
    assert {deal.segment for deal in scoped.deals} == {"good"}
    assert scoped.pipelines[0].n_decided < found.pipelines[0].n_decided
    with pytest.raises(QueryError):
        read(DealQuery(("nonsense = 1",)), **rows)


@pytest.mark.slow
def test_rows_out_of_scope_change_nothing():
    rows = tables(n=300)
    alone = open_deals(read(scope=("segment = 'good'",), **rows))
    for row in rows["opportunity"]:
        if row["segment"] == "bad":
            row["is_won"] = row["is_closed"]
    assert open_deals(read(scope=("segment = 'good'",), **rows)) == alone


def test_too_few_deals_get_the_share_of_all_with_a_wide_range():
    """T-94."""
    rows = tables(n=700)
    keep = {row["id"] for row in rows["opportunity"] if row["is_closed"] and row["is_won"]}
    keep = {min(keep)} | {row["id"] for row in rows["opportunity"] if not row["is_closed"]}
    rows["opportunity"] = [row for row in rows["opportunity"] if row["id"] in keep]
    rows["stage_interval"] = [row for row in rows["stage_interval"] if row["opportunity_id"] in keep]
    found = open_deals(read(**rows))
    assert found.pipelines[0].skill.basis == "too_few"
    for deal in found.deals:
        assert 0 < deal.low < deal.chance < deal.high <= 0.998
        assert deal.high - deal.low > 0.4


def test_without_a_decided_deal_nothing_is_said():
    rows = tables(n=700)
    rows["opportunity"] = [row for row in rows["opportunity"] if not row["is_closed"]]
    found = open_deals(read(**rows))
    assert {deal.chance for deal in found.deals} == {None}
    assert {deal.expected for deal in found.deals} == {None}
    assert found.expected == 0


def test_deals_without_recorded_stages_have_one_stay():
    rows = tables(n=700)
    found = open_deals(read(opportunity=rows["opportunity"]))
    assert not found.has_stages
    assert found.pipelines[0].stages == ("",)
    assert all(deal.chance for deal in found.deals)


def test_a_deal_that_was_lost_and_opened_again_was_not_lost_there():
    stay = {"opportunity_id": "d", "pipeline": "P"}
    result = read(
        opportunity=[{"id": "d", "created_at": "2026-01-01", "pipeline": "P", "is_closed": False}],
        stage_interval=[
            stay | {"seq": 1, "stage": "a", "position": 1, "entered_at": "2026-01-01", "exited_at": "2026-01-05", "exit_to": "lost"},
            stay | {"seq": 2, "stage": "b", "position": 2, "entered_at": "2026-02-01", "exited_at": "2026-03-01", "exit_to": "handed_off"},
            stay | {"seq": 3, "pipeline": "Q", "stage": "c", "position": 1, "entered_at": "2026-03-01", "exit_to": None},
        ],
    )  # fmt: skip
    ways = pipelines_of(result)
    assert ways.stays["P"].stages == ("a", "b")
    assert ways.stays["P"].to.tolist() == [1, GONE]
    assert ways.stays["Q"].to.tolist() == [OPEN]


def test_the_amount_of_a_stay_is_the_one_of_its_entry():
    stay = {"opportunity_id": "d", "pipeline": "P", "position": 1}
    result = read(
        opportunity=[
            {"id": "d", "created_at": "2026-01-01", "pipeline": "P", "is_closed": False, "amount": "400", "amount_base": "200"}
        ],
        stage_interval=[
            stay | {"seq": 1, "stage": "a", "entered_at": "2026-01-01", "exited_at": "2026-02-01", "exit_to": "next"},
            stay | {"seq": 2, "stage": "b", "entered_at": "2026-02-01", "exit_to": None},
        ],
        field_history=[
            {"id": "1", "entity_type": "opportunity", "entity_id": "d", "field": "amount", "old_value": "100", "new_value": "400", "changed_at": "2026-01-15"}
        ],
    )  # fmt: skip
    assert np.exp(pipelines_of(result).stays["P"].numbers["amount"]).round(6).tolist() == [50.0, 200.0]


def test_records_lose_nothing_and_fit_the_answer_of_the_api(found):
    record = deals_record(found)
    assert DealsOut.model_validate(record).n == len(found.deals)
    assert tuple(deal_records(found)[0]) == FIELDS
    assert record["pipelines"][0]["basis"] == "model"
    assert len(record["pipelines"][0]["reliability"]) == 10


def test_instants_without_a_zone_are_utc_wherever_the_machine_is(found, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        told = deals_record(replace(found, as_of=dt.datetime(2026, 6, 30, 22)))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert told["as_of"] == "2026-06-30T22:00:00Z"


def test_quarters_end_at_midnight_of_the_company():
    ends = quarter_ends(Calendar(), dt.datetime(2026, 5, 1), PARIS)
    assert dt.datetime(2026, 6, 30, 22, tzinfo=dt.UTC) in ends
    assert list(ends) == sorted(ends)


@pytest.fixture
def run(monkeypatch, found):
    return runner(monkeypatch, found)


def runner(monkeypatch, found):
    workspace = fake_workspace()
    asked = []

    class View:
        project, catalogue = workspace.project, workspace.catalogue

        def deals(self, query, *, silent):
            asked.append((query, silent))
            return found

    opened = type("Opened", (), {"project": workspace.project, "view": lambda self: View()})()
    monkeypatch.setattr(rooms, "open_workspace", lambda root: opened)
    return lambda *more: (CliRunner().invoke(main, ["deals", *more]), asked)


def test_the_terminal_tells_deals_and_what_their_chances_rest_on(run):
    answer, [asked] = run(
        "--lang", "en", "--silent", "--as-of", "2026-05-01", "--where", "segment = 'good'", "--limit", "2"
    )
    assert answer.exit_code == 0, answer.output
    assert asked == (DealQuery(("segment = 'good'",), dt.date(2026, 5, 1)), True)
    assert "past its close date" in answer.stdout
    assert "Sales: chances by the model" in answer.stderr
    assert "seed 2026" in answer.stderr


def test_the_terminal_tells_it_in_french_and_programs_get_records(run, found):
    assert "Affaire" in run("--lang", "fr")[0].stdout
    [document] = json.loads(run("--format", "json")[0].stdout)
    assert document["n"] == len(found.deals)
    assert run("--format", "csv")[0].stdout.splitlines()[0] == ",".join(FIELDS)


@pytest.mark.parametrize("basis", ["stages", "hand", "nothing"])
def test_without_a_model_a_deal_has_the_share_of_its_stage_what_was_set_by_hand_or_the_share_of_all(
    monkeypatch, found, basis
):
    from cadran.insights import open_deals as room

    skill = replace(found.pipelines[0].skill, basis=basis)
    monkeypatch.setattr(room, "skill_of", lambda *_: skill)
    told = open_deals(read(**tables(n=300)))
    chances = {deal.stage: deal.chance for deal in told.deals}
    assert all(0 < deal.low <= deal.chance <= deal.high < 1 for deal in told.deals)
    assert all(deal.reasons == () for deal in told.deals)
    if basis == "stages":
        assert chances["one"] < chances["two"] < chances["three"]
    else:
        assert len(set(chances.values())) == 1
    assert (set(chances.values()) == {0.5}) == (basis == "hand")


def test_percentages_are_shares_whether_written_40_or_as_a_fraction():
    rows = tables(n=300)
    for row in rows["opportunity"]:
        row["probability"] = 0.4 if row["segment"] == "good" else None
    by_hand = {deal.segment: deal.by_hand for deal in open_deals(read(**rows)).deals}
    assert by_hand == {"good": 0.4, "bad": None}


def test_an_amount_that_is_no_number_is_not_known():
    stay = {"opportunity_id": "d", "pipeline": "P", "position": 1, "seq": 1, "stage": "a", "entered_at": "2026-01-01"}
    change = {"id": "1", "entity_type": "opportunity", "entity_id": "d", "field": "amount", "old_value": "dix"}
    result = read(
        opportunity=[{"id": "d", "created_at": "2026-01-01", "pipeline": "P", "amount": "4", "amount_base": "4"}],
        stage_interval=[stay | {"exit_to": None}],
        field_history=[change | {"changed_at": "2026-01-15"}],
    )
    assert np.isnan(pipelines_of(result).stays["P"].numbers["amount"]).tolist() == [True]


def test_the_terminal_tells_breaks_and_what_is_not_recorded(monkeypatch, found):
    broken = Break(1, TODAY, 40, 12, 22.4, 0.99, -1.2)
    rests = replace(found.pipelines[0], breaks=(broken,))
    told = replace(found, pipelines=(rests,), has_stages=False, has_touches=True, without_amount=3)
    answer, _ = runner(monkeypatch, told)("--lang", "en")
    assert "12 of 40 deals went on from two, 22 were expected" in answer.stderr
    assert "are not recorded: only age" in answer.stderr
    assert "3 deals have no amount" in answer.stderr
    assert deals_record(told)["pipelines"][0]["breaks"][0]["stage"] == "two"
