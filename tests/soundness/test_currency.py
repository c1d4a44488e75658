"""Amounts without a rate into the base currency make a figure undefined, and name their rows (G-14)."""

from datetime import date

import pytest

from cadran.engine.query import KpiQuery
from cadran.engine.run import answer
from cadran.errors import fill
from warehouse import BOOKED, WON, MemoryWarehouse, catalogue, context, deal, kpi, measure

MAR, MAY = date(2026, 3, 1), date(2026, 5, 1)


def sales(n_missing, **more):
    sound = deal("2026-03-02", id="ok", amount=10, amount_base=10, segment="SMB")
    lacking = [deal("2026-03-03", id=f"gbp{n}", amount=10, currency="GBP", **more) for n in range(n_missing)]
    return MemoryWarehouse(opportunity=[sound, deal("2026-04-02", id="april", amount=7, amount_base=7), *lacking])


def ask(warehouse, *kpis, **query):
    return answer(
        catalogue(*kpis),
        KpiQuery(tuple(k.id for k in kpis), **{"start": MAR, "end": MAY, **query}),
        warehouse,
        context(),
    )


def said(figure):
    return fill(figure.reason, figure.reason_params)


def test_a_sum_with_an_amount_that_has_no_rate_is_undefined_and_names_the_row():
    march, april = ask(sales(1), BOOKED, grain="month").figures
    assert (march.value, march.status) == (None, "undefined")
    assert said(march) == "1 rows have an amount but no exchange rate into EUR: gbp0."
    assert april.value == 7


def test_at_most_five_rows_are_named():
    figure = ask(sales(7), BOOKED, grain="month").figures[0]
    assert said(figure) == "7 rows have an amount but no exchange rate into EUR: gbp0, gbp1, gbp2, gbp3, gbp4…."


def test_only_the_segment_of_the_row_is_undefined():
    figures = ask(sales(1, segment="Enterprise"), BOOKED, by=("segment",)).figures
    assert [(f.segment["segment"], f.value) for f in figures] == [("Enterprise", None), ("SMB", 10), (None, 7)]


def test_a_row_that_the_kpi_does_not_count_does_not_matter():
    lost = deal("2026-03-03", id="lost", won=False, amount=10, currency="GBP")
    won = deal("2026-03-03", id="won", amount=10, amount_base=10)
    assert ask(MemoryWarehouse(opportunity=[lost, won]), BOOKED).figures[0].value == 10


@pytest.mark.parametrize("side", ["numerator", "denominator"])
def test_a_ratio_with_a_part_without_rate_is_undefined(side):
    amount, count = measure(where="is_won", agg="sum", expr="amount_base"), measure(where="is_won")
    parts = (
        {"numerator": amount, "denominator": count}
        if side == "numerator"
        else {"numerator": count, "denominator": amount}
    )
    figure = ask(sales(2), kpi("r", kind="ratio", unit="money", **parts)).figures[0]
    assert (figure.value, figure.reason_params["n"]) == (None, 2)


def test_a_kpi_derived_from_it_is_undefined_for_the_same_reason():
    double = kpi("double", kind="derived", unit="money", expression="b * 2", inputs={"b": "booked"})
    figures = ask(sales(1), BOOKED, double).figures
    assert figures[0].reason_params == figures[1].reason_params


def test_a_stock_is_undefined_from_the_day_of_the_row_on():
    stock = kpi(
        "stock",
        kind="cumulative",
        unit="money",
        numerator=measure(agg="sum", expr="amount_base", balance=True),
    )
    figures = ask(sales(1), stock, grain="month", start=date(2026, 2, 1)).figures
    assert [f.value for f in figures] == [0, None, None]
    assert "gbp0" in said(figures[2])


def test_a_measure_may_say_itself_which_rows_lack_a_rate():
    asked = kpi(
        "acv",
        unit="money",
        numerator=measure(
            agg="mean", expr="acv_base", where="acv_base > 0", missing="acv IS NOT NULL AND acv_base IS NULL"
        ),
    )
    rows = [deal("2026-03-02", id="a", acv=5, acv_base=5), deal("2026-03-02", id="b", acv=5)]
    assert "b" in said(ask(MemoryWarehouse(opportunity=rows), asked).figures[0])


def test_counts_do_not_need_a_rate():
    assert ask(sales(3), WON).figures[0].value == 5
