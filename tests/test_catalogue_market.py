"""Outreach, acquisition cost, lifetime value, organic pipeline and target accounts, on companies known by hand."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest

from cadran.catalogue.load import load_catalogue
from cadran.engine.query import KpiQuery
from cadran.engine.run import answer
from cadran.i18n import say
from cadran.insights.judge import read
from cadran.insights.record import record
from oracles.world import World, context
from shipped import CATALOGUE

MARCH = (date(2026, 3, 1), date(2026, 4, 1))


def at(day: str) -> datetime:
    return datetime.fromisoformat(day)


def ask(rows, *kpis, span=MARCH, by=(), grain=None, catalogue=CATALOGUE):
    query = KpiQuery(tuple(kpis), by=tuple(by), grain=grain, start=span[0], end=span[1])
    return read(answer(catalogue, query, World(rows), context()))


def readings(rows, *kpis, **question):
    return {reading.kpi.id: reading for reading in ask(rows, *kpis, **question).readings}


def only(rows, kpi, **question):
    return readings(rows, kpi, **question)[kpi]


def reason(reading, language="en"):
    return say(reading.reason, reading.reason_params, language)


def money(amount):
    return Decimal(str(amount))


class TestOutreach:
    OLD = (date(2026, 1, 1), date(2026, 2, 1))

    @staticmethod
    def reach(number, *, replied=None, step=1, **changes):
        started = at("2026-01-05T10:00")
        given = {
            "prospect_id": f"p{number} · S · 1", "person_id": f"p{number}", "sequence": "S", "step": step, "message": f"m{step}",
            "channel": "email", "is_first": step == 1, "started_at": started, "delivered_at": started, "replied_at": replied,
            "run_replied_at": replied,
        }  # fmt: skip
        return given | changes

    def test_a_rate_between_both_thresholds_raises_nothing_and_tells_nothing(self):
        """T-29: 4 of 100 lies under 5 % and above 3 %, and its interval holds both."""
        rows = [self.reach(n, replied=at("2026-01-07T10:00") if n < 4 else None) for n in range(100)]
        reading = only({"outreach_delivery": rows}, "reply_rate", span=self.OLD)
        assert float(reading.value) == 0.04
        assert reading.verdict == "cannot_tell"
        levels = {rule.level: float(rule.below) for rule in reading.kpi.alerts}
        assert levels == {"warn": 0.05, "alert": 0.03}
        assert all(reading.high > below for below in levels.values())

    def test_far_under_both_thresholds_the_whole_interval_is(self):
        """T-29."""
        rows = [self.reach(n, replied=at("2026-01-07T10:00") if n < 4 else None) for n in range(1000)]
        reading = only({"outreach_delivery": rows}, "reply_rate", span=self.OLD)
        assert reading.high < 0.03
        assert reading.verdict == "off_track"

    def test_a_person_is_one_prospect_and_the_answer_belongs_to_its_message(self):
        """T-27: the answer to the third message."""
        answered = {"run_replied_at": at("2026-01-16T10:00")}
        rows = [
            self.reach(1, step=1, **answered),
            self.reach(1, step=2, delivered_at=at("2026-01-09T10:00"), **answered),
            self.reach(1, step=3, delivered_at=at("2026-01-15T10:00"), replied_at=at("2026-01-16T10:00"), **answered),
        ]
        found = only({"outreach_delivery": rows}, "reply_rate", span=self.OLD).figure
        assert (found.numerator, found.denominator) == (1, 1)
        by_message = ask({"outreach_delivery": rows}, "reply_rate_by_message", span=self.OLD, by=("message",)).readings
        assert {r.figure.segment["message"]: (r.figure.numerator, r.figure.denominator) for r in by_message} == {
            "m1": (0, 1), "m2": (0, 1), "m3": (1, 1),
        }  # fmt: skip
        whole = only({"outreach_delivery": rows}, "reply_rate_by_message", span=self.OLD).figure
        assert (whole.numerator, whole.denominator) == (1, 1)

    def test_people_enrolled_lately_are_not_counted_yet(self):
        """T-28."""
        late = {"started_at": at("2026-04-09T10:00"), "delivered_at": at("2026-04-09T10:00")}
        rows = {"outreach_delivery": [self.reach(1), self.reach(2, **late)]}
        april = (date(2026, 4, 1), date(2026, 5, 1))
        assert only(rows, "reply_rate", span=self.OLD).figure.denominator == 1
        for name in ("reply_rate", "reply_rate_by_message"):
            reading = only(rows, name, span=april)
            assert (reading.value, reading.figure.denominator, reading.figure.maturity) == (None, 0, 0)

    def test_a_refusal_is_an_answer_but_not_a_positive_one(self):
        """T-26."""
        replied = at("2026-01-07T10:00")
        rows = [
            self.reach(1, replied=replied, run_sentiment="negative"),
            self.reach(2, replied=replied, run_sentiment="positive"),
        ]
        found = readings(
            {"outreach_delivery": [*rows, self.reach(3)]}, "reply_rate", "positive_reply_rate", span=self.OLD
        )
        assert [float(each.value) for each in found.values()] == [pytest.approx(2 / 3), pytest.approx(1 / 3)]


def spend(amount, **changes):
    given = {"spend_id": f"s{amount}", "day_on": date(2026, 3, 10), "cost_line": "salary", "market": "FR"}
    return given | {"amount": money(amount), "amount_base": money(amount), "currency": "EUR"} | changes


def won(number, margin=None, **changes):
    given = {
        "customer_id": f"c{number}", "moved_at": at("2026-03-12T10:00"), "type": "new", "n_delta": 1, "market": "FR",
        "mrr_delta": money(1000), "mrr_delta_base": money(1000), "margin_delta_base": None if margin is None else money(margin),
    }  # fmt: skip
    return given | changes


def paying(number, margin="80", mrr="100", **changes):
    given = {
        "customer_id": f"c{number}", "month_on": date(2026, 3, 31), "is_final": True, "is_customer": True, "market": "FR",
        "mrr_end": money(mrr), "mrr_end_base": money(mrr), "mrr_1m_before": money(mrr), "churn_1m": money(0),
        "margin_end_base": None if margin is None else money(margin),
    }  # fmt: skip
    return given | changes


def gone(number):
    return paying(number, mrr_end=money(0), mrr_end_base=money(0), margin_end_base=money(0), churn_1m=money(100))


def watched(months):
    return {"customer_id": "c1", "month_on": date(2026, 3, 31), "observed_months": months, "market": "FR"}


class TestAcquisitionCost:
    def test_spend_without_a_new_customer_is_told_and_is_no_cost_of_a_customer(self):
        """T-30."""
        reading = only({"cost": [spend(50_000)]}, "cac")
        assert (reading.value, reading.status) == (None, "undefined")
        assert reason(reading) == "50,000 EUR spent, 0 new customer."
        assert reason(reading, "fr").replace("\u202f", " ") == "50 000 EUR dépensés, 0 nouveau client."
        assert (
            record(reading, ask({"cost": [spend(50_000)]}, "cac"), "en")["reason"]
            == "50,000 EUR spent, 0 new customer."
        )

    def test_customers_without_a_recorded_cost_are_not_free(self):
        reading = only({"mrr_movement": [won(1)]}, "cac")
        assert (reading.value, reading.status) == (None, "undefined")
        assert "Nothing is recorded" in reason(reading)

    def test_the_lag_moves_the_dates_of_spend_and_not_its_total(self):
        """T-31: spend of the first quarter, customers of the second, a cycle of 90 days."""
        rows = {
            "cost": [spend(n, day_on=date(2025, month, 10), lagged_on=date(2025, month + 3, 9)) for n, month in ((600, 1), (300, 5))],
            "mrr_movement": [won(n, moved_at=at("2025-05-02T10:00")) for n in range(3)],
        }  # fmt: skip
        second = (date(2025, 4, 1), date(2025, 7, 1))
        found = readings(rows, "cac", "cac_lagged", span=second)
        assert {name: each.value for name, each in found.items()} == {"cac": 100, "cac_lagged": 200}
        year = readings(rows, "cac", "cac_lagged", span=(date(2025, 1, 1), date(2026, 1, 1)))
        assert [each.figure.numerator for each in year.values()] == [900, 900]

    def test_blended_counts_everything_and_paid_only_advertising_and_its_customers(self):
        """T-32."""
        rows = {
            "cost": [spend(8000), spend(1000, cost_line="ads"), spend(1000, cost_line="tooling", market=None, department="sales")],
            "mrr_movement": [won(1, origin="paid_search"), *(won(n, origin="direct") for n in range(2, 6))],
        }  # fmt: skip
        found = readings(rows, "cac", "cac_paid")
        assert {name: each.value for name, each in found.items()} == {"cac": 2000, "cac_paid": 1000}
        assert CATALOGUE.kpi("cac").cost_lines == ("all",)
        assert CATALOGUE.kpi("cac_paid").cost_lines == ("ads",)
        by_market = ask(rows, "cac", by=("market",)).readings
        assert {r.figure.segment["market"]: r.value for r in by_market} == {"FR": 1800, None: None}

    def test_returning_and_growing_customers_are_not_new(self):
        """T-33."""
        others = [won(2, type="reactivation"), won(3, type="expansion", n_delta=0)]
        assert only({"cost": [spend(500)], "mrr_movement": [won(1), *others]}, "cac").value == 500


class TestPayback:
    def test_exactly_twelve_months_is_not_under_twelve(self):
        """T-58."""
        for cost, verdict in ((12_000, "off_track"), (11_999, "on_track")):
            rows = {"cost": [spend(cost * 5)], "mrr_movement": [won(n, margin=1000) for n in range(5)]}
            reading = only(rows, "cac_payback_months")
            assert float(reading.value) == cost / 1000
            assert reading.verdict == verdict

    @pytest.mark.parametrize("margin", [0, -10])
    def test_without_margin_it_is_never_paid_back(self, margin):
        """T-59."""
        reading = only({"cost": [spend(100)], "mrr_movement": [won(1, margin=margin)]}, "cac_payback_months")
        assert (reading.value, reading.status) == (None, "undefined")
        assert "Never paid back" in reason(reading)
        assert "Jamais remboursé" in reason(reading, "fr")

    def test_a_cohort_that_dwindles_may_never_pay_back(self):
        """T-59: at 5 % a month a customer brings at most 20 months of margin."""
        months = [paying(n) for n in range(95)] + [gone(n) for n in range(95, 100)]

        def of(cost):
            rows = {"cost": [spend(cost)], "mrr_movement": [won(1, margin=1000)], "customer_month": months}
            return readings(rows, "cac_payback_months", "cac_payback_adjusted")

        found = of(12_000)
        # 1000 (1 - 0.95^t) / 0.05 = 12,000 at t = ln 0.4 / ln 0.95
        assert float(found["cac_payback_adjusted"].value) == pytest.approx(17.8638, abs=1e-4)
        assert found["cac_payback_adjusted"].value > found["cac_payback_months"].value
        never = of(20_000)
        assert float(never["cac_payback_months"].value) == 20
        assert (never["cac_payback_adjusted"].value, "Never paid back" in reason(never["cac_payback_adjusted"])) == (
            None,
            True,
        )

    def test_a_customer_without_a_known_margin_leaves_it_unknown(self):
        reading = only({"cost": [spend(100)], "mrr_movement": [won(1, margin=80), won(2)]}, "cac_payback_months")
        assert reading.value is None
        assert "no gross margin: c2" in reason(reading)


class TestLifetimeValue:
    @staticmethod
    def company(n, lost, *, months=24, **changes):
        rows = [paying(k, **changes) for k in range(n - lost)] + [gone(k) for k in range(n - lost, n)]
        return {"customer_month": rows, "account_health": [watched(months)]}

    def test_it_is_margin_over_churn_and_revenue_is_the_variant(self):
        """T-48."""
        found = readings(self.company(100, 5), "ltv", "ltv_revenue", grain="month")
        assert {name: float(each.value) for name, each in found.items()} == {"ltv": 1600, "ltv_revenue": 2000}
        assert found["ltv"].low < 1600 < found["ltv"].high

    def test_without_any_departure_it_is_unknown_and_at_least_something(self):
        """T-49: among 50 customers in a month, churn is at most 5.82 % at 95 %."""
        reading = only(self.company(50, 0), "ltv", grain="month")
        assert (reading.value, reading.status) == (None, "undefined")
        assert reading.low == pytest.approx(1375.6, abs=0.1)
        assert "50" in reason(reading)
        assert "1,376" in reason(reading)
        assert "1\u202f376" in reason(reading, "fr")

    def test_beyond_what_was_observed_it_says_that_it_is_extrapolated(self):
        """T-50: 2 % a month is 50 months, of which 8 were seen."""
        (reading,) = ask(self.company(100, 2, months=8), "ltv", grain="month").readings
        assert float(reading.value) == 4000
        assert [note.text("en") for note in reading.figure.notes] == [
            "Extrapolated: the lifetime supposed is longer than the 8 months observed."
        ]
        seen = only(self.company(100, 2, months=60), "ltv", grain="month")
        assert seen.figure.notes == ()

    def test_no_lifetime_is_longer_than_sixty_months(self):
        """T-50."""
        reading = only(self.company(200, 1), "ltv", grain="month")
        assert float(reading.value) == 80 * 60
        assert "60 months" in reading.figure.notes[0].text("en")

    def test_the_ratio_needs_both(self):
        """T-51: nothing over no cost, and nothing of a value below zero."""
        company = self.company(100, 5)
        without = only(company | {"cost": [spend(800)]}, "ltv_to_cac", grain="month")
        assert (without.value, reason(without)) == (None, "800 EUR spent, 0 new customer.")
        assert (
            float(only(company | {"cost": [spend(800)], "mrr_movement": [won(1)]}, "ltv_to_cac", grain="month").value)
            == 2
        )
        losing = self.company(100, 5, margin="-10") | {"cost": [spend(800)], "mrr_movement": [won(1)]}
        found = only(losing, "ltv_to_cac", grain="month")
        assert (found.value, found.status) == (None, "undefined")
        assert "Not applicable" in reason(found)

    def test_cac_over_ltv_is_turned_the_right_way_round(self, tmp_path):
        """T-51: 0.33 is shown as 3.0, and the file is told."""
        (tmp_path / "own.yml").write_text("overrides:\n  ltv_to_cac: {expression: cac / ltv}\n", encoding="utf-8")
        catalogue, problems = load_catalogue(tmp_path)
        assert [(p.code, p.level) for p in problems] == [("inverted_ratio", "warning")]
        rows = self.company(100, 5) | {
            "cost": [spend(1600), spend(1599, amount_base=money(0))],
            "mrr_movement": [won(n) for n in range(3)],
        }
        (reading,) = ask(rows, "ltv_to_cac", grain="month", catalogue=catalogue).readings
        assert float(reading.value) == pytest.approx(3.0)


class TestGrowth:
    @staticmethod
    def contract(number, worth, closed, **changes):
        given = {
            "id": f"d{number}", "type": "new", "is_won": True, "is_closed": True, "closed_at": at(closed), "is_test": False,
            "created_at": at("2025-01-02"), "acv": money(worth), "acv_base": money(worth), "amount": money(worth),
            "amount_base": money(worth), "anniversary_on": at(closed).date().replace(year=at(closed).year + 1),
        }  # fmt: skip
        return given | changes

    def test_growth_compares_the_same_period_a_year_apart(self):
        """T-37."""
        rows = [self.contract(1, 20_000, "2025-03-10"), self.contract(2, 23_000, "2026-03-11", anniversary_on=None)]
        found = readings({"opportunity": rows}, "acv_growth", "acv_change", grain="month")
        assert float(found["acv_growth"].value) == pytest.approx(0.15)
        assert found["acv_change"].value == 3000

    def test_without_a_base_there_is_no_rate(self):
        """T-37."""
        rows = {"opportunity": [self.contract(1, 23_000, "2026-03-11", anniversary_on=None)]}
        (reading,) = ask(rows, "acv_growth", grain="month").readings
        assert (reading.value, reading.status) == (None, "undefined")

    def test_from_a_base_of_less_than_nothing_the_change_is_shown_and_no_rate(self):
        """T-37: net new MRR of -100 then, 50 now."""
        moves = [won(1, moved_at=at("2025-03-10"), type="churn", n_delta=-1, mrr_delta_base=money(-100))]
        moves += [won(2, mrr_delta_base=money(50))]
        query = KpiQuery(("net_new_mrr",), grain="month", start=MARCH[0], end=MARCH[1], compare="year")
        (reading,) = read(answer(CATALOGUE, query, World({"mrr_movement": moves}), context())).readings
        assert (reading.change.delta, reading.change.ratio) == (150, None)

    def test_short_contracts_and_credits_stand_apart(self):
        """T-35, T-36."""
        rows = [
            self.contract(1, 12_000, "2026-03-10", term_months=Decimal(6)),
            self.contract(2, 10, "2026-03-10", term_months=Decimal(24)),
        ]
        rows += [self.contract(3, -500, "2026-03-10"), self.contract(4, 1, "2026-03-10", amount=None, amount_base=None)]
        found = readings({"opportunity": rows}, "short_contract_share", "contract_credits")
        assert (float(found["short_contract_share"].value), found["contract_credits"].value) == (0.5, 500)


class TestOrganicPipeline:
    @staticmethod
    def deals(**worth):
        return [
            {
                "id": f"d{n}", "type": "new", "created_at": at("2026-03-05T10:00"), "origin": None if origin == "unknown" else origin,
                "amount": money(amount), "amount_base": money(amount), "is_test": False, "is_imported": False,
            }
            for n, (origin, amount) in enumerate(worth.items())
        ]  # fmt: skip

    def test_the_unknown_stays_in_the_denominator_and_widens_the_range(self):
        """T-64: 30 % without a source."""
        rows = {"opportunity": self.deals(organic_search=25, outbound=45, unknown=30)}
        reading = only(rows, "organic_pipeline_share")
        assert (float(reading.value), reading.low, reading.high) == (0.25, 0.25, pytest.approx(0.55))
        assert "30 EUR" in reading.figure.notes[0].text("en")
        assert only(rows, "unknown_source_pipeline").value == 30

    def test_organic_is_more_than_seo(self):
        """T-65."""
        rows = {
            "opportunity": self.deals(
                organic_search=10, organic_social=20, direct=5, referral=5, email=10, paid_search=50
            )
        }
        found = readings(rows, "organic_pipeline_share", "seo_pipeline_share")
        assert {name: float(each.value) for name, each in found.items()} == {
            "organic_pipeline_share": 0.4, "seo_pipeline_share": 0.1,
        }  # fmt: skip

    def test_a_share_that_rises_because_paid_fell_shows_flat_organic_money(self):
        """T-66."""
        before = only({"opportunity": self.deals(organic_search=40, paid_search=160)}, "organic_pipeline_share")
        after = only({"opportunity": self.deals(organic_search=40, paid_search=60)}, "organic_pipeline_share")
        assert (float(before.value), float(after.value)) == (0.2, 0.4)
        assert before.figure.parts["organic"] == after.figure.parts["organic"] == 40


class TestTargetAccounts:
    @staticmethod
    def account(number, people, touches, month="2026-03-31"):
        return {
            "account_id": f"a{number}", "month_on": date.fromisoformat(month), "n_people": people, "n_touches": touches, "is_final": True,
        }  # fmt: skip

    def test_two_persons_or_three_touches_are_engaged_and_one_visit_is_not(self):
        """T-68."""
        rows = [self.account(1, 2, 2), self.account(2, 1, 3), self.account(3, 1, 1), self.account(4, 0, 0)]
        found = only({"target_account": rows}, "abm_engagement", grain="month").figure
        assert (found.numerator, found.denominator) == (2, 4)

    def test_a_quarter_is_read_on_the_list_that_was_frozen_at_its_start(self):
        """T-67: the row of March is about the list of 1 January."""
        older = [self.account(n, 3, 3, month="2026-01-31") for n in range(9)]
        rows = {"target_account": [*older, self.account(1, 2, 2), self.account(2, 0, 0)]}
        quarter = (date(2026, 1, 1), date(2026, 4, 1))
        found = only(rows, "abm_engagement", grain="quarter", span=quarter).figure
        assert (found.numerator, found.denominator) == (1, 2)

    def test_a_month_in_which_nobody_engaged_is_zero_and_not_an_older_month(self):
        rows = {"target_account": [self.account(1, 3, 3, month="2026-01-31"), self.account(1, 0, 0)]}
        quarter = (date(2026, 1, 1), date(2026, 4, 1))
        assert float(only(rows, "abm_engagement", grain="quarter", span=quarter).value) == 0


class TestWeb:
    def test_rows_by_query_are_not_added_to_the_total(self):
        day = {"day_on": date(2026, 3, 5)}
        total = day | {"id": "t", "clicks": 30, "impressions": 1000, "is_total": True, "position_sum": 12_500.0}
        part = day | {"id": "q", "clicks": 9, "impressions": 200, "is_total": False, "position_sum": 100.0}
        found = readings({"search_performance": [total, part]}, "search_clicks", "search_ctr", "search_position")
        assert [float(each.value) for each in found.values()] == [30, 0.03, 12.5]

    def test_where_only_rows_by_query_are_there_it_is_unknown_and_not_zero(self):
        part = {"id": "q", "day_on": date(2026, 3, 5), "clicks": 9, "impressions": 200, "is_total": False}
        for name in ("search_clicks", "search_impressions", "search_ctr"):
            assert only({"search_performance": [part]}, name).value is None

    @pytest.mark.parametrize("name", ["web_sessions", "search_clicks", "search_impressions", "outreach_prospects"])
    def test_volumes_are_vanity_and_on_no_board(self, name):
        """S-54."""
        assert CATALOGUE.kpi(name).is_vanity
        assert all(name not in board.kpis for board in CATALOGUE.boards)


class TestCustomerHealth:
    def test_customers_out_of_touch_count_those_never_spoken_to(self):
        """S-92."""
        row = {"month_on": date(2026, 3, 31), "is_final": True, "mrr_end": money(90), "open_pipeline": money(10)}
        rows = [
            row
            | {
                "customer_id": "c1",
                "days_since_touch": 10,
                "mrr_3m_before": money(100),
                "last_touch_on": date(2026, 3, 21),
            },
            row
            | {
                "customer_id": "c2",
                "days_since_touch": 120,
                "mrr_3m_before": money(90),
                "last_touch_on": date(2025, 12, 1),
            },
            row | {"customer_id": "c3", "mrr_3m_before": money(0)},
        ]
        names = (
            "customer_touch_days",
            "customer_out_of_touch_share",
            "customer_open_pipeline",
            "declining_customer_share",
        )
        found = readings({"account_health": rows}, *names, grain="month")
        assert [float(each.value) for each in found.values()] == [65, pytest.approx(2 / 3), 30, pytest.approx(1 / 3)]


def test_notes_are_written_in_both_languages_in_records():
    company = TestLifetimeValue.company(200, 1)
    found = ask(company, "ltv", grain="month")
    french = record(found.readings[0], found, "fr")["notes"]
    assert french[0].startswith("Plafonnée")
    assert len(french) == 2
