"""The KPIs of selling on small companies whose right answers are known by hand."""

from __future__ import annotations

import itertools
from datetime import date, timedelta
from decimal import Decimal

import pytest

from cadran.engine.query import KpiQuery
from cadran.engine.run import answer
from cadran.i18n import say
from cadran.insights.judge import read
from oracles.world import World, context, random_world
from test_catalogue_kpis import CATALOGUE, LOST, MARCH, YEAR, at, deal, figures, value, values


def reading(rows, kpi, **question):
    world = rows if isinstance(rows, World) else World(rows)
    query = KpiQuery((kpi,), start=question.pop("start", MARCH[0]), end=question.pop("end", MARCH[1]), **question)
    return read(answer(CATALOGUE, query, world, context())).readings


def said(figure, language):
    """Why a figure has no value, as people read it."""
    return say(figure.reason, figure.reason_params, language)


class TestTouches:
    def test_touches_of_deals_that_did_not_advance_are_censored_and_the_won_only_mean_is_another_figure(self):
        """T-23: five deals advanced after two touches, fifteen took nine and did not."""
        base = {"stage": "demo", "entered_at": at("2026-03-02"), "is_implied": False}
        rows = [
            base
            | {"opportunity_id": f"d{n}", "n_touches": 2, "advanced_at": at("2026-03-10"), "opportunity_is_won": True}
            for n in range(5)
        ]
        rows += [base | {"opportunity_id": f"e{n}", "n_touches": 9} for n in range(15)]
        (all_deals,) = reading({"stage_passage": rows}, "touches_per_advance")
        assert (all_deals.value, all_deals.status) == (None, "undefined")
        assert "not reached" in all_deals.reason
        assert value({"stage_passage": rows}, "touches_per_advance_won") == 2
        assert "Survivorship" in CATALOGUE.kpi("touches_per_advance_won").descriptions["en"]

    @staticmethod
    def approach(number, n, *, met=True):
        return {
            "id": f"a{number}", "started_at": at("2026-03-02"), "n_touches": n, "is_met": met,
            "met_at": at("2026-03-20") if met else None,
        }  # fmt: skip

    @pytest.mark.parametrize(("n", "verdict"), [(4, "off_track"), (7, "on_track"), (11, "off_track")])
    def test_the_band_has_two_sides(self, n, verdict):
        """T-25."""
        rows = {"account_approach": [self.approach(number, n) for number in range(30)]}
        (found,) = reading(rows, "touches_to_meeting")
        assert (found.value, found.verdict) == (n, verdict)
        assert float(value(rows, "touches_to_meeting_in_band")) == (1 if n == 7 else 0)
        assert [(rule.below, rule.above) for rule in found.figure.kpi.alerts] == [(6, None), (None, 8)]

    def test_accounts_not_met_have_no_final_count(self):
        """T-25: the mean of those met says 3, and half of the accounts never get there."""
        rows = [self.approach(n, 3) for n in range(10)] + [self.approach(10 + n, 12, met=False) for n in range(20)]
        (found,) = reading({"account_approach": rows}, "touches_to_meeting")
        assert found.value is None
        assert value({"account_approach": rows}, "touches_to_meeting_reached") == 3

    def test_volumes_are_labelled_and_their_outcome_stands_beside(self):
        """S-04."""
        touch = {"occurred_at": at("2026-03-02"), "activity_type": "email"}
        rows = [touch | {"id": f"t{n}"} for n in range(9)]
        rows += [touch | {"id": "m", "activity_type": "meeting", "is_held": True, "is_qualified_meeting": True}]
        assert values({"touch": rows}, "touch_volume", "touches_per_meeting", "qualified_meetings") == {
            "touch_volume": 10, "touches_per_meeting": 10, "qualified_meetings": 1,
        }  # fmt: skip
        assert all(CATALOGUE.kpi(name).is_vanity for name in ("touch_volume", "meeting_volume"))
        by_type = figures({"touch": rows}, "touch_volume", by=("activity_type",))
        assert {figure.segment["activity_type"]: figure.value for figure in by_type} == {"email": 9, "meeting": 1}

    def test_a_win_costs_the_touches_of_the_lost_deals_too(self):
        """T-23."""
        rows = {"opportunity": [deal(1, n_touches=8), *(deal(n, n_touches=10, **LOST) for n in range(2, 5))]}
        found = values(rows, "activities_per_deal", "activities_per_won_deal", "activities_per_win")
        assert {name: float(number) for name, number in found.items()} == {
            "activities_per_deal": 9.5, "activities_per_won_deal": 8, "activities_per_win": 38,
        }  # fmt: skip


