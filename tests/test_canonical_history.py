"""What was known on a day: one version per record, and nothing that came later."""

import datetime as dt
from decimal import Decimal

import pytest

from cadran.canonical.history import current
from tables import collect, landed_tables

JAN, FEB, MAR = "2026-01-31", "2026-02-28", "2026-03-31"


def known(at, entity="opportunity", **rows):
    """The rows of an entity as known at an instant, by id."""
    found = collect(current(landed_tables(**rows), dt.datetime.fromisoformat(at))[entity])
    assert len({row["id"] for row in found}) == len(found)
    return {row["id"]: row for row in found}


def deal(**values):
    return {"id": "a", "created_at": "2026-01-05", "valid_from": MAR, "stage": "Demo", "is_closed": False, **values}


def won(**values):
    return deal(**{"stage": "Won", "is_closed": True, "is_won": True, "closed_at": "2026-03-10", **values})


def change(at, old, new, field="stage", **values):
    return {
        "entity_id": "a",
        "field": field,
        "changed_at": at,
        "old_value": old,
        "new_value": new,
        "valid_from": MAR,
        **values,
    }


def test_the_version_of_the_day_holds_until_the_next_export():
    versions = [deal(valid_from=JAN, amount="10"), deal(valid_from=FEB, amount="20"), deal(valid_from=MAR, amount="30")]

    assert [Decimal(10), Decimal(10), Decimal(20), Decimal(30)] == [
        known(at, opportunity=versions)["a"]["amount"] for at in (JAN, "2026-02-27", FEB, MAR)
    ]


def test_a_deal_is_known_since_it_was_created_however_late_it_was_exported():
    assert known("2026-01-04", opportunity=[deal()]) == {}
    assert {"a"} == set(known("2026-01-06", opportunity=[deal()]))


def test_what_happened_later_is_masked():
    """G-11: a deal won in March was open in February, whatever its only export says."""
    row = known("2026-02-28", opportunity=[won(lost_reason="price", outcome="won", probability=1.0)])["a"]

    assert (
        row["is_closed"],
        row["is_won"],
        row["closed_at"],
        row["outcome"],
        row["lost_reason"],
        row["probability"],
    ) == (False, False, None, None, None, None)


def test_what_happened_before_is_kept():
    row = known("2026-03-15", opportunity=[won()])["a"]

    assert (True, dt.datetime(2026, 3, 10), "Won") == (row["is_won"], row["closed_at"], row["stage"])


def test_an_event_at_the_very_instant_is_not_known_yet():
    """G-6: known up to midnight is the day before."""
    assert not known("2026-03-10", opportunity=[won()])["a"]["is_closed"]
    assert known("2026-03-10T00:00:01", opportunity=[won()])["a"]["is_closed"]


def test_the_change_of_stage_dates_the_close_rather_than_the_planned_day():
    """T-72: planned for January, won in March."""
    rows = {"opportunity": [won(closed_at="2026-01-20")], "field_history": [change("2026-03-10", "Demo", "Won")]}

    assert not known("2026-02-28", **rows)["a"]["is_closed"]
    assert known("2026-02-28", **rows)["a"]["stage"] == "Demo"


@pytest.mark.parametrize(
    ("at", "stage"),
    [("2026-01-10", "Qualif"), ("2026-01-20", "Demo"), ("2026-02-20", "Proposal"), ("2026-03-20", "Won")],
)
def test_the_stage_is_the_one_of_the_day(at, stage):
    history = [
        change("2026-01-15", "Qualif", "Demo"),
        change("2026-02-15", "Demo", "Proposal"),
        change("2026-03-10", "Proposal", "Won"),
    ]

    assert stage == known(at, opportunity=[won()], field_history=history)["a"]["stage"]


def test_the_stage_of_the_day_comes_from_dates_of_entry_too():
    history = [change("2026-01-15", None, "Demo"), change("2026-02-15", None, "Proposal")]

    assert known("2026-02-01", opportunity=[deal(stage="Proposal")], field_history=history)["a"]["stage"] == "Demo"


def test_a_stage_of_which_nothing_is_recorded_is_unknown():
    assert known("2026-02-28", opportunity=[deal()])["a"]["stage"] is None


def test_where_changes_of_stage_are_recorded_a_deal_without_any_has_always_been_where_it_is():
    elsewhere = change("2026-01-15", "Qualif", "Demo", entity_id="b")
    later = won(id="c")

    found = known("2026-02-28", opportunity=[deal(), later], field_history=[elsewhere])

    assert [found["a"]["stage"], found["c"]["stage"]] == ["Demo", None]


def test_a_record_untouched_since_is_known_as_it_is():
    assert known("2026-02-28", opportunity=[deal(updated_at="2026-01-20")])["a"]["stage"] == "Demo"


def test_amount_and_owner_are_those_of_the_day_where_changes_are_recorded():
    """G-10, T-36."""
    history = [
        change("2026-03-15", "100.50", "900", "amount", id="1"),
        change("2026-02-20", "ann", "bob", "owner_id", id="2"),
        change("2026-03-20", "bob", "cid", "owner_id", id="3"),
        change("2026-03-02", None, "2026-06-30", "expected_close_on", id="4"),
    ]
    rows = {
        "opportunity": [deal(amount="900", owner_id="cid", expected_close_on="2026-06-30")],
        "field_history": history,
    }

    row = known("2026-02-28", **rows)["a"]

    assert (Decimal("100.5"), "bob", None) == (row["amount"], row["owner_id"], row["expected_close_on"])
    assert Decimal(900) == known("2026-03-16", **rows)["a"]["amount"]


