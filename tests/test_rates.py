"""Rates of the ECB: through the euro, where no other serves, and how old they may be."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import ibis
import pytest

from cadran.canonical import ecb
from cadran.canonical.money import rates, through_euro, with_base
from cadran.canonical.settings import Constant, MoneySettings, money_settings
from cadran.config import Project
from cadran.errors import ConfigError
from cadran.jobs.rates import rates_of, reference_rates
from tables import collect, landed_table, settings

DAY = date(2026, 3, 6)


def of(day, currency, rows):
    return [
        row["rate"] for row in rows if row["day_on"] == day and currency in (row["from_currency"], row["to_currency"])
    ]


def test_the_file_has_what_the_ecb_published():
    """From the ECB's own pages: the first day of the euro, and a Friday before a week-end without rates."""
    rows = ecb.reference("EUR", ["USD"], date(1999, 1, 4), date(1999, 1, 4), {})
    assert of(date(1999, 1, 4), "USD", rows) == [Decimal("1.1789")]
    assert [row["day_on"].weekday() for row in ecb.reference("EUR", ["USD"], DAY, DAY + timedelta(days=6), {})].count(
        5
    ) == 0


def test_cross_rates_go_through_the_euro():
    dollar, pound = (of(DAY, name, ecb.reference("EUR", [name], DAY, DAY, {}))[0] for name in ("USD", "GBP"))
    found = of(DAY, "GBP", ecb.reference("USD", ["GBP"], DAY, DAY, {}))[0]
    per_euro = 1 / pound  # the pound is dearer than the euro, hence quoted for one pound
    assert found == pytest.approx(dollar * pound, abs=Decimal("1e-8"))
    assert per_euro < 1


def test_reference_rates_leave_days_that_other_rates_serve():
    served = {"USD": [DAY - timedelta(days=age) for age in range(0, 60, 10)]}
    assert ecb.reference("EUR", ["USD"], DAY - timedelta(days=30), DAY, served) == []
    rows = ecb.reference("EUR", ["USD"], DAY - timedelta(days=30), DAY + timedelta(days=11), served)
    assert {row["day_on"] for row in rows} >= {date(2026, 3, 9), date(2026, 3, 17)}
    assert min(row["day_on"] for row in rows) > DAY - timedelta(days=1)
    assert ecb.reference("XAF", ["USD"], DAY, DAY, {}) == []


def quoted(fx, base="EUR"):
    found = collect(rates(landed_table("fx_rate", fx), base), ("fx_currency", "fx_on"))
    return {(row["fx_currency"], row["fx_on"]): row for row in found}


def test_what_somebody_wrote_goes_before_the_crm_and_both_before_the_ecb():
    pair = {"from_currency": "USD", "to_currency": "EUR"}
    found = quoted(
        [
            {"day_on": "2026-03-02", "rate": "0.70", "source_system": "cadran", **pair},
            {"day_on": "2026-03-05", "rate": "0.80", "source_system": "salesforce", **pair},
            {"day_on": "2026-03-06", "rate": "0.90", "source_system": "ecb", **pair},
            {"day_on": "2026-03-20", "rate": "0.95", "source_system": "ecb", **pair},
        ]
    )
    said = {day: found["USD", day]["fx_rate"] for day in (date(2026, 3, 6), date(2026, 3, 13), date(2026, 3, 16))}
    assert list(said.values()) == [Decimal("0.7"), Decimal("0.8"), Decimal("0.9")]
    assert found["USD", date(2026, 3, 20)]["fx_source"] == "ecb"
    assert found["USD", date(2026, 3, 16)]["quoted_on"] == date(2026, 3, 6)
    assert ("USD", date(2026, 3, 19)) not in found


def test_a_small_currency_keeps_its_digits():
    found = quoted([{"day_on": "2026-03-06", "rate": "20275.17", "from_currency": "EUR", "to_currency": "IDR"}])
    assert found["IDR", DAY]["fx_rate"] == Decimal("0.000049321411")


