"""Why a KPI moved: shares of factors, movements and segments that add up to the change, to the cent."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from cadran.catalogue.definition import Driving
from cadran.catalogue.driving import check_drivers, edges, ways_up
from cadran.engine.query import KpiQuery
from cadran.engine.run import answer
from cadran.errors import QueryError
from cadran.insights.drivers import drivers_of
from oracles import world as oracles
from shipped import CATALOGUE as SHIPPED
from warehouse import BOOKED, WIN_RATE, WON, MemoryWarehouse, catalogue, context, deal, kpi, measure

FEB, MAR, APR = date(2026, 2, 1), date(2026, 3, 1), date(2026, 4, 1)
ACV = kpi("acv", unit="money", interval="mean", numerator=measure(where="is_won", agg="mean", expr="acv_base"))
CYCLE = kpi("cycle", unit="days", interval="mean", numerator=measure(where="is_won", agg="mean", expr="cycle_days"))
OPPS = kpi("opps", numerator=measure(time="created_on"))
VELOCITY = kpi(
    "velocity",
    kind="derived",
    unit="money_per_day",
    expression="opps * rate * acv / cycle",
    inputs={"opps": "opps", "rate": "win_rate", "acv": "acv", "cycle": "cycle"},
)


def why(rows, name, *kpis, by=(), drivers=None, **question):
    found = replace(catalogue(*kpis), drivers=drivers or {})
    query = KpiQuery((name,), by=by, **({"start": MAR, "end": APR} | question))
    warehouse = rows if isinstance(rows, MemoryWarehouse) else MemoryWarehouse(**rows)
    return drivers_of(found, query, lambda asked: answer(found, asked, warehouse, context()))


def month(on, won, lost, *, opened=0, acv=100, cycle=10, **more):
    given = {"created_at": "2025-01-05", "acv_base": acv, "cycle_days": float(cycle)} | more
    rows = [deal(on, **given) for _ in range(won)] + [deal(on, won=False, **given) for _ in range(lost)]
    return rows + [deal(None, **(given | {"created_at": on})) for _ in range(opened)]


def adds_up(found):
    return sum(driver.contribution for driver in found.drivers) == found.change


def test_each_factor_of_velocity_has_its_exact_share_s_11():
    """A longer cycle takes it down at the same conversion."""
    rows = month("2026-02-10", 2, 6, opened=40) + month("2026-03-10", 2, 6, opened=40, cycle=20)
    found = why({"opportunity": rows}, "velocity", VELOCITY, OPPS, WIN_RATE, ACV, CYCLE)
    assert (found.before, found.now, found.method) == (Decimal("100.00"), Decimal("50.00"), "log_mean")
    assert {d.name: d.contribution for d in found.drivers} == {"opps": 0, "win_rate": 0, "acv": 0, "cycle": -50}


def test_a_factor_without_a_value_leaves_no_share_and_says_which_t_07():
    rows = month("2026-02-10", 2, 6, opened=40) + month("2026-03-10", 0, 6, opened=40)
    found = why({"opportunity": rows}, "velocity", VELOCITY, OPPS, WIN_RATE, ACV, CYCLE)
    assert (found.method, found.change, found.reason_params) == ("none", None, {"name": "velocity"})


def test_a_factor_of_zero_falls_back_with_a_reason():
    product = kpi("p", kind="derived", expression="opps * won", inputs={"opps": "opps", "won": "won"})
    rows = month("2026-02-10", 0, 1, opened=2) + month("2026-03-10", 3, 0, opened=4)
    found = why({"opportunity": rows}, "p", product, OPPS, WON)
    assert (found.method, found.change) == ("symmetric", 12)
    assert "zero" in found.reason
    assert {d.name: d.contribution for d in found.drivers} == {"opps": 3, "won": 9}


def test_what_moved_a_balance_adds_up_to_its_change_t_45():
    moves = [
        ("2026-01-10", "new", 100),
        ("2026-02-12", "new", 50),
        ("2026-03-02", "churn", -30),
        ("2026-03-20", "new", 70),
    ]
    rows = [{"moved_at": at, "type": kind, "mrr_delta_base": worth} for at, kind, worth in moves]

    def flow(name, sign=""):
        where = f"type = '{name}'"
        return kpi(
            name, unit="money", numerator=measure("mrr_movement", where, agg="sum", expr=f"{sign}mrr_delta_base")
        )

    total = measure("mrr_movement", agg="sum", expr="12 * mrr_delta_base", balance=True)
    arr = kpi("arr", kind="cumulative", unit="money", basis="balance", numerator=total)
    driving = {"arr": Driving(moves_by="12 * (new - churn)")}
    asked = ("arr", arr, flow("new"), flow("churn", "-"))
    found = why({"mrr_movement": rows}, *asked, drivers=driving)
    assert (found.method, found.before, found.now) == ("movements", Decimal("1800.00"), Decimal("2280.00"))
    assert [(d.name, d.contribution) for d in found.drivers] == [
        ("new", Decimal("840.00")),
        ("churn", Decimal("-360.00")),
    ]
    yearly = why({"mrr_movement": rows}, *asked, drivers=driving, compare="year")
    assert (yearly.before, sum(d.contribution for d in yearly.drivers)) == (0, yearly.change)


def test_what_a_formula_does_not_tell_is_a_driver_of_its_own():
    rows = month("2026-02-10", 2, 6, opened=3) + month("2026-03-10", 4, 6, opened=9)
    found = why({"opportunity": rows}, "opps", OPPS, WON, drivers={"opps": Driving(equals="2 * won")})
    assert [(d.name, d.contribution) for d in found.drivers] == [("won", 4), ("rest", 2)]


def test_a_ratio_without_a_formula_is_split_over_its_parts():
    rows = month("2026-02-10", 2, 6) + month("2026-03-10", 4, 6)
    found = why({"opportunity": rows}, "win_rate", WIN_RATE)
    assert [d.name for d in found.drivers] == ["numerator", "denominator"]
    assert found.method == "log_mean"
    assert adds_up(found)


def test_mix_hides_that_every_segment_fell_t_88():
    rows = month("2026-02-10", 80, 320, segment="A") + month("2026-02-11", 40, 60, segment="B")
    rows += month("2026-03-10", 45, 205, segment="A") + month("2026-03-11", 95, 155, segment="B")
    found = why({"opportunity": rows}, "win_rate", WIN_RATE, by=("segment",))
    assert (found.before, found.now) == (Decimal("0.24"), Decimal("0.28"))
    assert (found.mix, found.rate, found.is_simpson) == (Decimal("0.06"), Decimal("-0.02"), True)
    assert adds_up(found)


def test_new_and_vanished_segments_count_by_their_weight_t_89():
    rows = month("2026-02-10", 6, 4, segment="gone") + month("2026-02-10", 5, 5, segment=None)
    rows += month("2026-03-10", 5, 15, segment="new") + month("2026-03-10", 8, 2, segment=None)
    found = why({"opportunity": rows}, "win_rate", WIN_RATE, by=("segment",))
    by_name = {d.segment["segment"]: d for d in found.drivers}
    assert set(by_name) == {"gone", "new", None}
    assert (by_name["gone"].rate, by_name["new"].rate) == (0, 0)
    assert (by_name["gone"].now, by_name["new"].before) == (None, None)
    assert adds_up(found)


def test_a_sum_is_split_by_the_difference_of_each_segment():
    rows = month("2026-02-10", 1, 0, segment="A", amount_base=Decimal("10.01"))
    rows += month("2026-03-10", 2, 0, segment="B", amount_base=Decimal("20.02"))
    found = why({"opportunity": rows}, "booked", BOOKED, by=("segment",))
    assert [(d.segment["segment"], d.contribution) for d in found.drivers] == [
        ("B", Decimal("40.04")),
        ("A", Decimal("-10.01")),
    ]


def test_a_derived_kpi_is_not_split_by_segment():
    with pytest.raises(QueryError, match="neither a sum nor a ratio"):
        why({}, "velocity", VELOCITY, OPPS, WIN_RATE, ACV, CYCLE, by=("segment",))


def test_without_a_span_the_last_whole_month_is_explained():
    rows = MemoryWarehouse(opportunity=month("2026-10-10", 1, 3) + month("2026-11-10", 1, 1))
    found = why(rows, "win_rate", WIN_RATE, start=None, end=None)
    assert (found.start, found.earlier_start) == (date(2026, 12, 1), date(2026, 11, 1))


# the shipped tree ------------------------------------------------------------------------------


def test_every_kpi_on_a_board_leads_to_the_north_star():
    """S-97: from daily actions to one number."""
    on_boards = {name for board in SHIPPED.boards for name in board.kpis}
    assert [name for name in sorted(on_boards) if ways_up(name, SHIPPED) is None] == []


def test_what_drives_a_kpi_tells_arithmetic_from_belief():
    below = edges("arr", SHIPPED)
    assert below["mrr_new"] == "arithmetic"
    assert below["sales_velocity"] == "hypothesis"
    made_of = {name for name, relation in edges("sales_velocity", SHIPPED).items() if relation == "arithmetic"}
    assert made_of == set(SHIPPED.kpi("sales_velocity").inputs.values())


def test_a_variant_leads_up_by_the_one_that_does():
    way = ways_up("sales_cycle_median", SHIPPED)
    assert way[0] == ("sales_cycle_median", "variant")
    assert way[-1][0] == "arr"


def test_mistakes_in_drivers_are_found():
    drivers = {
        "won": Driving(believed=("wonn",), where="d.yml:1"),
        "opps": Driving(equals="won +", where="d.yml:2"),
        "velocity": Driving(equals="opps * 2", where="d.yml:3"),
        "nothing": Driving(where="d.yml:4"),
        "acv": Driving(believed=("acv",), where="d.yml:5"),
    }
    found = replace(catalogue(WON, OPPS, VELOCITY, WIN_RATE, ACV, CYCLE), drivers=drivers)
    assert [(i.code, i.where) for i in check_drivers(found)] == [
        ("unknown_kpi", "d.yml:1"),
        ("bad_expression", "d.yml:2"),
        ("two_formulas", "d.yml:3"),
        ("unknown_kpi", "d.yml:4"),
        ("cycle", "d.yml:5"),
    ]
    assert edges("won", found) == {}


# every shipped KPI -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world():
    return oracles.random_world()


@pytest.mark.slow
@pytest.mark.parametrize("by", [(), ("segment",)], ids=["by formula", "by segment"])
def test_the_shares_of_shipped_kpis_add_up_to_the_last_step(world, by):
    told = 0
    made = [name for name in SHIPPED.kpis if SHIPPED.kpi(name).kind == "derived" or name in SHIPPED.drivers]
    for name in list(SHIPPED.kpis)[::3] if by else made:
        grain = "quarter" if "quarter" in SHIPPED.kpi(name).grains else SHIPPED.kpi(name).grains[-1]
        query = KpiQuery((name,), by=by, grain=grain, start=date(2025, 7, 1), end=date(2026, 1, 1))
        try:
            found = drivers_of(SHIPPED, query, lambda asked: answer(SHIPPED, asked, world, oracles.context()))
        except QueryError:
            continue
        if found.method == "none":
            assert found.reason, name
            continue
        told += 1
        assert found.now - found.before == found.change, name
        assert adds_up(found), name
        if SHIPPED.kpi(name).kind == "derived" or name in SHIPPED.drivers:
            assert "rest" not in [d.name for d in found.drivers], name
    assert told >= 10
