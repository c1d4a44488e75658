"""What the sample company plans and spends: quotas, weekly forecasts, costs, working time, exchange rates."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import holidays

from cadran.period import Calendar, Period, shift_months
from cadran.sources.demo_chance import SATURDAY, paris_day, utc_at, utc_clock
from cadran.sources.demo_files import Export, Row, comma, plain, words
from cadran.sources.demo_world import CURRENCY, Rep, World

if TYPE_CHECKING:
    from collections.abc import Iterator

CENT = Decimal("0.01")
#: Quarterly quota of a trained seller, by market and segment, at the start.
QUOTAS = {
    ("FR", "SMB"): 16_000,
    ("FR", "Mid-market"): 42_000,
    ("FR", "Enterprise"): 95_000,
    ("US", "SMB"): 34_000,
    ("US", "Mid-market"): 90_000,
    ("US", "Enterprise"): 105_000,
}
PAY = {"sdr": 4300, "ae": 7200, "csm": 5600, "manager": 11_500, "marketing": 6200}
TIME_SHARES = {
    "Vente": (True, 0.29),
    "Préparation et recherche": (False, 0.19),
    "Saisie CRM et administratif": (False, 0.24),
    "Réunions internes": (False, 0.18),
    "Formation": (False, 0.1),
}


def quarters(world: World, *, ahead: int = 0) -> list[Period]:
    """The quarters of the sample, and some after it."""
    end = shift_months(world.span.until + timedelta(days=1), 3 * ahead)
    return Calendar().periods("quarter", world.span.start, end)


def quotas(world: World) -> Export:
    """One row per seller, segment and quarter, the coming one included."""
    rows: list[Row] = []
    for number, quarter in enumerate(quarters(world, ahead=1)):
        for rep in _sellers(world, quarter):
            tenure = (quarter.start - rep.start).days
            trained = Decimal("0.5") if tenure < 60 else Decimal("0.75") if tenure < 150 else Decimal(1)
            for segment in rep.segments:
                amount = QUOTAS[rep.market, segment] * (1 + Decimal(number) * Decimal("0.04")) * trained
                rows.append(
                    ["bookings", "owner", rep.name, rep.id, segment, rep.market, str(quarter.start), str(quarter.end),
                     plain(amount.quantize(Decimal(1))), CURRENCY[rep.market]]
                )  # fmt: skip
    headers = words("metric scope_type scope owner_id segment market start_on end_on amount currency")
    return Export(f"quotas_{world.span.exported_on}.csv", headers, rows, "quota", world.span.exported_on)


def _sellers(world: World, quarter: Period) -> list[Rep]:
    return [
        rep
        for rep in world.reps
        if rep.role == "ae"
        and rep.start < quarter.end - timedelta(days=20)
        and (not rep.end or rep.end > quarter.start)
    ]


def forecasts(world: World) -> tuple[Export, dict[tuple[date, str], Decimal]]:
    """Commit and best case of every seller on the first day of a quarter and every Monday of it.

    Returns:
        The export, and what was committed to on first days, by that day and currency.
    """
    chance = world.stream("forecasts")
    rows: list[Row] = []
    planted: dict[tuple[date, str], Decimal] = {}
    for quarter in quarters(world):
        for rep in _sellers(world, quarter):
            won = _bookings(world, rep, quarter)
            total = sum((amount for _, amount in won), Decimal(0))
            optimism = Decimal(str(round(chance.uniform(0.85, 1.3), 3)))
            for day in _forecast_days(quarter, rep, world):
                at = utc_at(day, time(chance.randint(9, 11), chance.randint(0, 59)), rep.market)
                done = sum((amount for moment, amount in won if moment < at), Decimal(0))
                left = Decimal((quarter.end - day).days) / quarter.days
                noise = 1 + (optimism - 1) * left + Decimal(str(round(chance.gauss(0, 0.1), 3))) * left
                hoped = Decimal(QUOTAS[rep.market, rep.segments[0]]) * left * Decimal("0.25")
                commit = done + max(Decimal(0), (total - done) * noise * Decimal("0.94")) + hoped * Decimal("0.4")
                best = commit * Decimal(str(round(chance.uniform(1.12, 1.4), 3))) + hoped
                if day == quarter.start:
                    key = (day, CURRENCY[rep.market])
                    planted[key] = planted.get(key, Decimal(0)) + commit.quantize(Decimal(10))
                for category, amount in (("commit", commit), ("best_case", best)):
                    rows.append(
                        [str(quarter.start), str(quarter.end), "owner", rep.name, rep.id, category,
                         plain(amount.quantize(Decimal(10))), CURRENCY[rep.market], "human", utc_clock(at)]
                    )  # fmt: skip
    headers = words("start_on end_on scope_type scope owner_id category amount currency method submitted_at")
    name = f"forecast_submissions_{world.span.exported_on}.csv"
    return Export(name, headers, rows, "forecast_submission", world.span.exported_on), planted


def _bookings(world: World, rep: Rep, quarter: Period) -> list[tuple[datetime, Decimal]]:
    return [
        (deal.closed_at, deal.amount or Decimal(0))
        for deal in world.deals
        if deal.owner is rep
        and deal.is_won
        and not deal.is_test
        and deal.closed_at
        and quarter.contains(paris_day(deal.closed_at))
    ]


def _forecast_days(quarter: Period, rep: Rep, world: World) -> Iterator[date]:
    """The first day of a quarter and its Mondays, while the seller is there."""
    monday = quarter.start + timedelta(days=-quarter.start.weekday() % 7)
    mondays = (monday + timedelta(days=7 * week) for week in range(15))
    for day in sorted({quarter.start, *mondays}):
        if day < min(quarter.end, world.span.until) and rep.works_on(day):
            yield day


def costs(world: World) -> Export:
    """Sales and marketing costs that no advertising export has, as the finance team keeps them."""
    chance = world.stream("costs")
    rows: list[Row] = []
    for month in Calendar().periods("month", world.span.start, world.span.until + timedelta(days=1)):
        last = month.end - timedelta(days=1)
        for line in (*_salaries(world, last), *_bills(world, last)):
            jitter = Decimal(str(round(chance.uniform(0.97, 1.06), 4)))
            day, platform, category, department, market, amount, currency, key = line
            rows.append(
                [f"{day:%d/%m/%Y}", platform, category, department, market, comma(amount * jitter), currency, key]
            )
    broken = [f"{world.span.until:%d/%m/%Y}", "Agence Corbeau", "agency", "marketing", "FR", "à facturer", "EUR", ""]
    rows.insert(len(rows) // 2, broken)
    headers = words("day_on platform category department market amount currency allocation_key")
    return Export(
        f"spend_{world.span.exported_on}.csv", headers, rows, "spend", world.span.exported_on,
        delimiter=";", encoding="cp1252", n_malformed=1,
    )  # fmt: skip


Line = tuple[date, str, str, str, str, Decimal, str, str]


def _salaries(world: World, last: date) -> Iterator[Line]:
    for market, currency in CURRENCY.items():
        for department, roles in (("sales", ("sdr", "ae", "manager")), ("marketing", ("marketing",))):
            staff = [r for r in world.reps if r.market == market and r.role in roles and r.works_on(last)]
            total = sum((Decimal(PAY[rep.role]) for rep in staff), Decimal(0))
            if total:
                factor = Decimal("1.42") if market == "FR" else Decimal("1.75")
                yield last, "Paie", "salary", department, market, total * factor, currency, ""


def _bills(world: World, last: date) -> Iterator[Line]:
    staff = Decimal(sum(rep.works_on(last) for rep in world.reps))
    yield last, "HubSpot", "tooling", "sales", "", staff * 145, "EUR", "headcount"
    yield last, "Outils marketing", "tooling", "marketing", "", Decimal(2150), "EUR", "headcount"
    yield last, "Agence Corbeau", "agency", "marketing", "FR", Decimal(3400), "EUR", ""
    if last >= world.span.us_entry:
        yield last, "Northpeak PR", "agency", "marketing", "US", Decimal(5200), "USD", ""
    if last.month in {3, 6, 9, 11}:
        yield last - timedelta(days=12), "Salon", "event", "marketing", "FR", Decimal(16_500), "EUR", ""
    if last >= world.span.us_entry and last.month in {5, 10}:
        yield last - timedelta(days=9), "Trade show", "event", "marketing", "US", Decimal(24_000), "USD", ""


def time_entries(world: World) -> Export:
    """Minutes of each seller by category, filled in every Friday; some weeks are missing."""
    chance = world.stream("time")
    rows: list[Row] = []
    people = [rep for rep in world.reps if rep.role in {"ae", "sdr"}]
    for day in world.span.days():
        if day.weekday() != SATURDAY - 1:
            continue
        for rep in people:
            if not rep.works_on(day) or chance.hits(0.07) or world.seasons.weight(day, rep.market) < 0.35:
                continue
            for category, (sells, share) in TIME_SHARES.items():
                minutes = max(0, round(2250 * share * chance.near(1, 0.18)))
                rows.append([rep.id, str(day), category, "true" if sells else "false", str(minutes)])
    # somebody wrote a thousand with a comma, which makes one cell too many
    rows.insert(len(rows) // 3, [*rows[len(rows) // 3][:4], "1", "240"])
    headers = words("owner_id day_on category is_selling minutes")
    name = f"time_entries_{world.span.exported_on}.csv"
    return Export(name, headers, rows, "time_entry", world.span.exported_on, n_malformed=1)


def rates(world: World) -> dict[date, Decimal]:
    """Euros for one dollar on every day that the central bank publishes it."""
    chance = world.stream("rates")
    first = world.span.start - timedelta(days=150)
    closed = holidays.financial_holidays("ECB", years=range(first.year, world.span.until.year + 1))
    found: dict[date, Decimal] = {}
    rate, day = 0.921, first
    while day <= world.span.until:
        if day.weekday() < SATURDAY and day not in closed:
            rate += chance.gauss(0, 0.0032) + (0.905 - rate) * 0.01
            found[day] = Decimal(str(round(rate, 6)))
        day += timedelta(days=1)
    return found


def fx_rates(world: World) -> Export:
    """The daily rates as a file."""
    rows = [[str(day), "USD", "EUR", f"{rate:.6f}"] for day, rate in rates(world).items()]
    headers = words("day_on from_currency to_currency rate")
    return Export(f"fx_rates_{world.span.exported_on}.csv", headers, rows, "fx_rate", world.span.exported_on)
