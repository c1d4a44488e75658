"""The shipped KPIs on small companies whose right answers are known by hand, and what every contract must say."""

from __future__ import annotations

import itertools
import re
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from cadran.canonical.entities import DIMENSIONS
from cadran.engine.query import KpiQuery
from cadran.engine.run import answer
from cadran.insights.judge import read
from oracles.chance import KNOWN_AT
from oracles.world import World, context, random_world
from shipped import CATALOGUE

EVERY = [kpi for versions in CATALOGUE.kpis.values() for kpi in versions]
MARCH = (date(2026, 3, 1), date(2026, 4, 1))
YEAR = (date(2025, 4, 1), date(2026, 4, 1))


def at(day: str) -> datetime:
    return datetime.fromisoformat(day)


def figures(rows, *kpis, span=MARCH, by=(), grain=None, where=()):
    world = rows if isinstance(rows, World) else World(rows)
    query = KpiQuery(tuple(kpis), by=tuple(by), grain=grain, start=span[0], end=span[1], where=tuple(where))
    return answer(CATALOGUE, query, world, context()).figures


def values(rows, *kpis, **question):
    """Value of each KPI by its id, for a question with one figure each."""
    found = figures(rows, *kpis, **question)
    assert len(found) == len(kpis)
    return {figure.kpi.id: figure.value for figure in found}


def value(rows, kpi, **question):
    return values(rows, kpi, **question)[kpi]


def deal(number, **changes):
    """A deal won on 10 March for 20,000 €, unless said otherwise."""
    given = {
        "id": f"d{number}", "created_at": at("2026-01-09T12:00"), "type": "new", "opportunity_type": "new",
        "is_closed": True, "is_won": True, "outcome": "won", "closed_at": at("2026-03-10T12:00"),
        "amount": Decimal(20_000), "amount_base": Decimal(20_000), "acv": Decimal(20_000), "acv_base": Decimal(20_000),
        "tcv_base": Decimal(20_000), "asp_base": Decimal(20_000), "cycle_days": 60.0, "age_days": 90.0,
        "is_cycle_valid": True, "is_engaged": True, "engaged_at": at("2026-03-02T12:00"), "is_qualified": True,
        "is_test": False, "is_imported": False,
    }  # fmt: skip
    return given | changes


LOST = {"is_won": False, "outcome": "lost"}
OPEN = {"is_closed": False, "is_won": None, "outcome": None, "closed_at": None, "cycle_days": None}


def deals(won=0, lost=0, still_open=0):
    rows = [deal(n) for n in range(won)]
    rows += [deal(won + n, **LOST) for n in range(lost)]
    return rows + [deal(won + lost + n, **OPEN) for n in range(still_open)]


class TestWinRates:
    def test_closed_and_engaged_rates_differ_and_both_have_a_name(self):
        """T-16."""
        found = values({"opportunity": deals(20, 60, 40)}, "win_rate", "win_rate_engaged")
        assert float(found["win_rate"]) == 0.25
        assert float(found["win_rate_engaged"]) == pytest.approx(1 / 6)
        assert "win_rate_engaged" in CATALOGUE.kpi("win_rate").variants

    def test_the_rate_by_value_stands_beside_the_rate_by_count(self):
        """T-17."""
        rows = [deal(1, amount=Decimal(100_000), amount_base=Decimal(100_000))]
        rows += [deal(2, amount=Decimal(900_000), amount_base=Decimal(900_000), **LOST)]
        found = values({"opportunity": rows}, "win_rate", "win_rate_by_value")
        assert (float(found["win_rate"]), float(found["win_rate_by_value"])) == (0.5, 0.1)

    def test_narrow_leaves_out_no_decision_and_broad_keeps_it(self):
        """T-19."""
        rows = deals(4, 2)
        rows += [deal(10 + n, is_won=False, outcome="no_decision") for n in range(3)]
        rows += [deal(20, is_won=False, outcome="disqualified")]
        found = values({"opportunity": rows}, "win_rate", "win_rate_narrow", "win_rate_broad")
        assert float(found["win_rate_narrow"]) == pytest.approx(4 / 6)
        assert float(found["win_rate_broad"]) == float(found["win_rate"]) == 0.4

    def test_stale_open_deals_are_not_lost_but_have_a_share(self):
        """T-19."""
        rows = deals(1, 1, 2) + [deal(10 + n, is_stale=True, **OPEN) for n in range(2)]
        found = values({"opportunity": rows}, "win_rate", "stale_share", span=(date(2026, 1, 1), date(2026, 4, 1)))
        assert (float(found["win_rate"]), float(found["stale_share"])) == (0.5, 0.5)

    def test_deals_disqualified_before_the_qualified_stage_are_not_in_the_qualified_rate(self):
        """T-20."""
        rows = [*deals(2, 2), deal(9, is_won=False, outcome="disqualified", is_qualified=False)]
        assert float(value({"opportunity": rows}, "win_rate_qualified")) == 0.5
        assert float(value({"opportunity": rows}, "win_rate")) == 0.4

    def test_a_reopened_deal_counts_once_at_its_final_close(self):
        """T-18."""
        rows = {"opportunity": [deal(1, n_reopened=1), deal(2, **LOST)]}
        monthly = figures(rows, "win_rate", grain="month", span=(date(2026, 2, 1), date(2026, 4, 1)))
        assert [(figure.numerator, figure.denominator) for figure in monthly] == [(0, 0), (1, 2)]

    def test_no_closed_deal_gives_no_rate_and_a_reason(self):
        """G-1."""
        (figure,) = figures({"opportunity": deals(still_open=3)}, "win_rate")
        assert (figure.value, figure.status) == (None, "undefined")
        assert figure.reason

    def test_tests_deletions_and_merged_deals_are_in_no_figure(self):
        """G-13."""
        gone = [deal(7, is_test=True), deal(8, deleted_at=at("2026-03-20")), deal(9, merged_into_id="d1")]
        found = values({"opportunity": [*deals(1, 1), *gone]}, "win_rate", "new_opportunities_all_types", span=YEAR)
        assert found == {"win_rate": found["win_rate"], "new_opportunities_all_types": 2}
        assert float(found["win_rate"]) == 0.5

    def test_a_young_cohort_has_no_rate_by_creation(self):
        """T-03."""
        rows = deals(3, 7, 90)
        (figure,) = figures({"opportunity": rows}, "win_rate_created", span=(date(2026, 1, 1), date(2026, 2, 1)))
        assert figure.value is None
        assert figure.maturity == 0