def test_rates_for_a_euro_serve_another_base():
    euros = [
        {"day_on": "2026-03-06", "rate": "1.25", "from_currency": "EUR", "to_currency": "USD", "source_system": "ecb"},
        {"day_on": "2026-03-06", "rate": "0.80", "from_currency": "EUR", "to_currency": "GBP", "source_system": "ecb"},
    ]
    fx = landed_table("fx_rate", euros)
    assert ("GBP", DAY) not in quoted(euros, "USD")
    found = collect(rates(fx.union(through_euro(fx, "USD")), "USD"), ("fx_currency", "fx_on"))
    assert {row["fx_currency"]: row["fx_rate"] for row in found if row["fx_on"] == DAY} == {
        "EUR": Decimal("1.25"),
        "GBP": Decimal("1.5625"),
    }


def made(tmp_path, extra, **tables):
    names = ("opportunity", "subscription", "spend", "quota", "forecast_submission", "fx_rate")
    every = {name: landed_table(name, tables.get(name, [])) for name in names}
    project = Project(root=tmp_path, company="x", extra=extra)
    every["fx_rate"] = rates_of(every, project)
    con = ibis.duckdb.connect()
    return reference_rates(every, project, datetime(2026, 3, 10), con.to_pyarrow)


def test_a_build_takes_the_rates_of_the_currencies_and_days_of_its_amounts(tmp_path):
    deal = {"created_at": "2026-03-02T10:00", "currency": "USD", "amount": "100"}
    rows, told = made(tmp_path, {}, opportunity=[deal, {**deal, "currency": "EUR"}, {**deal, "currency": "ZZZ"}])
    assert set(rows["to_currency"].to_pylist()) == {"USD"}
    days = rows["day_on"].to_pylist()
    assert (min(days), max(days)) == (date(2026, 2, 20), date(2026, 3, 10))
    assert [(each.code, each.params["currencies"]) for each in told] == [("reference_rates", "USD")]
    assert made(tmp_path, {"money": {"reference_rates": "none"}}, opportunity=[deal]) == (None, [])
    assert made(tmp_path, {}, opportunity=[{**deal, "currency": "EUR"}]) == (None, [])


def test_the_money_settings_say_what_is_wrong(tmp_path):
    plan = {"money": {"plan_rates": {"USD": 0.92}}}
    assert money_settings(Project(tmp_path, "x", extra=plan)) == MoneySettings(True, (("USD", Decimal("0.92")),))
    for wrong in ({"plan": 1}, {"reference_rates": "fed"}, {"plan_rates": {"USD": -1}}, {"plan_rates": {"usd": 1}}):
        with pytest.raises(ConfigError):
            money_settings(Project(tmp_path, "x", extra={"money": wrong}))


def told(day, constant):
    fx = [
        {"day_on": day, "rate": rate, "from_currency": "USD", "to_currency": "EUR"}
        for day, rate in (("2026-03-02", "0.80"), ("2026-03-04", "0.90"))
    ]
    rows = landed_table("spend", [{"id": "a", "amount": "100", "currency": "USD", "day_on": day}])
    asked = replace(settings(), constant=constant)
    found = with_base(rows, landed_table("fx_rate", fx), asked, amounts={"amount_base": "amount"}, day="day_on")
    return collect(found)[0]["amount_base"]


def test_constant_currency_takes_one_rate_whatever_the_day():
    assert [told(day, None) for day in ("2026-03-02", "2026-03-05")] == [Decimal(80), Decimal(90)]
    on = Constant(on=date(2026, 3, 3))
    assert [told(day, on) for day in ("2026-03-02", "2026-03-05", "2020-01-01")] == [Decimal(80)] * 3
    plan = Constant(plan=(("USD", Decimal("0.5")),))
    assert [told(day, plan) for day in ("2026-03-02", "2020-01-01")] == [Decimal(50)] * 2
    assert told("2026-03-02", Constant(on=date(2026, 3, 1))) is None
