"""Stays and passages: what skips, returns, renames and reopenings count as."""

import datetime as dt
from collections import Counter
from datetime import timedelta

from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from tables import collect_deals, landed_tables, settings

KNOWN = settings("2026-07-01")
LADDER = ["Qualification", "Demo", "Proposal", "Negotiation"]
LISTED = [
    *({"name": name, "pipeline": "Sales", "position": n, "category": "open"} for n, name in enumerate(LADDER, 1)),
    {"name": "Won", "pipeline": "Sales", "position": 8, "category": "won"},
    {"name": "Lost", "pipeline": "Sales", "position": 9, "category": "lost"},
]


def walk(deal, *steps, created="2026-01-01", **values):
    """A deal and its changes from steps such as ``("2026-01-05", "Demo")``; the first stage is Qualification."""
    history, before = [], values.pop("first", LADDER[0])
    for at, stage in steps:
        history.append(
            {
                "id": f"{deal}-{len(history)}",
                "entity_id": deal,
                "field": "stage",
                "old_value": before,
                "new_value": stage,
                "changed_at": at,
            }
        )
        before = stage
    ended = {"is_closed": before in {"Won", "Lost"}, "is_won": before == "Won"}
    at = steps[-1][0] if steps and ended["is_closed"] else None
    row = {"id": deal, "pipeline": "Sales", "stage": before, "created_at": created, "closed_at": at, **ended, **values}
    return row, history


def tables(*walks, known=KNOWN, stage=LISTED, **rows):
    deals = [row for row, _ in walks]
    history = [change for _, changes in walks for change in changes]
    landed = landed_tables(opportunity=deals, field_history=history, stage=stage, **rows)
    return collect_deals(landed, known, "stage_interval", "stage_passage")


def passages(*walks, **rows):
    return {(row["opportunity_id"], row["stage"]): row for row in tables(*walks, **rows)["stage_passage"]}


def stays(*walks, **rows):
    found = tables(*walks, **rows)["stage_interval"]
    return sorted(found, key=lambda row: (row["opportunity_id"], row["entered_at"], row["is_implied"], row["seq"]))


def test_a_stage_jumped_over_is_passed_without_time_and_flagged():
    """T-01: implied by default; strict leaves the implied rows out."""
    deal = walk("a", ("2026-01-11", "Proposal"))

    found = passages(deal)

    demo = found["a", "Demo"]
    assert (demo["is_implied"], demo["n_entries"], demo["state"], demo["days"]) == (True, 0, "advanced", 0.0)
    assert dt.date(2026, 1, 11) == demo["entered_on"] == demo["advanced_on"]
    assert demo["advanced_strict_at"] is None
    assert found["a", "Qualification"]["advanced_on"] == dt.date(2026, 1, 11)
    assert found["a", "Qualification"]["advanced_strict_at"] is None
    assert {row["stage"]: row["exit_to"] for row in stays(deal)} == {
        "Qualification": "skip",
        "Demo": "skip",
        "Proposal": None,
    }


def test_a_deal_that_comes_back_converts_once_and_its_return_is_counted_apart():
    """T-02: proposal → demo → proposal; time in the stage is the sum of its stays."""
    deal = walk(
        "a", ("2026-01-11", "Demo"), ("2026-01-21", "Proposal"), ("2026-01-26", "Demo"), ("2026-02-05", "Proposal")
    )

    found = passages(deal, known=settings("2026-02-15"))

    demo, proposal = found["a", "Demo"], found["a", "Proposal"]
    assert ("advanced", 2, 20.0, dt.date(2026, 1, 21)) == (
        demo["state"],
        demo["n_entries"],
        demo["days"],
        demo["advanced_on"],
    )
    assert (proposal["state"], proposal["n_entries"], proposal["n_regressions"], proposal["days"]) == (
        "open",
        2,
        1,
        15.0,
    )
    assert [row["is_regression"] for row in stays(deal)] == [False, False, False, True, False]


def test_a_deal_that_went_back_and_stays_there_is_regressed_from_where_it_was():
    """T-02: the ledger has one state for each entry."""
    found = passages(walk("a", ("2026-01-11", "Demo"), ("2026-01-21", "Qualification")))

    assert found["a", "Demo"]["state"] == "regressed"
    assert found["a", "Qualification"]["state"] == "advanced"


def test_open_deals_are_open_and_not_lost():
    """T-03: the ledger shows the ninety that are still there, and how old they are."""
    walks = [walk("w", ("2026-01-11", "Won")), walk("l", ("2026-01-11", "Lost")), walk("o")]

    found = passages(*walks, known=settings("2026-01-21"))

    assert Counter(advanced=1, lost=1, open=1) == Counter(
        row["state"] for (_, stage), row in found.items() if stage == "Qualification"
    )
    assert (found["o", "Qualification"]["is_open"], found["o", "Qualification"]["age_days"]) == (True, 20.0)