class TestStageConversion:
    @staticmethod
    def passage(number, **changes):
        given = {
            "opportunity_id": f"d{number}", "stage": "demo", "next_stage": "proposal",
            "entered_at": at("2026-02-10T10:00"), "is_implied": False, "is_open": True, "days": None, "age_days": 59.0,
        }  # fmt: skip
        return given | changes

    def test_a_young_cohort_is_read_as_too_young_beside_its_named_variants(self):
        """T-03."""
        left = {"is_open": False, "days": 5.0}
        rows = [self.passage(n, advanced_at=at("2026-02-15"), **left) for n in range(3)]
        rows += [self.passage(n, lost_at=at("2026-02-15"), **left) for n in range(3, 10)]
        rows += [self.passage(n) for n in range(10, 100)]
        names = ("stage_conversion_settled", "stage_conversion_to_date", "stage_conversion")
        world = World({"stage_passage": rows})
        query = KpiQuery(names, start=date(2026, 2, 1), end=date(2026, 3, 1))
        readings = read(answer(CATALOGUE, query, world, context())).readings
        settled, to_date, default = readings
        assert (float(settled.value), float(to_date.value)) == (0.3, 0.03)
        assert default.maturity == 0
        assert (default.value, default.verdict) == (None, "none")

    def test_exits_belong_to_their_own_month_or_to_that_of_the_entry_by_basis(self):
        """T-04: ten exits in March of deals that entered in February, and five entries in March."""
        rows = [self.passage(n, advanced_at=at("2026-03-15"), is_open=False) for n in range(10)]
        rows += [self.passage(n, entered_at=at("2026-03-20")) for n in range(10, 15)]
        span = (date(2026, 2, 1), date(2026, 4, 1))
        by_period = figures({"stage_passage": rows}, "stage_conversion_period", grain="month", span=span)
        by_cohort = figures({"stage_passage": rows}, "stage_conversion_to_date", grain="month", span=span)
        assert [float(f.value) for f in by_period] == [0.0, 2.0]
        assert [float(f.value) for f in by_cohort] == [1.0, 0.0]
        assert CATALOGUE.kpi("stage_conversion_period").interval == "none"

    def test_a_skipped_stage_is_passed_unless_the_policy_is_strict(self):
        """T-01."""
        old = {"entered_at": at("2025-06-02"), "advanced_at": at("2025-06-12"), "is_open": False}
        rows = [self.passage(1, advanced_strict_at=at("2025-06-12"), **old)]
        rows += [self.passage(2, **old | {"is_implied": True, "days": 0.0, "advanced_at": at("2025-06-02")})]
        span = (date(2025, 6, 1), date(2025, 7, 1))
        found = {f.kpi.id: f.denominator for f in figures({"stage_passage": rows}, "stage_conversion", span=span)}
        found |= {
            f.kpi.id: f.denominator for f in figures({"stage_passage": rows}, "stage_conversion_strict", span=span)
        }
        assert found == {"stage_conversion": 2, "stage_conversion_strict": 1}

    def test_going_back_is_counted_apart(self):
        """T-02."""
        stay = {"opportunity_id": "d1", "stage": "demo", "is_regression": False}
        rows = [stay | {"entered_at": at("2026-03-02")}, stay | {"entered_at": at("2026-03-09"), "is_regression": True}]
        (figure,) = figures({"stage_interval": rows}, "stage_regressions")
        assert (figure.segment, figure.value) == ({"stage": "demo"}, 1)


