"""Money is decimal, and an amount without a rate has no base amount."""

from decimal import Decimal

import ibis

from cadran.canonical.money import ratio, with_base
from tables import collect, landed_table, settings


def converted(amount, currency, day, fx):
    deals = landed_table("spend", [{"id": "a", "amount": amount, "currency": currency, "day_on": day}])
    quoted = landed_table("fx_rate", fx)
    table = with_base(deals, quoted, settings(), amounts={"amount_base": "amount"}, day="day_on")
    rows = collect(table)
    assert len(rows) == 1
    return rows[0]["amount_base"]


def usd(day, rate, pair=("USD", "EUR")):
    return {"day_on": day, "from_currency": pair[0], "to_currency": pair[1], "rate": rate}


def test_an_amount_in_the_base_currency_is_kept_to_the_last_decimal_without_any_rate():
    """G-14: decimal, never float."""
    assert Decimal("99999999999999.1234") == converted("99999999999999.1234", "EUR", "2026-03-02", [])


def test_an_amount_is_converted_at_the_rate_of_its_day():
    fx = [usd("2026-03-01", "0.80"), usd("2026-03-02", "0.90"), usd("2026-03-03", "1.00")]

    assert Decimal("90.0000") == converted("100", "USD", "2026-03-02", fx)


def test_the_last_rate_serves_over_a_gap_of_ten_days_and_no_longer():
    fx = [usd("2026-03-01", "0.80")]

    assert Decimal("80.0000") == converted("100", "USD", "2026-03-11", fx)
    assert converted("100", "USD", "2026-03-12", fx) is None


def test_a_later_rate_does_not_serve_an_earlier_day():
    assert converted("100", "USD", "2026-02-28", [usd("2026-03-01", "0.80")]) is None


def test_a_missing_rate_or_currency_leaves_the_base_amount_unknown():
    """G-14: no rate is not a rate of one, and not zero."""
    fx = [usd("2026-03-01", "0.80")]

    assert converted("100", "GBP", "2026-03-01", fx) is None
    assert converted("100", None, "2026-03-01", fx) is None
    assert converted(None, "USD", "2026-03-01", fx) is None


def test_a_pair_quoted_the_other_way_round_is_inverted_and_a_direct_quotation_wins():
    inverse = usd("2026-03-01", "1.25", ("EUR", "USD"))

    assert Decimal("80.0000") == converted("100", "USD", "2026-03-01", [inverse])
    assert Decimal("81.0000") == converted("100", "USD", "2026-03-01", [inverse, usd("2026-03-01", "0.81")])


def test_a_rate_quoted_twice_on_one_day_does_not_double_the_row():
    fx = [usd("2026-03-01", "0.80"), usd("2026-03-01", "0.80")]

    assert Decimal("80.0000") == converted("100", "USD", "2026-03-01", fx)


def test_a_ratio_keeps_four_decimals_and_is_unknown_over_zero():
    table = landed_table("opportunity", [{"amount": "100", "term_months": "3"}, {"amount": "1", "term_months": "0"}])

    rows = collect(table.select("id", value=ratio(table.amount, table.term_months)), "id")

    assert [Decimal("33.3333"), None] == [row["value"] for row in rows]


def test_conversion_compiles_for_postgresql():
    deals = ibis.table({"amount": "decimal(18, 4)", "currency": "string", "day_on": "date"}, name="deals")
    fx = landed_table("fx_rate", [])

    assert "LEFT OUTER JOIN" in str(
        ibis.to_sql(
            with_base(deals, fx, settings(), amounts={"amount_base": "amount"}, day="day_on"), dialect="postgres"
        )
    )


def test_large_foreign_amounts_do_not_overflow():
    """G-14: a hundred million dollars are converted to the hundredth of a cent."""
    found = converted("123456789.0123", "USD", "2026-03-02", [usd("2026-03-02", "0.923456789")])
    assert found == Decimal("114007009.9615")