def covered(**amounts):
    """One change of the running quarter on its first day."""
    plain = {f"{name}_delta": Decimal(0) for name in ("amount", "won", "quota")}
    return plain | {
        "moved_at": at("2026-01-01T12:00"), "horizon": "current", "n_delta": 0, "unrated_delta": 0, "movement": "opening",
    } | amounts  # fmt: skip


def quarter(pipeline=900_000, quota=400_000, won=150_000, **more):
    rows = [covered(amount_delta=Decimal(pipeline), n_delta=12, **more)] if pipeline else []
    rows += [covered(quota_delta=Decimal(quota), movement="quota", **more)] if quota else []
    return rows + ([covered(won_delta=Decimal(won), movement="signed", **more)] if won else [])


class TestCoverage:
    NAMES = ("pipeline_coverage", "pipeline_coverage_remaining")

    def test_the_whole_quota_and_what_remains_of_it_each_have_a_figure_and_one_of_them_alerts(self):
        """T-60: 900 k, quota 400 k, 150 k won."""
        found = values({"coverage_movement": quarter()}, *self.NAMES)
        assert [float(number) for number in found.values()] == [2.25, 3.6]
        rules = CATALOGUE.kpi("pipeline_coverage").alerts
        assert [(rule.level, float(rule.below), rule.by) for rule in rules] == [
            ("warn", 3.0, ("segment",)), ("alert", 2.5, ("segment",)),
        ]  # fmt: skip
        assert CATALOGUE.kpi("pipeline_coverage_remaining").alerts == ()

    def test_a_quota_that_is_reached_has_no_remaining_coverage_and_says_so(self):
        """T-61."""
        whole, rest = figures({"coverage_movement": quarter(won=450_000)}, *self.NAMES)
        assert float(whole.value) == 2.25
        assert (rest.value, rest.status) == (None, "undefined")
        assert "quota is reached" in said(rest, "en")
        assert "Quota atteint" in said(rest, "fr")

    def test_a_missing_quota_has_no_coverage_and_says_so(self):
        """T-61."""
        for figure in figures({"coverage_movement": quarter(quota=0)}, *self.NAMES, "quota_attainment"):
            assert (figure.value, figure.status) == (None, "undefined")
            assert said(figure, "fr") == "Quota manquant."

    def test_an_amount_without_a_rate_has_no_coverage(self):
        """G-14."""
        rows = [*quarter(), covered(unrated_delta=1, n_delta=1)]
        for figure in figures({"coverage_movement": rows}, *self.NAMES):
            assert figure.value is None
            assert "no exchange rate" in said(figure, "en")

    def test_a_weak_segment_shows_though_the_total_is_fine(self):
        """T-63, S-73."""
        rows = quarter(180_000, 100_000, 0, segment="Enterprise") + quarter(440_000, 100_000, 0, segment="SMB")
        (total,) = figures({"coverage_movement": rows}, "pipeline_coverage")
        parts = figures({"coverage_movement": rows}, "pipeline_coverage", by=("segment",))
        assert float(total.value) == 3.1
        assert {figure.segment["segment"]: float(figure.value) for figure in parts} == {"Enterprise": 1.8, "SMB": 4.4}

    def test_it_can_be_asked_on_any_day(self):
        rows = [
            *quarter(),
            covered(moved_at=at("2026-03-10T12:00"), movement="won", amount_delta=Decimal(-500_000), n_delta=-5),
        ]
        days = figures(
            {"coverage_movement": rows}, "pipeline_coverage", grain="day", span=(date(2026, 3, 9), date(2026, 3, 11))
        )
        assert [float(figure.value) for figure in days] == [2.25, 1.0]

    @pytest.mark.parametrize(
        ("waterfall", "stock"), [("coverage_waterfall", "covered_pipeline"), ("pipeline_waterfall", "open_pipeline")]
    )
    @pytest.mark.parametrize("grain", ["month", "quarter"])
    def test_what_moved_the_pipeline_adds_up_to_the_cent(self, waterfall, stock, grain):
        world = random_world()
        moved, held = {}, {}
        for figure in figures(world, waterfall, stock, grain=grain, span=YEAR):
            if figure.kpi.id == stock:
                held[figure.start] = figure.value
            else:
                moved[figure.start] = moved.get(figure.start, 0) + figure.value
        for earlier, later in itertools.pairwise(sorted(held)):
            assert held[earlier] + moved[later] == held[later]