def velocity_rows(won=10, lost=30, n_open=40):
    """A pipeline of so many qualified deals, and so many closed ones of 20,000 € in 60 days."""
    moves = [
        {
            "opportunity_id": f"p{n}", "moved_at": at("2026-02-02T12:00"), "type": "created", "amount_delta": Decimal(1),
            "n_delta": 1, "qualified_amount_delta": Decimal(1), "qualified_n_delta": 1,
        }
        for n in range(n_open)
    ]  # fmt: skip
    return {"opportunity": deals(won, lost), "pipeline_movement": moves}


class TestVelocity:
    def test_it_is_money_per_day(self):
        """T-06."""
        found = values(velocity_rows(), "sales_velocity", "sales_velocity_30d")
        assert float(found["sales_velocity"]) == pytest.approx(3333.33, abs=0.005)
        assert float(found["sales_velocity_30d"]) == pytest.approx(100_000)
        assert CATALOGUE.kpi("sales_velocity").unit == "money_per_day"

    def test_without_a_won_deal_it_is_undefined_and_says_why(self):
        """T-07."""
        (figure,) = figures(velocity_rows(won=0), "sales_velocity")
        assert (figure.value, figure.status) == (None, "undefined")
        assert figure.reason
        assert (figure.parts["win_rate"], figure.parts["cycle"]) == (0, None)

    def test_its_factors_are_qualified_deals_and_won_or_closed_ones_of_one_window(self):
        """T-08."""
        inputs = CATALOGUE.kpi("sales_velocity").inputs
        assert inputs == {
            "opportunities": "qualified_pipeline_count", "win_rate": "win_rate", "acv": "acv", "cycle": "sales_cycle_days",
        }  # fmt: skip
        measured = [CATALOGUE.kpi(inputs[name]).numerator for name in ("win_rate", "acv", "cycle")]
        assert {measure.time for measure in measured} == {"closed_on"}
        assert all("is_won" in measure.where for measure in measured)

    def test_its_parts_are_the_factors(self):
        (figure,) = figures(velocity_rows(), "sales_velocity")
        assert {name: float(part) for name, part in figure.parts.items()} == {
            "opportunities": 40, "win_rate": 0.25, "acv": 20_000, "cycle": 60,
        }  # fmt: skip


class TestNewOpportunities:
    def test_renewals_upsells_and_imports_are_not_new(self):
        """T-21."""
        kinds = [{"type": kind, "opportunity_type": kind} for kind in ("new", None, "renewal", "expansion")]
        rows = [deal(n, **kind) for n, kind in enumerate(kinds)]
        rows += [deal(100 + n, is_imported=True) for n in range(400)]
        span = (date(2026, 1, 1), date(2026, 2, 1))
        found = values({"opportunity": rows}, "new_opportunities", "new_opportunities_all_types", span=span)
        assert found == {"new_opportunities": 2, "new_opportunities_all_types": 4}

    def test_a_back_dated_creation_counts_when_it_was_entered(self):
        """T-22."""
        rows = {"opportunity": [deal(1, created_at=at("2026-03-10T09:00"), business_created_at=at("2026-02-10T09:00"))]}
        span = (date(2026, 2, 1), date(2026, 4, 1))
        names = ("new_opportunities", "new_opportunities_business_date")
        found = {name: [f.value for f in figures(rows, name, grain="month", span=span)] for name in names}
        assert found == {"new_opportunities": [0, 1], "new_opportunities_business_date": [1, 0]}


