"""Touches: one per account and message, counted on deals, in stages, and up to the first qualified meeting."""

from __future__ import annotations

from cadran.canonical.touch import account_approach, touch
from tables import collect, collect_deals, landed_tables, settings

KNOWN = settings("2026-07-01")


def mail(id_, at, **values):
    return {
        "id": id_, "type": "email", "direction": "outbound", "owner_id": "o", "account_id": "x", "occurred_at": at, **values
    }  # fmt: skip


def touches(**rows):
    return sorted(collect(touch(landed_tables(**rows), KNOWN)), key=lambda row: (row["occurred_at"], row["id"]))


def approaches(**rows):
    made = touch(landed_tables(**rows), KNOWN)
    return {row["id"]: row for row in collect(account_approach(made, KNOWN))}


def test_one_message_to_eight_people_of_an_account_is_one_touch():
    """T-24: by its key, and without one by who wrote what in which minute."""
    keyed = [mail(f"k{n}", "2026-03-02T09:00", contact_id=f"c{n}", message_key="m1") for n in range(8)]
    written = [mail(f"w{n}", f"2026-03-03T09:00:{n:02}", contact_id=f"c{n}", subject="Hello") for n in range(8)]
    other = [mail("z", "2026-03-03T09:00", account_id="y", subject="Hello")]

    found = touches(activity=[*keyed, *written, *other])

    assert [(row["account_id"], row["n_records"]) for row in found] == [("x", 8), ("x", 8), ("y", 1)]


def test_a_bulk_sequence_is_one_touch_per_account_and_step_and_its_copy_in_the_crm_is_none():
    """T-24."""
    sent = [
        {"id": f"s{n}", "sequence": "Cold", "step_position": step, "channel": "email", "account_id": "x",
         "person_key": f"p{n}", "sent_at": f"2026-03-0{step}T09:00:{n:02}"}
        for step in (1, 2) for n in range(5)
    ]  # fmt: skip
    bounced = [{**sent[0], "id": "b", "account_id": "y", "bounced_at": "2026-03-01T10:00"}]
    copies = [mail("c1", "2026-03-01T09:00", sequence_id="Cold"), mail("c2", "2026-03-05T09:00", sequence_id="By hand")]

    found = touches(activity=copies, outreach_message=[*sent, *bounced])

    assert [(row["sequence"], row["n_records"]) for row in found] == [("Cold", 5), ("Cold", 5), ("By hand", 1)]


def test_a_linkedin_message_logged_by_hand_counts_once_and_robots_and_answers_do_not():
    """T-24."""
    linkedin = {"type": "LinkedIn message", "direction": None, "subject": "Bonjour", "contact_id": "c"}
    rows = [mail("l1", "2026-03-02T09:00:05", **linkedin), mail("l2", "2026-03-02T09:00:40", **linkedin)]
    rows += [mail("in", "2026-03-03", direction="inbound"), mail("bot", "2026-03-03", is_automated=True)]
    rows += [mail("later", "2026-07-02")]

    found = touches(activity=rows)

    assert [(row["activity_type"], row["n_records"]) for row in found] == [("linkedin", 2)]


def test_only_a_meeting_that_took_place_and_led_to_a_deal_is_qualified():
    meeting = {"type": "meeting", "direction": None}
    rows = [
        mail("held", "2026-03-02", **meeting, outcome="completed"),
        mail("missed", "2026-03-03", **meeting, outcome="no show", opportunity_id="d"),
        mail("on-deal", "2026-06-01", **meeting, opportunity_id="d"),
        mail("too-early", "2026-01-02", **meeting),
        mail("no-deal", "2026-03-02", **meeting, account_id="y"),
    ]
    deals = [{"id": "d", "account_id": "x", "created_at": "2026-03-20"}]

    found = touches(activity=rows, opportunity=deals)

    qualified = {row["id"].split(" | ")[1] for row in found if row["is_qualified_meeting"]}
    assert qualified == {"held", "on-deal"}
    assert {row["id"].split(" | ")[1] for row in found if not row["is_held"]} == {"missed"}


def test_touches_count_up_to_the_first_qualified_meeting_and_are_censored_without_one():
    """T-25."""
    calls = [mail(f"x{n}", f"2026-03-{n:02}", type="call", direction=None) for n in range(1, 8)]
    meeting = mail("m", "2026-03-10", type="meeting", opportunity_id="d")
    after = mail("after", "2026-03-20", type="call")
    still = [mail(f"y{n}", f"2026-03-{n:02}", account_id="y") for n in range(1, 4)]
    alone = [mail("p", "2026-03-01", account_id=None, contact_id="c")]

    found = approaches(
        activity=[*calls, meeting, after, *still, *alone],
        opportunity=[{"id": "d", "account_id": "x", "created_at": "2026-03-10"}],
    )

    assert {id_: (row["n_touches"], row["is_met"]) for id_, row in found.items()} == {
        "x": (7, True), "y": (3, False), "c": (1, False),
    }  # fmt: skip


def test_touches_of_a_deal_stop_at_its_close_and_those_of_a_stage_at_the_first_advance():
    """T-23: the touches of a deal that is still in the stage are kept, for the count to be censored."""

    def step(at, old, new, entity="d"):
        return {"entity_id": entity, "field": "stage", "changed_at": at, "old_value": old, "new_value": new}

    history = [
        step("2026-02-01", "Contact", "Demo"),
        step("2026-03-01", "Demo", "Contact"),
        step("2026-04-01", "Contact", "Closed won"),
        step("2026-02-01", "Contact", "Demo", "e"),
    ]
    on = {"opportunity_id": "d"}
    rows = [mail(f"a{n}", f"2026-01-{n:02}", **on) for n in (12, 13)]
    rows += [mail("demo", "2026-02-10", **on), mail("back", "2026-03-10", **on), mail("sold", "2026-05-01", **on)]
    rows += [
        mail(f"e{n}", f"2026-03-{n:02}", opportunity_id="e", message_key="same" if n < 3 else "") for n in range(1, 6)
    ]
    deals = [
        {
            "id": "d",
            "created_at": "2026-01-10",
            "stage": "Closed won",
            "is_closed": True,
            "is_won": True,
            "closed_at": "2026-04-01",
        },
        {"id": "e", "created_at": "2026-01-10", "stage": "Demo", "is_closed": False},
    ]

    found = collect_deals(
        landed_tables(opportunity=deals, field_history=history, activity=rows), KNOWN, "opportunity", "stage_passage"
    )

    assert {row["id"]: row["n_touches"] for row in found["opportunity"]} == {"d": 4, "e": 4}
    silent = {row["id"]: (str(row["last_touch_on"]), row["is_silent"]) for row in found["opportunity"]}
    assert silent == {"d": ("2026-03-10", False), "e": ("2026-03-05", True)}
    passed = {(row["opportunity_id"], row["stage"]): (row["n_touches"], row["state"]) for row in found["stage_passage"]}
    # the deal went further from the first stage before it came back to it: what was done then does not count there
    assert passed["d", "Contact"] == (2, "advanced")
    assert passed["d", "Demo"][0] == 1
    assert passed["e", "Demo"] == (4, "open")