def forecast(number, said, signed, **changes):
    given = {
        "id": f"f{number}", "last_on": date(2026, 3, 31), "horizon": "start", "forecast_type": "commit", "is_final": True,
        "is_submitted": True, "owner": f"p{number}", "forecast": Decimal(said), "actual": Decimal(signed),
        "error": Decimal(said - signed), "abs_error": Decimal(abs(said - signed)), "is_unrated": False,
    }  # fmt: skip
    return given | changes


class TestForecasts:
    @pytest.mark.parametrize(("said", "signed", "accuracy"), [(120, 100, 0.8), (300, 100, -1.0), (100, 100, 1.0)])
    def test_accuracy_keeps_its_sign_and_divides_by_what_was_signed(self, said, signed, accuracy):
        """T-79, T-83: 120 for 100 is 80 %, not 83.3 %; 300 for 100 is worse than forecasting nothing."""
        (figure,) = figures({"forecast_outcome": [forecast(1, said, signed)]}, "forecast_accuracy")
        assert float(figure.value) == accuracy
        assert [note.text("en").startswith("Worse than") for note in figure.notes] == ([True] if accuracy < 0 else [])

    def test_nothing_signed_gives_no_accuracy_and_shows_its_parts(self):
        """T-80."""
        (figure,) = figures({"forecast_outcome": [forecast(1, 50, 0)]}, "forecast_accuracy")
        assert (figure.value, figure.status) == (None, "undefined")
        assert "Rien de signé" in said(figure, "fr")
        assert figure.parts == {"forecast": 50, "actual": 0}

    def test_who_signed_nothing_weighs_in_the_error_by_seller(self):
        """T-80."""
        rows = {"forecast_outcome": [forecast(1, 50, 0), forecast(2, 100, 100)]}
        assert float(value(rows, "forecast_wape")) == 0.5

    def test_a_right_total_may_hide_errors_of_sellers(self):
        """T-81: 50 and 150 forecast, 100 and 100 signed."""
        rows = {"forecast_outcome": [forecast(1, 50, 100), forecast(2, 150, 100)]}
        found = values(rows, "forecast_accuracy", "forecast_wape", "forecast_bias")
        assert [float(number) for number in found.values()] == [1.0, 0.5, 0.0]
        parts = figures(rows, "forecast_accuracy", by=("owner",))
        assert {figure.segment["owner"]: float(figure.value) for figure in parts} == {"p1": 0.5, "p2": 0.5}

    def test_only_the_forecast_of_the_horizon_counts_and_only_once_the_period_is_over(self):
        """T-82."""
        rows = [
            forecast(1, 120, 100),
            forecast(2, 100, 100, horizon="middle"),
            forecast(3, 9, 9, forecast_type="best_case"),
        ]
        rows += [forecast(4, 999, 1, is_final=False)]
        found = values({"forecast_outcome": rows}, "forecast_accuracy", "forecast_accuracy_middle")
        assert [float(number) for number in found.values()] == [0.8, 1.0]

    def test_what_nobody_forecast_is_told_beside(self):
        rows = {"forecast_outcome": [forecast(1, 80, 75), forecast(2, 0, 25, is_submitted=False)]}
        assert float(value(rows, "forecast_reported_share")) == 0.75

    def test_a_forecast_without_a_rate_makes_no_figure(self):
        """G-14."""
        rows = {"forecast_outcome": [forecast(1, 80, 75), forecast(2, 0, 25, is_unrated=True)]}
        (figure,) = figures(rows, "forecast_accuracy")
        assert (figure.value, figure.status) == (None, "undefined")
        assert "f2" in str(figure.reason_params)