class TestCycle:
    def test_a_close_before_creation_is_out_and_a_same_day_close_counts_zero(self):
        """T-71."""
        rows = [deal(1, cycle_days=0.0), deal(2, cycle_days=30.0), deal(3, cycle_days=None, is_cycle_valid=False)]
        (figure,) = figures({"opportunity": rows}, "sales_cycle_days")
        assert (figure.value, figure.n) == (15.0, 2)

    def test_won_closed_and_open_deals_each_have_a_figure(self):
        """T-70."""
        rows = [deal(1), deal(2, cycle_days=20.0, **LOST), deal(3, age_days=90.0, **OPEN)]
        span = (date(2026, 1, 1), date(2026, 4, 1))
        names = ("sales_cycle_days", "sales_cycle_closed", "open_age_days")
        assert list(values({"opportunity": rows}, *names, span=span).values()) == [60.0, 40.0, 90.0]
        (survival,) = figures({"opportunity": rows}, "sales_cycle_survival", span=span)
        assert (survival.durations.ended, survival.durations.censored) == ((1, 1, 0), (0, 0, 1))

    def test_one_huge_deal_moves_the_mean_and_not_the_median(self):
        """T-09."""
        rows = [deal(n, cycle_days=float(days)) for n, days in enumerate((50, 60, 70, 900))]
        found = values({"opportunity": rows}, "sales_cycle_days", "sales_cycle_median")
        assert found == {"sales_cycle_days": 270.0, "sales_cycle_median": 65.0}


class TestContractValues:
    def test_set_up_and_years_are_taken_out_of_acv_and_not_out_of_tcv(self):
        """T-34: 3 years, 90 k€ of which 15 k€ of set-up; the yearly value is that of the deal's row."""
        worth = {"acv_base": Decimal(25_000), "tcv_base": Decimal(90_000), "asp_base": Decimal(90_000)}
        rows = {"opportunity": [deal(1, term_months=Decimal(36), **worth)]}
        assert values(rows, "acv", "tcv", "asp") == {"acv": 25_000, "tcv": 90_000, "asp": 90_000}

    def test_a_six_month_contract_is_scaled_to_a_year_only_when_asked(self):
        """T-35."""
        rows = {"opportunity": [deal(1, term_months=Decimal(6), acv=Decimal(12_000), acv_base=Decimal(12_000))]}
        found = values(rows, "acv", "acv_annualised")
        assert found["acv"] == 12_000
        assert float(found["acv_annualised"]) == 24_000

    def test_zero_negative_and_missing_amounts_are_not_in_the_mean(self):
        """T-36."""
        rows = [
            deal(n, acv=worth, acv_base=worth) for n, worth in enumerate((Decimal(10), Decimal(0), Decimal(-5), None))
        ]
        (figure,) = figures({"opportunity": rows}, "acv")
        assert (figure.value, figure.n) == (10, 1)

    def test_an_amount_without_a_rate_makes_the_figure_undefined(self):
        """G-14."""
        rows = {"opportunity": [deal(1), deal(2, currency="USD", acv_base=None, amount_base=None)]}
        for name in ("acv", "win_rate_by_value"):
            (figure,) = figures(rows, name)
            assert (figure.value, figure.status) == (None, "undefined")