def test_a_deleted_deal_is_there_as_known_before():
    """G-13."""
    rows = [deal(deleted_at="2026-03-01")]

    assert known("2026-02-28", opportunity=rows)["a"]["deleted_at"] is None
    assert known("2026-03-02", opportunity=rows)["a"]["deleted_at"] is not None


def test_a_merge_does_not_reach_back():
    """G-12: before the merge, and where nobody tells when it was, both are there."""
    leads = [
        {"id": "l1", "created_at": "2026-01-05", "valid_from": MAR, "merged_into_id": "l0", "merged_at": "2026-03-01"},
        {"id": "l2", "created_at": "2026-01-05", "valid_from": MAR, "merged_into_id": "l0"},
    ]

    before, after = known(FEB, "lead", lead=leads), known(MAR, "lead", lead=leads)

    assert {None} == {row["merged_into_id"] for row in before.values()}
    assert {"l0"} == {row["merged_into_id"] for row in after.values()}


def test_what_is_told_with_an_event_is_masked_with_it():
    message = {
        "id": "m",
        "sent_at": "2026-02-01",
        "valid_from": MAR,
        "replied_at": "2026-03-02",
        "reply_sentiment": "good",
    }

    row = known(FEB, "outreach_message", outreach_message=[message])["m"]

    assert (row["replied_at"], row["reply_sentiment"]) == (None, None)


def test_companies_without_a_date_of_creation_were_always_there_and_events_were_not():
    rows = {"account": [{"id": "x", "valid_from": MAR}], "activity": [{"id": "y", "valid_from": MAR}]}

    assert {"x"} == set(known("2020-01-01", "account", **rows))
    assert known("2020-01-01", "activity", **rows) == {}


def test_a_quota_is_known_before_its_period_starts():
    quota = {"id": "q", "start_on": "2026-07-01", "created_at": "2026-01-01", "valid_from": JAN}

    assert {"q"} == set(known(FEB, "quota", quota=[quota]))


def test_rows_of_the_day_of_an_export_dated_without_a_time_are_kept():
    """An export dated 31 March holds what happened during 31 March."""
    assert {"a"} == set(known(MAR, opportunity=[deal(created_at="2026-03-31T15:00")]))
    assert known(MAR, opportunity=[deal(created_at="2026-05-01")]) == {}


def test_two_exports_imply_the_changes_between_them():
    """Section 4 of the connectors: dated by the later export, uncertain since the earlier one."""
    versions = [deal(valid_from=FEB, amount="10"), deal(valid_from=MAR, amount="20", stage="Proposal")]

    found = {row["field"]: row for row in known(MAR, "field_history", opportunity=versions).values()}

    assert {"stage", "amount"} == set(found)
    stage = found["stage"]
    assert (stage["old_value"], stage["new_value"], stage["is_inferred"]) == ("Demo", "Proposal", True)
    assert (dt.datetime(2026, 2, 28), dt.datetime(2026, 3, 31)) == (stage["uncertainty_from"], stage["changed_at"])
    assert known("2026-03-30", "field_history", opportunity=versions) == {}


def test_a_close_between_two_exports_is_dated_by_itself():
    found = known(MAR, "field_history", opportunity=[deal(valid_from=FEB), won()])

    assert {("stage", dt.datetime(2026, 3, 10), None), ("is_closed", dt.datetime(2026, 3, 10), None)} == {
        (row["field"], row["changed_at"], row["uncertainty_from"]) for row in found.values()
    }


def test_a_recorded_change_is_not_implied_again():
    versions = [deal(valid_from=FEB), deal(valid_from=MAR, stage="Proposal")]

    found = known(MAR, "field_history", opportunity=versions, field_history=[change("2026-03-05", "Demo", "Proposal")])

    assert [(False, dt.datetime(2026, 3, 5))] == [(row["is_inferred"], row["changed_at"]) for row in found.values()]


def test_what_a_later_export_records_does_not_reach_into_an_earlier_one():
    """G-11: between two exports, what the first one said holds."""
    rows = {
        "opportunity": [deal(valid_from=JAN), deal(valid_from=MAR, stage="Proposal")],
        "field_history": [change("2026-02-15", "Demo", "Proposal")],
    }

    assert known(FEB, **rows)["a"]["stage"] == "Demo"
    assert known(FEB, "field_history", **rows) == {}


def test_changes_exported_late_serve_for_the_time_before_the_deal_was_exported():
    """A file of changes that comes after the file of deals still tells their past."""
    rows = {
        "opportunity": [deal(valid_from=JAN)],
        "field_history": [change("2026-01-15", "Qualif", "Demo"), change("2026-02-15", "Demo", "Proposal")],
    }

    assert [row["new_value"] for row in known(FEB, "field_history", **rows).values()] == ["Demo"]


def test_past_versions_of_accounts_and_owners_are_at_hand():
    """G-10."""
    versions = [
        {"id": "x", "segment": "SMB", "valid_from": JAN},
        {"id": "x", "segment": "Mid", "valid_from": FEB},
        {"id": "x", "segment": "Ent", "valid_from": MAR},
    ]

    def segments(at, entity):
        found = current(landed_tables(account=versions), dt.datetime.fromisoformat(at))[entity]
        return {row["segment"] for row in collect(found)}

    assert {"SMB", "Mid"} == segments(FEB, "account_history")
    assert {"Mid"} == segments(FEB, "account")
    assert {"SMB"} == segments("2025-01-01", "account_history")


def test_other_tables_are_handed_on():
    minutes = landed_tables()["time_entry"]

    assert minutes is current({"working_minutes": minutes}, dt.datetime(2026, 1, 1))["working_minutes"]