class TestSellers:
    @staticmethod
    def week(number, minutes, selling, **changes):
        given = {
            "id": f"w{number}", "week_on": date(2026, 3, 2), "minutes": float(minutes), "selling_minutes": float(selling),
            "is_tracked": minutes > 0, "is_over": False, "owner": f"p{number}",
        }  # fmt: skip
        return given | changes

    def test_selling_time_leaves_out_who_tracks_nothing_and_counts_them(self):
        """T-69."""
        rows = [self.week(1, 2000, 500), self.week(2, 3600, 1200, is_over=True), self.week(3, 0, 0), self.week(4, 0, 0)]
        names = ("selling_time_share", "selling_time_untracked_share", "selling_time_overlap_share")
        found = values({"selling_week": rows}, *names)
        assert [float(number) for number in found.values()] == pytest.approx([1700 / 5600, 0.5, 0.5])

    def test_five_outcomes_make_every_entry(self):
        """T-02, T-05: a deal moved to another pipeline is handed off and not lost."""
        outcomes = {}
        entries = {}
        for figure in figures(random_world(), "stage_ledger", "stage_entries", span=YEAR):
            stage = figure.segment["stage"]
            if figure.kpi.id == "stage_entries":
                entries[stage] = figure.value
            else:
                outcomes.setdefault(stage, {})[figure.segment["stage_outcome"]] = figure.value
        assert {stage: sum(parts.values()) for stage, parts in outcomes.items()} == entries
        assert set().union(*outcomes.values()) == {"advanced", "lost", "regressed", "handed_off", "open"}

    def test_a_quarter_of_six_american_customers_is_on_track(self):
        """S-41."""
        move = {"moved_at": at("2026-02-05"), "type": "new", "n_delta": 1, "market": "US"}
        rows = [move | {"customer_id": f"c{n}"} for n in range(6)] + [move | {"customer_id": "f", "market": "FR"}]
        found = reading({"mrr_movement": rows}, "new_customers_per_quarter", start=date(2026, 1, 1), grain="quarter")
        assert {r.figure.segment["market"]: (r.value, r.verdict) for r in found} == {
            "FR": (1, "none"),
            "US": (6, "on_track"),
        }

    def test_an_import_is_counted_apart(self):
        """T-21."""
        rows = {"opportunity": [deal(1), *(deal(10 + n, is_imported=True) for n in range(4))]}
        span = (date(2026, 1, 1), date(2026, 2, 1))
        found = values(rows, "new_opportunities", "new_opportunities_imported", span=span)
        assert found == {"new_opportunities": 1, "new_opportunities_imported": 4}
        weekly = figures(rows, "new_opportunities", grain="week", span=span)
        assert sum(figure.value for figure in weekly) == 1

    def test_a_win_is_credited_to_who_closed_it_unless_the_creator_is_asked(self):
        """T-99."""
        rows = {"opportunity": [deal(1, owner="Bob", creator="Ann")]}
        by = {name: figures(rows, "bookings", by=(name,)) for name in ("owner", "creator")}
        assert [(f.segment["owner"], f.value) for f in by["owner"]] == [("Bob", 20_000)]
        assert [(f.segment["creator"], f.value) for f in by["creator"]] == [("Ann", 20_000)]

    def test_win_rates_break_down_by_the_title_of_the_decision_maker(self):
        """S-18."""
        rows = [deal(1, title_level="c_level"), deal(2, title_level="manager", **LOST)]
        found = figures({"opportunity": rows}, "win_rate", by=("title_level",))
        assert {f.segment["title_level"]: float(f.value) for f in found} == {"c_level": 1.0, "manager": 0.0}

    def test_overdue_money_has_a_share_beside_that_of_deals(self):
        """T-19."""
        still = {"is_closed": False, "is_won": None, "closed_at": None}
        rows = [deal(1, is_stale=True, amount_base=Decimal(300), amount=Decimal(300), **still)]
        rows += [deal(n, is_stale=False, amount_base=Decimal(100), amount=Decimal(100), **still) for n in range(2, 9)]
        span = (date(2026, 1, 1), date(2026, 2, 1))
        found = values({"opportunity": rows}, "overdue_share_by_value", "stale_share", span=span)
        assert [float(number) for number in found.values()] == [0.3, 0.125]

    def test_the_cycle_is_judged_against_its_frozen_baseline_with_an_interval(self):
        """T-73: 50 days where the year of reference took 60 is a sixth shorter."""
        rows = [deal(n, cycle_days=50.0 + (-1) ** n, baseline_cycle_days=60.0) for n in range(40)]
        (found,) = reading({"opportunity": rows}, "sales_cycle_vs_baseline")
        assert float(found.value) == pytest.approx(-1 / 6)
        assert found.low < -1 / 6 < found.high
        assert found.verdict == "on_track"
        young = [deal(n, cycle_days=50.0) for n in range(40)]
        assert value({"opportunity": young}, "sales_cycle_vs_baseline") is None

    def test_a_quarter_is_a_span_like_any_other(self):
        rows = {"opportunity": [deal(1), deal(2, closed_at=at("2026-02-10"))]}
        assert value(rows, "bookings", span=(MARCH[0] - timedelta(days=59), MARCH[1])) == 40_000