class TestLeads:
    @staticmethod
    def cycle(number, **changes):
        given = {
            "person_id": f"p{number}", "cycle": 1, "started_at": at("2025-03-10T10:00"), "lead_at": at("2025-03-10T10:00"),
            "mql_at": at("2025-03-12T10:00"), "observed_until": KNOWN_AT, "is_direct_sql": False, "segment": "Mid-market",
        }  # fmt: skip
        return given | changes

    def test_the_period_and_cohort_rates_have_a_name_each(self):
        """T-53: 100 MQLs in March, 30 SQLs in March of which 10 from older MQLs, and 15 SQLs later."""
        rows = [self.cycle(n, sql_at=at("2025-03-25")) for n in range(20)]
        rows += [self.cycle(n, sql_at=at("2025-05-02")) for n in range(20, 35)]
        rows += [self.cycle(n) for n in range(35, 100)]
        older = {"lead_at": at("2025-02-01"), "started_at": at("2025-02-01"), "mql_at": at("2025-02-03")}
        rows += [self.cycle(n, sql_at=at("2025-03-20"), **older) for n in range(100, 110)]
        span = (date(2025, 3, 1), date(2025, 4, 1))
        found = values({"lead_cycle": rows}, "mql_to_sql", "mql_to_sql_period", span=span)
        assert {name: float(rate) for name, rate in found.items()} == {"mql_to_sql": 0.35, "mql_to_sql_period": 0.3}

    def test_an_sql_that_was_never_an_mql_is_a_direct_one(self):
        """T-54."""
        direct = {"mql_at": None, "sql_at": at("2025-03-20"), "is_direct_sql": True}
        rows = [self.cycle(1, sql_at=at("2025-03-20")), self.cycle(2), self.cycle(3, **direct)]
        span = (date(2025, 3, 1), date(2025, 4, 1))
        found = values({"lead_cycle": rows}, "mql_to_sql", "direct_sql", span=span)
        assert (float(found["mql_to_sql"]), found["direct_sql"]) == (0.5, 1)

    def test_a_recycled_person_counts_once_per_cycle(self):
        """T-55."""
        rows = [self.cycle(1, sql_at=at("2025-03-20")), self.cycle(1, cycle=2, mql_at=at("2025-03-28"))]
        (figure,) = figures({"lead_cycle": rows}, "mql_to_sql", span=(date(2025, 3, 1), date(2025, 4, 1)))
        assert (figure.numerator, figure.denominator) == (1, 2)

    def test_the_target_of_a_segment_applies_to_that_segment(self):
        """T-56."""
        rows = [self.cycle(n, sql_at=at("2025-03-20") if n < 80 else None) for n in range(200)]
        query = KpiQuery(("mql_to_sql",), by=("segment",), start=date(2025, 3, 1), end=date(2025, 4, 1))
        (reading,) = read(answer(CATALOGUE, query, World({"lead_cycle": rows}), context())).readings
        assert (reading.target.value, reading.target.high) == (Decimal("0.25"), Decimal("0.40"))

    def test_leads_that_did_not_convert_keep_the_median_from_being_reached(self):
        """T-57: two of five converted, after 4 and 6 days; the mean of those two would be 5 days."""
        rows = [self.cycle(1, opportunity_at=at("2025-03-14")), self.cycle(2, opportunity_at=at("2025-03-16"))]
        rows += [self.cycle(n) for n in range(3, 6)]
        query = KpiQuery(("lead_to_opportunity_days",), start=date(2025, 3, 1), end=date(2025, 4, 1))
        (reading,) = read(answer(CATALOGUE, query, World({"lead_cycle": rows}), context())).readings
        assert reading.value is None
        assert "not reached" in reading.reason


class TestLeadResponse:
    @staticmethod
    def lead(number, elapsed, working, *, answered=True, **changes):
        given = {
            "lead_id": f"l{number}", "created_at": at("2026-03-13T15:30"), "is_answered": answered,
            "elapsed_hours": elapsed, "working_hours": working, "is_valid": True,
        }  # fmt: skip
        return given | changes

    def test_an_hour_is_a_working_hour_unless_elapsed_is_asked(self):
        """T-10: Friday 16:30 to Monday 9:30 is 65 hours by the clock and one working hour."""
        rows = {"lead_response": [self.lead(1, 65.0, 1.0)]}
        found = values(rows, "lead_response_within_1h", "lead_response_within_1h_elapsed", "lead_response_within_48h")
        assert [float(rate) for rate in found.values()] == [1.0, 0.0, 0.0]

    def test_leads_never_answered_weigh_on_the_median_and_have_a_share(self):
        """T-13."""
        rows = [self.lead(1, 2.0, 2.0), self.lead(2, 3.0, 3.0), self.lead(3, 200.0, 60.0, answered=False)]
        rows += [self.lead(4, 200.0, 60.0, answered=False)]
        query = KpiQuery(("lead_response_hours", "lead_never_answered_share"), start=MARCH[0], end=MARCH[1])
        median, share = read(answer(CATALOGUE, query, World({"lead_response": rows}), context())).readings
        assert (median.value, float(share.value)) == (3.0, 0.5)
        assert median.kpi.numerator.agg == "survival"

    def test_a_lead_watched_for_less_than_the_delay_is_not_late_yet(self):
        rows = [self.lead(1, 0.5, 0.5), self.lead(2, 0.4, 0.4, answered=False), self.lead(3, 5.0, 2.0, answered=False)]
        (figure,) = figures({"lead_response": rows}, "lead_response_within_1h")
        assert (figure.numerator, figure.denominator) == (1, 2)

    def test_an_answer_dated_before_its_lead_is_in_no_figure(self):
        """T-14."""
        rows = [self.lead(1, 0.5, 0.5), self.lead(2, -3.0, 0.0, is_valid=False)]
        (figure,) = figures({"lead_response": rows}, "lead_response_within_1h")
        assert (figure.numerator, figure.denominator) == (1, 1)


def month(number, before=0, end=0, *, day="2026-03-31", **parts):
    """A customer and a month end; twelve months before it paid `before`."""
    whole = {
        f"{kind}_12m": 0
        for kind in ("expansion", "contraction", "churn", "reactivation", "new", "retained")
    }  # fmt: skip
    named = {f"{kind}_12m": amount for kind, amount in parts.items()}
    amounts = whole | named | {"mrr_12m_before": before, "mrr_end": end, "mrr_end_base": end, "mrr_1m_before": before}
    row = {name: Decimal(amount) for name, amount in amounts.items()}
    return row | {"customer_id": f"c{number}", "month_on": date.fromisoformat(day), "is_final": True}