def test_an_exit_is_dated_apart_from_its_entry():
    """T-04: entered in February, left in March: period and cohort bases each have their date."""
    found = passages(walk("a", ("2026-02-10", "Demo"), ("2026-03-05", "Proposal")))

    assert (dt.date(2026, 2, 10), dt.date(2026, 3, 5)) == (
        found["a", "Demo"]["entered_on"],
        found["a", "Demo"]["advanced_on"],
    )


def test_a_renamed_stage_is_one_stage():
    """T-05: what was "Discovery" is "Qualification", before and after."""
    listed = [*LISTED, {"name": "Discovery", "pipeline": "Sales", "position": 1, "replaced_by": "Qualification"}]

    found = passages(
        walk("a", ("2026-01-11", "Qualification"), ("2026-01-21", "Demo"), first="Discovery"), stage=listed
    )

    assert {("a", "Qualification"), ("a", "Demo")} == set(found)
    assert found["a", "Qualification"]["days"] == 20.0


def test_a_stage_named_by_its_id_is_the_one_of_the_list():
    """T-05: exports name stages by id or by label."""
    listed = [{**row, "id": f"crm:{n}", "source_id": f"{n}"} for n, row in enumerate(LISTED)]

    found = passages(walk("a", ("2026-01-11", "1"), first="0", stage="crm:1"), stage=listed)

    assert {("a", "Qualification"), ("a", "Demo")} == set(found)


def test_a_stage_that_no_longer_existed_is_not_jumped_over():
    """T-05: stages have dates of validity."""
    listed = [{**row, "ended_at": "2026-01-05" if row["name"] == "Demo" else None} for row in LISTED]

    assert ("a", "Demo") not in passages(walk("a", ("2026-01-11", "Proposal")), stage=listed)
    assert ("a", "Demo") in passages(walk("a", ("2026-01-04", "Proposal")), stage=listed)


def test_a_deal_moved_to_another_pipeline_is_handed_off_and_not_lost():
    """T-05."""
    listed = [*LISTED, {"name": "Onboarding", "pipeline": "Partners", "position": 1, "category": "open"}]
    row, history = walk("a", ("2026-01-11", "Demo"), ("2026-01-21", "Onboarding"), pipeline="Partners")
    history.append(
        {
            "entity_id": "a",
            "field": "pipeline",
            "old_value": "Sales",
            "new_value": "Partners",
            "changed_at": "2026-01-21",
        }
    )

    found = passages((row, history), stage=listed)

    assert [
        (stage, row["state"], row["pipeline"])
        for (_, stage), row in sorted(found.items(), key=lambda i: i[1]["entered_at"])
    ] == [("Qualification", "advanced", "Sales"), ("Demo", "handed_off", "Sales"), ("Onboarding", "open", "Partners")]


def test_a_win_passes_the_stages_that_were_left():
    """T-01: won is the last step up; a loss passes nothing."""
    found = passages(walk("w", ("2026-01-11", "Demo"), ("2026-01-21", "Won")), walk("l", ("2026-01-11", "Lost")))

    assert {"advanced"} == {row["state"] for (deal, _), row in found.items() if deal == "w"}
    assert [found["w", stage]["is_implied"] for stage in LADDER] == [False, False, True, True]
    assert [deal for deal, _ in found if deal == "l"] == ["l"]
    assert found["w", "Negotiation"]["next_stage"] == "won"


def test_a_deal_lost_reopened_and_won_is_not_lost():
    """T-18."""
    deal = walk("a", ("2026-01-11", "Lost"), ("2026-02-11", "Qualification"), ("2026-03-11", "Won"))

    found = passages(deal)["a", "Qualification"]

    assert ("advanced", None, dt.date(2026, 3, 11), 2) == (
        found["state"],
        found["lost_on"],
        found["advanced_on"],
        found["n_entries"],
    )
    assert [row["exit_to"] for row in stays(deal) if not row["is_implied"]] == ["lost", "won"]


def test_a_deal_won_then_reopened_has_not_advanced():
    """T-18: it never stays at 100 % after it was reopened."""
    found = passages(walk("a", ("2026-01-11", "Won"), ("2026-02-11", "Qualification")))["a", "Qualification"]

    assert (found["state"], found["advanced_at"]) == ("open", None)


