"""Nothing is not zero: what has no value says why, and what is unknown is never counted as known."""

from datetime import date

import pytest

from cadran.engine.query import KpiQuery
from cadran.engine.run import answer
from shipped import CATALOGUE
from warehouse import BOOKED, WIN_RATE, WON, MemoryWarehouse, catalogue, context, deal, kpi, measure

QUARTER = {"start": date(2026, 1, 1), "end": date(2026, 4, 1)}
MEAN = kpi("mean", unit="money", numerator=measure(agg="mean", expr="amount_base"))
SHARE = kpi(
    "share",
    kind="ratio",
    unit="rate",
    numerator=measure(where="is_won", agg="sum", expr="amount_base"),
    denominator=measure(agg="sum", expr="amount_base"),
)


def one(asked, rows):
    [figure] = answer(
        catalogue(asked), KpiQuery((asked.id,), **QUARTER), MemoryWarehouse(opportunity=rows), context()
    ).figures
    return figure


@pytest.mark.parametrize("asked", [WIN_RATE, MEAN, SHARE])
def test_a_ratio_or_mean_of_nothing_is_undefined_with_a_reason_g_1(asked):
    figure = one(asked, [])
    assert (figure.value, figure.status, figure.n) == (None, "undefined", 0)
    assert figure.reason == "There is no case in this period."


@pytest.mark.parametrize("asked", [WON, BOOKED])
def test_a_count_or_sum_of_nothing_is_zero(asked):
    figure = one(asked, [])
    assert (figure.value, figure.status, figure.n) == (0, "ok", 0)


def test_a_denominator_of_zero_is_undefined_and_keeps_the_numerator_t_30():
    free = [deal("2026-03-02", id="a", amount_base=0)]
    assert (one(SHARE, free).value, one(SHARE, free).status) == (None, "undefined")
    cac = kpi(
        "cac",
        kind="ratio",
        unit="money",
        numerator=measure(agg="sum", expr="amount_base"),
        denominator=measure(where="NOT is_won"),
    )
    figure = one(cac, [deal("2026-03-02", id="a", amount_base=50_000)])
    assert (figure.value, figure.numerator, figure.denominator) == (None, 50_000, 0)
    assert figure.reason == "The denominator is 0."


def test_a_rate_of_zero_is_a_value():
    figure = one(WIN_RATE, [deal("2026-03-02", id="a", won=False)])
    assert (figure.value, figure.status) == (0.0, "ok")


def test_an_amount_that_is_missing_is_not_zero_t_36():
    rows = [deal("2026-03-02", id="a", amount_base=10), deal("2026-03-02", id="b")]
    assert (one(MEAN, rows).value, one(MEAN, rows).n) == (10, 1)
    assert (one(BOOKED, rows).value, one(BOOKED, rows).n) == (10, 1)
    unknown = one(BOOKED, rows[1:])
    assert (unknown.value, unknown.reason, unknown.reason_params) == (
        None,
        "None of the {n} rows has a value.",
        {"n": 1},
    )


def test_an_amount_of_zero_or_below_counts_t_36():
    rows = [deal("2026-03-02", id="a", amount_base=0), deal("2026-03-02", id="b", amount_base=-4)]
    assert (one(MEAN, rows).value, one(MEAN, rows).n) == (-2, 2)


def test_a_predicate_that_is_neither_true_nor_false_does_not_count_the_row():
    rows = [deal("2026-03-02", id="a"), {**deal("2026-03-02", id="b"), "is_won": None}]
    assert one(WON, rows).value == 1
    assert one(kpi("not", numerator=measure(where="NOT is_won")), rows).value == 0


def test_a_row_without_its_day_is_in_no_period():
    assert one(kpi("all", numerator=measure()), [deal(None, id="open")]).value == 0


def test_every_shipped_kpi_answers_an_empty_company_with_a_value_or_a_reason_g_1():
    result = answer(CATALOGUE, KpiQuery(tuple(CATALOGUE.kpis), **QUARTER), MemoryWarehouse(), context())
    for figure in result.figures:
        assert (figure.value is None) == (figure.status == "undefined"), figure.kpi.id
        assert bool(figure.reason) == (figure.status == "undefined"), figure.kpi.id
        assert figure.value in (None, 0), figure.kpi.id