#: Start 100, churn 5, contraction 3, expansion 15, reactivation 4, new 20.
WATERFALL = [
    month(1, 5, 0, churn=5),
    month(2, 10, 7, contraction=3, retained=7),
    month(3, 85, 100, expansion=15, retained=85),
    month(4, 0, 4, reactivation=4),
    month(5, 0, 20, new=20),
]


class TestRetention:
    def test_each_convention_of_nrr_has_its_own_name(self):
        """T-74: 107 by the cohort at start, 110 by the published formula, 111 by the balance."""
        found = values({"customer_month": WATERFALL}, "nrr", "nrr_literal", "nrr_ending", grain="month")
        assert {name: float(rate) for name, rate in found.items()} == {
            "nrr": 1.07, "nrr_literal": 1.10, "nrr_ending": 1.11,
        }  # fmt: skip

    def test_gross_retention_caps_each_customer_at_its_start(self):
        """T-75."""
        assert float(value({"customer_month": WATERFALL}, "grr", grain="month")) == 0.92

    def test_gross_never_exceeds_net_nor_one(self):
        """T-75, on every month and segment of a random company."""
        world, found = random_world(), {}
        for figure in figures(world, "nrr", "grr", by=("segment",), grain="month", span=YEAR):
            found.setdefault((figure.start, figure.segment["segment"]), {})[figure.kpi.id] = figure.value
        assert len(found) == 48
        for rates in found.values():
            assert rates["grr"] <= 1
            assert rates["grr"] <= rates["nrr"]

    def test_expansion_of_a_customer_that_joined_since_is_in_neither(self):
        """T-76."""
        joined = month(6, 0, 50, new=50)
        names = ("nrr", "grr")
        before = values({"customer_month": WATERFALL}, *names, grain="month")
        assert values({"customer_month": [*WATERFALL, joined]}, *names, grain="month") == before

    def test_a_customer_back_from_churn_is_no_expansion(self):
        """T-43: prior 0, now 50."""
        back = month(6, 0, 50, reactivation=50)
        assert float(value({"customer_month": [*WATERFALL, back]}, "nrr", grain="month")) == 1.07

    def test_the_annualised_month_is_another_figure_than_twelve_months(self):
        """T-77."""
        row = month(1, 100, 120, expansion=20, retained=100) | {
            "mrr_1m_before": Decimal(100), "expansion_1m": Decimal(1), "contraction_1m": Decimal(0), "churn_1m": Decimal(0),
        }  # fmt: skip
        found = values({"customer_month": [row]}, "nrr", "nrr_monthly", "nrr_monthly_annualised", grain="month")
        assert {name: float(rate) for name, rate in found.items()} == pytest.approx(
            {"nrr": 1.2, "nrr_monthly": 1.01, "nrr_monthly_annualised": 1.01**12}
        )

    def test_nothing_at_start_gives_no_rate(self):
        """T-78."""
        found = figures({"customer_month": [month(5, 0, 20, new=20)]}, "nrr", "grr", "nrr_ending", grain="month")
        assert [(figure.value, figure.status) for figure in found] == [(None, "undefined")] * 3

    @pytest.mark.parametrize("name", ["nrr", "nrr_literal", "nrr_ending", "nrr_monthly", "grr", "arpa"])
    def test_a_customer_whose_revenue_has_no_rate_is_not_taken_for_a_loyal_one(self, name):
        """G-14."""
        unknown = month(6, 100) | {"mrr_end": None, "mrr_end_base": None, "retained_12m": None}
        (figure,) = figures({"customer_month": [*WATERFALL, unknown]}, name, grain="month")
        assert (figure.value, figure.status) == (None, "undefined")
        assert "c6" in str(figure.reason_params)

    def test_a_quarter_is_read_at_its_last_month_end(self):
        """A balance at a date is not the mean of three: twelve months to March, not to January."""
        older = [month(1, 100, 50, day=day, contraction=50, retained=50) for day in ("2026-01-31", "2026-02-28")]
        rows = {"customer_month": [*older, *WATERFALL]}
        span = (date(2026, 1, 1), date(2026, 4, 1))
        assert float(value(rows, "nrr", span=span, grain="quarter")) == 1.07
        assert float(value(rows, "nrr", span=span)) == 1.07

    def test_monthly_churn_counts_customers(self):
        rows = [month(n, 100, 100) | {"churn_1m": Decimal(0), "retained_1m": Decimal(100)} for n in range(19)]
        rows += [month(20, 100, 0) | {"churn_1m": Decimal(100), "retained_1m": Decimal(0)}]
        assert float(value({"customer_month": rows}, "logo_churn_rate", grain="month")) == 0.05

    def test_a_customer_at_no_revenue_is_a_customer_and_not_in_the_mean(self):
        """T-46."""
        paying = {
            "type": "new",
            "moved_at": at("2026-01-05"),
            "mrr_delta": Decimal(100),
            "mrr_delta_base": Decimal(100),
        }
        moves = [paying | {"customer_id": "c1", "n_delta": 1}]
        moves += [paying | {"customer_id": "c2", "n_delta": 1, "mrr_delta": Decimal(0), "mrr_delta_base": Decimal(0)}]
        rows = {"mrr_movement": moves, "customer_month": [month(1, 0, 100, new=100), month(2, 0, 0)]}
        assert values(rows, "customers", "arpa", grain="month") == {"customers": 2, "arpa": 100}