def test_without_any_history_the_present_stage_is_since_the_creation_and_inferred():
    """T-01: and nothing is implied from what nobody recorded."""
    found = passages(walk("a", first="Proposal"), walk("w", first="Won"))

    assert {("a", "Proposal")} == set(found)
    assert (True, dt.date(2026, 1, 1)) == (found["a", "Proposal"]["is_inferred"], found["a", "Proposal"]["entered_on"])


def test_a_lost_deal_that_keeps_its_stage_is_lost_there():
    """T-02: some CRMs keep the last stage and mark the deal as lost."""
    row, history = walk("a", ("2026-01-11", "Demo"))
    row |= {"is_closed": True, "is_won": False, "closed_at": "2026-01-31"}

    found = passages((row, history))["a", "Demo"]

    assert ("lost", dt.date(2026, 1, 31), 20.0) == (found["state"], found["lost_on"], found["days"])


def test_without_a_list_of_stages_their_order_is_the_one_deals_go_through():
    walks = [walk("a", ("2026-01-11", "Demo"), ("2026-01-21", "Alpha"), ("2026-02-21", "Closed won")), walk("b")]
    walks[0][0].update(is_closed=True, is_won=True)

    found = passages(*walks, stage=[])

    assert {stage: row["position"] for (_, stage), row in found.items()} == {"Qualification": 1, "Demo": 2, "Alpha": 3}
    assert found["a", "Demo"]["next_stage"] == "Alpha"


def test_attributes_are_those_of_the_entry():
    """G-10, T-99: mid-market and hers at the demo, enterprise and his at the proposal."""
    row, history = walk("a", ("2026-01-11", "Demo"), ("2026-02-21", "Proposal"), account_id="x", owner_id="o2")
    history.append(
        {"entity_id": "a", "field": "owner_id", "old_value": "o1", "new_value": "o2", "changed_at": "2026-02-01"}
    )
    versions = [
        {"id": "x", "segment": "Mid-market", "valid_from": "2026-01-01"},
        {"id": "x", "segment": "Enterprise", "valid_from": "2026-02-10"},
    ]
    people = [{"id": "o1", "name": "Ann"}, {"id": "o2", "name": "Bob"}]

    found = passages((row, history), account=versions[1:], account_history=versions, owner=people)

    assert (found["a", "Demo"]["segment"], found["a", "Demo"]["owner"]) == ("Mid-market", "Ann")
    assert (found["a", "Proposal"]["segment"], found["a", "Proposal"]["owner"]) == ("Enterprise", "Bob")


def test_test_deals_and_deleted_ones_are_no_passages():
    """G-13."""
    assert passages(walk("t", is_test=True), walk("d", deleted_at="2026-02-01")) == {}


WALKS = st.lists(
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from([*LADDER, "Won", "Lost"])), max_size=7),
    min_size=1,
    max_size=12,
)


@effort(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
@given(WALKS)
def test_the_ledger_of_every_stage_adds_up(walks):
    """T-02, T-100: every deal that entered a stage is in one state of it, whatever its way."""
    deals = []
    for number, steps in enumerate(walks):
        at, moves, before = dt.datetime(2026, 1, 1), [], LADDER[0]
        for days, stage in steps:
            if stage != before:
                at += timedelta(days=days, hours=1)
                moves.append((at.isoformat(), stage))
                before = stage
        deals.append(walk(f"d{number}", *moves))

    found = tables(*deals)

    rows = found["stage_passage"]
    assert len(rows) == len({(row["opportunity_id"], row["stage"]) for row in rows})
    assert {row["state"] for row in rows} <= {"advanced", "lost", "regressed", "handed_off", "open"}
    truth = {row["id"]: (row["is_closed"], row["is_won"]) for row, _ in deals}
    for row in rows:
        assert (row["state"] == "advanced") == (row["advanced_at"] is not None)
        assert (row["state"] == "lost") == (row["lost_at"] is not None)
        assert row["state"] != "open" or not truth[row["opportunity_id"]][0]
        assert row["state"] != "lost" or truth[row["opportunity_id"]] == (True, False)
        assert row["is_implied"] == (row["n_entries"] == 0)
    real = [row for row in found["stage_interval"] if not row["is_implied"]]
    entered = {(deal["id"], stage) for deal, changes in deals for stage in _entered(deal, changes)}
    assert entered == {(row["opportunity_id"], row["stage"]) for row in rows if not row["is_implied"]}
    assert sum(row["n_entries"] for row in rows) == len(real)
    for deal, _ in deals:
        last = [row for row in real if row["opportunity_id"] == deal["id"] and row["exited_at"] is None]
        assert len(last) == (0 if deal["is_closed"] else 1)


def _entered(deal, changes):
    stages = [change["old_value"] for change in changes[:1]] + [change["new_value"] for change in changes]
    return {stage for stage in stages or [deal["stage"]] if stage in LADDER}
