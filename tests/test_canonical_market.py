"""Costs by market, outreach by person, target accounts and customer health, derived from what sources say."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import ibis
import pyarrow as pa
import pytest

from cadran.canonical.account_health import account_health
from cadran.canonical.cost import cost
from cadran.canonical.entities import published_columns
from cadran.canonical.origin import origin
from cadran.canonical.outreach import outreach_delivery
from cadran.canonical.schema import schema
from cadran.canonical.target_account import target_account
from tables import _arrow, _value, collect, landed_table, landed_tables, settings

KNOWN = settings("2026-06-30T22:00")


def published(name, rows):
    """A published table from dictionaries, for what other derivations give."""
    types = schema(published_columns(name))
    columns = {
        column: pa.array([_value(row.get(column), kind) for row in rows], type=_arrow(kind))
        for column, kind in types.items()
    }
    return ibis.memtable(pa.table(columns), schema=types)


class TestCost:
    @staticmethod
    def derive(*spend, owners=(), deals=()):
        rows = [{"day_on": date(2026, 3, 31), "currency": "EUR"} | row for row in spend]
        for row in rows:
            row["amount_base"] = row["amount"] = Decimal(row["amount"])
        t = {
            "owner": landed_table("owner", list(owners)),
            "opportunity": published("opportunity", [{"is_won": True, "type": "new"} | deal for deal in deals]),
        }
        return collect(cost(published("spend", rows), t, KNOWN), "spend_id", "market")

    def test_lines_are_named_in_french_and_english(self):
        """T-32."""
        words = {
            "Salaires": "salary",
            "payroll": "salary",
            "Publicité": "ads",
            "SaaS": "tooling",
            "Agence": "agency",
            "Trade show": "event",
            "Divers": "other",
            None: "other",
        }
        found = self.derive(
            *({"id": str(n), "category": word, "market": "FR", "amount": 1} for n, word in enumerate(words))
        )
        assert [row["cost_line"] for row in found] == list(words.values())

    def test_shared_cost_is_allotted_by_the_people_of_that_day(self):
        """T-32: three people, one of whom came later."""
        owners = [
            {"id": "a", "region": "FR"}, {"id": "b", "region": "US", "start_on": "2025-01-01"},
            {"id": "c", "region": "US", "start_on": "2026-05-01"}, {"id": "d", "region": "FR", "end_on": "2026-01-01"},
        ]  # fmt: skip
        direct = [{"id": "1", "market": "FR", "amount": 5}, {"id": "2", "market": "US", "amount": 5}]
        found = self.derive(*direct, {"id": "3", "amount": 100, "allocation_key": "Headcount"}, owners=owners)
        shared = [row for row in found if row["spend_id"] == "3"]
        assert [(row["market"], row["amount_base"], row["is_shared"], row["is_allocated"]) for row in shared] == [
            ("FR", 50, True, True), ("US", 50, True, True),
        ]  # fmt: skip

    @pytest.mark.parametrize("amount", ["100.0000", "0.0001", "-33.3333", "999999.9999"])
    def test_parts_of_a_shared_cost_add_up_to_it_to_the_last_digit(self, amount):
        """T-32, T-45: three markets with weights that do not divide."""
        direct = [{"id": m, "market": m, "amount": w} for m, w in (("DE", "7"), ("FR", "3"), ("US", "11"))]
        found = self.derive(*direct, {"id": "s", "amount": amount, "allocation_key": "direct_spend"})
        parts = [row["amount_base"] for row in found if row["spend_id"] == "s"]
        assert len(parts) == 3
        assert sum(parts) == Decimal(amount)

    @pytest.mark.parametrize("key", [None, "au doigt mouillé", "headcount"])
    def test_without_a_key_that_works_it_stays_without_a_market(self, key):
        """T-32: shown as not given, neither dropped nor guessed."""
        found = self.derive({"id": "s", "amount": 40, "allocation_key": key})
        assert [(row["market"], row["amount_base"], row["is_allocated"]) for row in found] == [(None, 40, False)]

    def test_the_lag_is_the_usual_cycle_of_the_market_else_of_the_company(self):
        """T-31: 90 days in France, 30 and 50 elsewhere."""
        deals = [
            {"market": "FR", "cycle_days": 90.0, "closed_on": date(2026, 2, 1)}, {"market": "US", "cycle_days": 30.0, "closed_on": date(2026, 2, 1)},
            {"market": "US", "cycle_days": 50.0, "closed_on": date(2026, 2, 1)}, {"market": "US", "cycle_days": 999.0, "closed_on": date(2024, 2, 1)},
        ]  # fmt: skip
        found = self.derive(*({"id": str(m), "market": m, "amount": 1} for m in ("FR", "US", "DE")), deals=deals)
        assert {row["market"]: (row["lag_days"], row["lagged_on"]) for row in found} == {
            "FR": (90, date(2026, 6, 29)), "US": (40, date(2026, 5, 10)), "DE": (50, date(2026, 5, 20)),
        }  # fmt: skip

    def test_without_a_deal_won_there_is_no_lag(self):
        (row,) = self.derive({"id": "s", "market": "FR", "amount": 1})
        assert (row["lag_days"], row["lagged_on"]) == (None, None)


class TestOutreach:
    @staticmethod
    def derive(*messages, **tables):
        rows = [{"sequence": "S", "channel": "email", "sent_at": "2026-03-02T09:00"} | row for row in messages]
        return collect(
            outreach_delivery(landed_tables(outreach_message=rows, **tables), KNOWN), "person_id", "delivered_at"
        )

    def test_bounces_do_not_arrive_and_automatic_replies_are_no_answers(self):
        """T-26."""
        found = self.derive(
            {"person_key": "a", "bounced_at": "2026-03-02T09:01"},
            {"person_key": "b", "replied_at": "2026-03-02T09:05", "is_auto_reply": True},
            {"person_key": "c", "replied_at": "2026-03-03T09:05", "reply_sentiment": "Negative"},
            {"person_key": "d", "unsubscribed_at": "2026-03-03T09:05"},
        )
        assert [(row["person_id"], row["run_replied_at"] is not None, row["run_sentiment"]) for row in found] == [
            ("b", False, None), ("c", True, "negative"), ("d", False, None),
        ]  # fmt: skip

    def test_one_person_answers_once_and_the_message_answered_gets_it(self):
        """T-27: answers to the second and third message; one run, one credit."""
        steps = [
            {"person_key": "A@x.fr ", "step_position": n, "sent_at": f"2026-03-{day:02}T09:00"}
            for n, day in ((1, 2), (2, 5), (3, 9))
        ]
        steps[1]["replied_at"], steps[2]["replied_at"] = "2026-03-06T10:00", "2026-03-09T10:00"
        found = self.derive(*steps)
        assert {row["prospect_id"] for row in found} == {"a@x.fr · S · 1"}
        assert [row["replied_on"] for row in found] == [None, date(2026, 3, 6), None]
        assert [row["is_first"] for row in found] == [True, False, False]
        assert {row["run_replied_on"] for row in found} == {date(2026, 3, 6)}

    def test_where_a_tool_marks_the_whole_thread_the_last_message_before_gets_it(self):
        """T-27."""
        both = [
            {"person_key": "a", "step_position": n, "sent_at": f"2026-03-0{n}T09:00", "replied_at": "2026-03-07T10:00"}
            for n in (1, 3)
        ]
        assert [row["replied_on"] for row in self.derive(*both)] == [None, date(2026, 3, 7)]

    def test_a_contact_reached_as_a_lead_is_the_same_person(self):
        found = self.derive(
            {"contact_id": "c"}, {"lead_id": "l", "step_position": 2, "sent_at": "2026-03-05T09:00"},
            contact=[{"id": "c", "account_id": "a"}], lead=[{"id": "l", "contact_id": "c"}], account=[{"id": "a", "segment": "SMB"}],
        )  # fmt: skip
        assert [(row["person_id"], row["is_first"], row["segment"]) for row in found] == [
            ("c", True, "SMB"),
            ("c", False, "SMB"),
        ]

    def test_the_same_sequence_long_after_is_another_run(self):
        found = self.derive({"person_key": "a"}, {"person_key": "a", "sent_at": "2026-06-10T09:00"})
        assert [(row["run"], row["is_first"]) for row in found] == [(1, True), (2, True)]

    def test_an_answer_older_than_its_message_is_none(self):
        (row,) = self.derive({"person_key": "a", "replied_at": "2026-03-01T09:00"})
        assert row["run_replied_at"] is None


ACCOUNT = {"id": "a", "is_target_abm": True, "created_at": "2025-01-01", "segment": "SMB"}
VISIT = {"account_id": "a", "anonymous_id": "z", "touch_type": "visit", "occurred_at": "2026-04-20T10:00"}


class TestTargetAccounts:
    @staticmethod
    def derive(touches=(), deliveries=(), **tables):
        landed = landed_tables(marketing_touch=list(touches), **tables)
        landed["outreach_delivery"] = published("outreach_delivery", list(deliveries))
        return collect(target_account(landed, KNOWN), "month_on", "account_id")

    def test_an_engaged_account_off_the_list_is_in_neither_part(self):
        """T-67."""
        other = {"id": "b", "is_target_abm": False, "created_at": "2025-01-01"}
        found = self.derive([VISIT, VISIT | {"account_id": "b"}], account=[ACCOUNT, other])
        assert {row["account_id"] for row in found} == {"a"}
        assert [(row["month_on"], row["n_people"]) for row in found] == [
            (date(2026, 4, 30), 1), (date(2026, 5, 31), 1), (date(2026, 6, 30), 1),
        ]  # fmt: skip

    def test_the_list_is_the_one_of_the_first_day_of_the_three_months(self):
        """T-67: put on the list in May because it came, it is on that of July, not on that of June."""
        history = [
            ACCOUNT | {"is_target_abm": False, "valid_from": "2025-01-01"},
            ACCOUNT | {"is_target_abm": True, "valid_from": "2026-05-10"},
        ]
        assert self.derive([VISIT], account=[ACCOUNT], account_history=history) == []
        new = [ACCOUNT | {"created_at": "2026-05-10"}]
        assert self.derive([VISIT], account=new) == []

    def test_subsidiaries_engage_for_their_topmost_parent(self):
        """T-68."""
        family = [
            ACCOUNT,
            {"id": "b", "parent_account_id": "a", "is_target_abm": True},
            {"id": "c", "parent_account_id": "b"},
        ]
        touches = [VISIT, VISIT | {"account_id": "c", "anonymous_id": "y"}]
        found = self.derive(touches, account=family)
        assert {row["account_id"] for row in found} == {"a"}
        assert (found[0]["n_people"], found[0]["n_touches"]) == (2, 2)

    def test_what_only_the_company_did_is_no_engagement(self):
        """T-68: impressions, mails out and automatic mails."""
        activities = [
            {"account_id": "a", "type": "email", "direction": "outbound", "occurred_at": "2026-04-02T10:00"},
            {
                "account_id": "a",
                "type": "email",
                "direction": "inbound",
                "is_automated": True,
                "occurred_at": "2026-04-02T10:00",
            },
            {"account_id": "a", "type": "meeting", "contact_id": "k", "occurred_at": "2026-04-03T10:00"},
        ]
        replies = [{"account_id": "a", "person_id": "p", "replied_at": "2026-04-05T10:00"}]
        shown = VISIT | {"touch_type": "impression"}
        found = self.derive([shown], replies, account=[ACCOUNT], activity=activities)
        assert [(row["n_people"], row["n_touches"]) for row in found][:1] == [(2, 2)]


class TestCustomerHealth:
    def test_planned_meetings_and_what_robots_log_are_no_contact(self):
        """T-14: a meeting next month and a message of the chatbot leave a customer as silent as it is."""
        paid = {"customer_id": "x", "account_id": "a", "mrr_end": Decimal(100), "is_customer": True, "is_final": True}
        activities = [
            {"account_id": "a", "type": "call", "owner_id": "ana", "occurred_at": "2026-05-30T10:00"},
            {"account_id": "a", "type": "message", "owner_id": "bot", "occurred_at": "2026-06-20T10:00"},
            {"account_id": "a", "type": "meeting", "owner_id": "ana", "occurred_at": "2026-06-30T23:00"},
        ]
        t = landed_tables(activity=activities, owner=[{"id": "ana"}, {"id": "bot", "role": "Chatbot"}])
        t |= {
            "customer_month": published("customer_month", [paid | {"month_on": date(2026, 6, 30)}]),
            "pipeline_movement": published("pipeline_movement", []),
        }
        assert [row["days_since_touch"] for row in collect(account_health(t, KNOWN))] == [31]

    def test_it_knows_the_last_contact_the_pipeline_and_the_trend(self):
        """S-92."""
        months = [
            {
                "customer_id": "x",
                "account_id": "a",
                "month_on": day,
                "mrr_end": Decimal(mrr),
                "is_customer": True,
                "is_final": True,
            }
            for day, mrr in (
                (date(2026, 1, 31), 100),
                (date(2026, 2, 28), 100),
                (date(2026, 3, 31), 90),
                (date(2026, 4, 30), 80),
            )
        ]
        moves = [
            {"account_id": "a", "moved_on": date(2026, 2, 10), "amount_delta": Decimal(500)},
            {"account_id": "a", "moved_on": date(2026, 4, 2), "amount_delta": Decimal(-500)},
        ]
        activities = [
            {"account_id": "a", "type": "call", "occurred_at": "2026-02-08T10:00"},
            {"account_id": "a", "type": "note", "occurred_at": "2026-03-08T10:00"},
            {"lead_id": "l", "type": "email", "occurred_at": "2026-04-29T22:30"},
        ]
        t = landed_tables(activity=activities, lead=[{"id": "l", "account_id": "a"}])
        t |= {
            "customer_month": published("customer_month", months),
            "pipeline_movement": published("pipeline_movement", moves),
        }
        found = collect(account_health(t, KNOWN), "month_on")
        told = [
            (row["days_since_touch"], row["open_pipeline"], row["mrr_3m_before"], row["observed_months"])
            for row in found
        ]
        assert told == [(None, 0, 0, 1), (20, 500, 0, 2), (51, 500, 0, 3), (0, 0, 100, 4)]


def test_names_that_a_company_gives_its_channels_stand_for_the_same_ones():
    """T-65."""
    words = {
        "Organique": "organic_search", "SEO": "organic_search", "Réseaux sociaux": "organic_social", "Payant": "paid",
        "Direct": "direct", "Prospection": "outbound", "Partenaires": "partner", "E-mail": "email", "Le cousin de Paul": None,
    }  # fmt: skip
    table = ibis.memtable({"word": list(words)})
    found = collect(table.mutate(origin=origin(table.word, ibis.null("string"))))
    assert {row["word"]: row["origin"] for row in found} == words