class TestRevenue:
    @pytest.mark.parametrize("grain", ["month", "quarter"])
    def test_movements_add_up_to_the_balance_to_the_cent(self, grain):
        """T-45."""
        parts = ("mrr_new", "mrr_expansion", "mrr_reactivation", "mrr_contraction", "mrr_churn", "mrr_fx")
        found = {}
        for figure in figures(random_world(), "mrr", "net_new_mrr", *parts, grain=grain, span=YEAR):
            found.setdefault(figure.start, {})[figure.kpi.id] = figure.value
        periods = sorted(found)
        for earlier, later in itertools.pairwise(periods):
            now = found[later]
            net = now["mrr_new"] + now["mrr_expansion"] + now["mrr_reactivation"]
            net -= now["mrr_contraction"] + now["mrr_churn"]
            assert net == now["net_new_mrr"]
            assert found[earlier]["mrr"] + net + now["mrr_fx"] == now["mrr"]

    def test_arr_is_twelve_times_mrr(self):
        found = values(random_world(), "arr", "mrr")
        assert found["arr"] == 12 * found["mrr"]

    def test_exchange_rates_are_neither_expansion_nor_contraction(self):
        """T-44."""
        row = {"customer_id": "c1", "moved_at": at("2026-03-31"), "type": "fx", "mrr_delta": Decimal(0), "n_delta": 0}
        rows = {"mrr_movement": [row | {"mrr_delta_base": Decimal("-4.55")}]}
        found = values(rows, "mrr_fx", "mrr_contraction", "mrr_expansion", "net_new_mrr")
        assert [Decimal(amount) for amount in found.values()] == [Decimal("-4.55"), 0, 0, 0]

    def test_a_returning_customer_is_not_new(self):
        """T-33."""
        row = {"moved_at": at("2026-03-05"), "mrr_delta": Decimal(10), "mrr_delta_base": Decimal(10), "n_delta": 1}
        rows = [row | {"customer_id": "c1", "type": "new"}, row | {"customer_id": "c2", "type": "reactivation"}]
        assert value({"mrr_movement": rows}, "new_customers") == 1

    def test_a_balance_does_not_depend_on_what_happens_after(self):
        """T-38."""
        row = {
            "customer_id": "c1",
            "n_delta": 1,
            "type": "new",
            "mrr_delta": Decimal(1000),
            "mrr_delta_base": Decimal(1000),
        }
        rows = [row | {"moved_at": at("2026-01-20")}]
        rows += [row | {"moved_at": at("2026-04-02"), "type": "churn", "n_delta": -1, "mrr_delta_base": Decimal(-1000)}]
        assert value({"mrr_movement": rows}, "mrr") == 1000


class TestAdditivity:
    @pytest.mark.parametrize(
        "name", ["new_opportunities", "open_pipeline", "qualified_pipeline_count", "mrr", "net_new_mrr", "direct_sql"]
    )
    def test_segments_sum_to_the_total(self, name):
        """G-9."""
        total = value(random_world(), name, span=YEAR)
        parts = figures(random_world(), name, by=("segment",), span=YEAR)
        assert sum(figure.value for figure in parts) == total
        assert None in {figure.segment["segment"] for figure in parts}

    def test_a_total_rate_is_that_of_the_sums(self):
        """G-9."""
        (total,) = figures(random_world(), "win_rate", span=YEAR)
        parts = figures(random_world(), "win_rate", by=("segment",), span=YEAR)
        assert total.numerator == sum(figure.numerator for figure in parts)
        assert total.denominator == sum(figure.denominator for figure in parts)

    @pytest.mark.parametrize("name", ["win_rate", "mql_to_sql", "acv", "mrr_churn", "lead_response_within_1h"])
    def test_the_order_of_rows_changes_nothing(self, name):
        """T-100."""
        world = random_world()
        entity = CATALOGUE.kpi(name).numerator.entity
        columns = world.execute(f'SELECT * FROM "{entity}"').to_pylist()
        assert value({entity: columns[::-1]}, name, span=YEAR) == value({entity: columns}, name, span=YEAR)


