"""G-11: a figure as known on a day does not depend on what was learnt later."""

import datetime as dt
from dataclasses import replace
from datetime import timedelta

from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from tables import collect_known_deals, landed_tables, settings

START = dt.datetime(2026, 1, 1, 9)
EXPORTS = [dt.datetime(2026, 2, 1), dt.datetime(2026, 3, 1), dt.datetime(2026, 4, 1)]
ENDS = {"Won", "Lost"}
#: Columns that say when a row was read rather than what it says.
READING = {"valid_from", "valid_from_on", "updated_at", "updated_on", "is_inferred"}

STORIES = st.lists(
    st.lists(
        st.tuples(
            st.integers(0, 40),
            st.sampled_from(["amount", "owner_id", "stage", "stage"]),
            st.sampled_from(["10", "20", "0", "-5"]),
            st.sampled_from(["o1", "o2"]),
            st.sampled_from(["Qualification", "Demo", "Proposal", "Won", "Lost"]),
        ),
        max_size=6,
    ),
    min_size=1,
    max_size=6,
)
LIGHT = effort(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)


def world(stories):
    """Each deal's creation and changes: (deal, instant, field, old, new)."""
    changes = []
    for number, story in enumerate(stories):
        at, state = START + timedelta(days=number), {"amount": "10", "owner_id": "o1", "stage": "Qualification"}
        for days, field, amount, owner, stage in story:
            at += timedelta(days=days, minutes=1)
            new = {"amount": amount, "owner_id": owner, "stage": stage}[field]
            if new != state[field]:
                changes.append((f"d{number}", at, field, state[field], new))
                state[field] = new
    return changes


def export(changes, n_deals, at):
    """What a CRM gives at an instant: its deals as they are, and every change so far."""
    deals, history = [], []
    for number in range(n_deals):
        key, created = f"d{number}", START + timedelta(days=number)
        past = [change for change in changes if change[0] == key and change[1] < at]
        state = {"amount": "10", "owner_id": "o1", "stage": "Qualification"}
        state |= {field: new for _, _, field, _, new in past}
        over = state["stage"] in ENDS
        closed = max((when for _, when, field, _, _ in past if field == "stage"), default=None) if over else None
        if created < at:
            deals.append(
                {
                    "id": key,
                    "created_at": created.isoformat(),
                    **state,
                    "is_closed": over,
                    "is_won": state["stage"] == "Won",
                    "closed_at": closed.isoformat() if closed else None,
                    "updated_at": max([created, *(when for _, when, *_ in past)]).isoformat(),
                    "valid_from": at.isoformat(),
                }
            )
        history += [
            {
                "id": f"{key}-{when:%j%H%M}",
                "entity_id": key,
                "field": field,
                "old_value": old,
                "new_value": new,
                "changed_at": when.isoformat(),
                "valid_from": at.isoformat(),
            }
            for _, when, field, old, new in past
        ]
    return deals, history


def exported(stories, *times):
    """Landed tables after these exports; a change that was exported before is not landed again.

    One deal changes its stage early, so that the CRM is one that records such changes.
    """
    stories = [*stories, [(1, "stage", "", "", "Demo")]]
    changes, deals, history = world(stories), [], {}
    for at in times:
        more, recorded = export(changes, len(stories), at)
        deals += more
        history = {row["id"]: row for row in recorded} | history
    people = [{"id": key, "name": key} for key in ("o1", "o2")]
    return landed_tables(opportunity=deals, field_history=list(history.values()), owner=people)


def as_known(landed, at):
    """Every row about deals as known at an instant, without what says when it was read."""
    known = replace(settings(), known_at=at)
    found = collect_known_deals(landed, known)
    return {
        name: sorted(repr(sorted((k, v) for k, v in row.items() if k not in READING)) for row in rows)
        for name, rows in found.items()
    }


@LIGHT
@given(STORIES)
def test_later_exports_do_not_change_what_was_known(stories):
    """G-11, T-18: the same day asked again after two more exports gives the same rows."""
    for day in (EXPORTS[0], EXPORTS[0] - timedelta(days=12)):
        assert as_known(exported(stories, EXPORTS[0]), day) == as_known(exported(stories, *EXPORTS), day)


@LIGHT
@given(STORIES)
def test_one_late_export_says_what_an_export_of_the_day_would_have_said(stories):
    """G-11: no later close, amount, owner or stage leaks into a past day."""
    day = EXPORTS[0]

    late, then = as_known(exported(stories, EXPORTS[2]), day), as_known(exported(stories, day), day)

    assert then == late


def test_a_merge_and_a_close_of_later_leave_the_figures_of_before():
    """G-12, G-13: merged, deleted and lost in March; in February all three were open."""
    later = {"valid_from": "2026-04-01", "created_at": "2026-01-05", "amount": "10", "stage": "Lost"}
    deals = [
        {**later, "id": "closed", "is_closed": True, "is_won": False, "closed_at": "2026-03-05"},
        {**later, "id": "deleted", "stage": "Demo", "deleted_at": "2026-03-05"},
        {**later, "id": "merged", "stage": "Demo", "merged_into_id": "closed", "merged_at": "2026-03-05"},
    ]
    landed = landed_tables(opportunity=deals)

    before = collect_known_deals(landed, replace(settings(), known_at=EXPORTS[1]))
    after = collect_known_deals(landed, replace(settings(), known_at=EXPORTS[2]))

    assert [(row["is_closed"], row["merged_into_id"]) for row in before["opportunity"]] == [(False, None)] * 3
    assert sum(row["n_delta"] for row in before["pipeline_movement"]) == 3
    assert {row["id"]: row["is_closed"] for row in after["opportunity"]} == {"closed": True, "merged": False}
    assert sum(row["n_delta"] for row in after["pipeline_movement"]) == 1