class TestContracts:
    @pytest.mark.parametrize("kpi", EVERY, ids=lambda kpi: kpi.id)
    def test_each_says_who_answers_for_it_where_it_stands_and_why_it_matters(self, kpi):
        """S-52, S-56, S-58, S-59, S-60."""
        for texts in (kpi.names, kpi.descriptions, kpi.formula, kpi.scope, kpi.hypothesis):
            assert set(texts) == {"fr", "en"}
            assert all(texts.values())
        assert kpi.owner
        assert kpi.team
        assert kpi.funnel
        assert kpi.cadence
        assert kpi.sources
        assert kpi.oracle
        assert kpi.version
        assert kpi.effective_from
        assert all("ARR" in text for text in kpi.hypothesis.values())

    @pytest.mark.parametrize("kpi", EVERY, ids=lambda kpi: kpi.id)
    def test_its_french_has_the_spaces_of_french(self, kpi):
        """G-15."""
        texts = [texts["fr"] for texts in (kpi.names, kpi.descriptions, kpi.formula, kpi.scope, kpi.hypothesis)]
        texts += [benchmark.note["fr"] for benchmark in kpi.benchmarks]
        wrong = [text for text in texts if re.search(r"[ ][;:!?»%€]|«[ ]|\w'\w|\w[;!?»%]", text)]
        assert wrong == []

    @pytest.mark.parametrize("kpi", EVERY, ids=lambda kpi: kpi.id)
    def test_variants_know_each_other(self, kpi):
        for name in kpi.variants:
            assert set(CATALOGUE.kpi(name).variants) >= set(kpi.variants)

    @pytest.mark.parametrize("kpi", EVERY, ids=lambda kpi: kpi.id)
    def test_a_rate_has_a_fewest_number_of_cases_and_says_its_interval(self, kpi):
        """G-2, G-3."""
        if kpi.kind in ("ratio", "conversion") and kpi.unit == "rate":
            assert kpi.min_n >= 20
            assert kpi.interval in ("wilson", "delta", "incidence") or kpi.id in (
                "mql_to_sql_period",
                "stage_conversion_period",
            )

    @pytest.mark.parametrize("kpi", [kpi for kpi in EVERY if kpi.benchmarks], ids=lambda kpi: kpi.id)
    def test_a_benchmark_says_how_far_to_believe_it(self, kpi):
        for benchmark in kpi.benchmarks:
            assert benchmark.low is not None or benchmark.high is not None
            assert set(benchmark.note) == {"fr", "en"}
            assert benchmark.year or benchmark.grade == "C"

    def test_boards_hold_five_to_seven_kpis_that_lead_to_one_north_star(self):
        """S-33, S-97."""
        assert CATALOGUE.north_star in CATALOGUE.kpis
        for board in CATALOGUE.boards:
            assert 5 <= len(board.kpis) <= 7
            assert all(not CATALOGUE.kpi(name).is_vanity for name in board.kpis)
            assert set(board.questions) == set(board.labels) == {"fr", "en"}

    def test_every_dimension_carried_by_the_tables_has_a_name_in_both_languages(self):
        assert {column.name for column in DIMENSIONS} <= set(CATALOGUE.dimensions)
        for dimension in CATALOGUE.dimensions.values():
            assert set(dimension.labels) == {"fr", "en"}

    def test_a_verdict_needs_the_whole_interval_on_one_side(self):
        """G-4: 20 of 80 is 25 % and the target starts at 20 %."""
        query = KpiQuery(("win_rate",), start=MARCH[0], end=MARCH[1])
        (reading,) = read(answer(CATALOGUE, query, World({"opportunity": deals(20, 60)}), context())).readings
        assert reading.verdict == "cannot_tell"

    def test_days_are_cut_in_the_zone_of_the_company(self):
        """G-6: half past eleven at night in New York on 31 March is 1 April in Paris."""
        rows = {"opportunity": [deal(1, closed_at=at("2026-04-01T03:30"))]}
        assert value(rows, "acv") is None
        later = (MARCH[1], MARCH[1] + timedelta(days=1))
        assert value(rows, "acv", span=later) == 20_000
