"""What the sample company's marketing tools say: web sessions, search results, adverts, touches."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from cadran.sources.demo_chance import Chance, unambiguous, utc_clock
from cadran.sources.demo_files import Export, Row, plain, words
from cadran.sources.demo_leads import UNMAPPED_UTMS
from cadran.sources.demo_planted import AdTotals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from cadran.sources.demo_world import Deal, Lead, World

#: Channel group, source, medium, landing page and sessions of an ordinary day.
TRAFFIC = (
    ("Organic Search", "google", "organic", "/fr/blog/kpi-b2b", 118),
    ("Organic Search", "bing", "organic", "/fr/produit", 14),
    ("Direct", "(direct)", "(none)", "/fr", 74),
    ("Paid Search", "google", "cpc", "/fr/demo", 41),
    ("Paid Social", "linkedin", "paid_social", "/fr/livre-blanc", 36),
    ("Organic Social", "linkedin", "social", "/fr/blog/prevision", 22),
    ("Referral", "partner.example", "referral", "/fr/partenaires", 15),
    ("Email", "newsletter", "email", "/fr/blog/pipeline", 19),
    ("Organic Search", "google", "organic", "/en/blog/sales-metrics", 38),
    ("Paid Search", "google", "cpc", "/en/demo", 30),
    ("Direct", "(direct)", "(none)", "/en", 26),
)
#: Campaign, type, market, cost of an ordinary day, and clicks for a hundred euros.
ADS = (
    ("FR | Marque", "Search", "FR", 24, 62),
    ("FR | Générique RevOps", "Search", "FR", 88, 21),
    ("US | Brand", "Search", "US", 30, 40),
    ("US | Revenue analytics", "Search", "US", 145, 13),
)
#: Account, currency, group, campaign, market and cost of an ordinary day.
SPONSORED = (
    ("Lisière FR", "EUR", "Acquisition FR", "Livre blanc KPI", "FR", 72),
    ("Lisière FR", "EUR", "ABM FR", "Comptes cibles ETI", "FR", 38),
    ("Lisiere US", "USD", "Demand gen US", "KPI playbook", "US", 118),
)


def marketing(world: World) -> tuple[list[Export], AdTotals]:
    """Every marketing export, and what was planted in them."""
    google, google_spend = _google_ads(world)
    linkedin, linkedin_spend = _linkedin_ads(world)
    web, sessions = _web(world)
    search, clicks, impressions = _search(world)
    exports = [google, linkedin, web, search, _touches(world)]
    return exports, AdTotals({**google_spend, **linkedin_spend}, sessions, clicks, impressions)


def _grown(world: World, day: date, market: str) -> float:
    months = (day - world.span.start).days / 30.4
    return world.seasons.weight(day, market) * (0.8 + 0.025 * months)


def _google_ads(world: World) -> tuple[Export, dict[tuple[str, str], Decimal]]:
    chance = world.stream("google-ads")
    rows: list[Row] = []
    total = Decimal(0)
    for day in world.span.days():
        for campaign, kind, market, cost, rate in ADS:
            if market == "US" and day < world.span.us_entry:
                continue
            spent = Decimal(str(round(cost * chance.near(_grown(world, day, market), 0.2), 2)))
            clicks = round(float(spent) * rate / 100 * chance.near(1, 0.15))
            found = [clicks * chance.randint(9, 24), clicks, round(clicks * chance.uniform(0.02, 0.07), 1)]
            impressions, _, conversions = found
            rows.append(
                [str(day), campaign, kind, "EUR", plain(spent), str(impressions), str(clicks), f"{conversions:.2f}"]
            )
            total += spent
    start, end = (f"{d:%B} {d.day}, {d.year}" for d in (world.span.start, world.span.until))
    sums = [str(sum(int(row[column]) for row in rows)) for column in (5, 6)]
    export = Export(
        f"google-ads-campaigns-{world.span.exported_on}.csv",
        ["Day", "Campaign", "Campaign type", "Currency code", "Cost", "Impr.", "Clicks", "Conversions"],
        rows,
        "spend",
        world.span.exported_on,
        before=("Campaign report", f'"{start} - {end}"'),
        after=(
            ["Total: Account", "--", "--", "EUR", plain(total), *sums, "--"],
            ["Total: Search", "--", "--", "EUR", plain(total), *sums, "--"],
        ),
    )
    return export, {("google_ads", "EUR"): total}


def _linkedin_ads(world: World) -> tuple[Export, dict[tuple[str, str], Decimal]]:
    chance = world.stream("linkedin-ads")
    rows: list[Row] = []
    totals: dict[tuple[str, str], Decimal] = {}
    for day in world.span.days():
        for account, currency, group, campaign, market, cost in SPONSORED:
            if market == "US" and day < world.span.us_entry:
                continue
            spent = Decimal(str(round(cost * chance.near(_grown(world, day, market), 0.2), 2)))
            clicks = round(float(spent) / chance.uniform(5, 9))
            impressions = clicks * chance.randint(90, 210)
            share = clicks / impressions * 100 if impressions else 0
            when = f"{day.month}/{day.day}/{day.year}"
            rows.append(
                [when, account, currency, group, campaign, plain(spent), str(impressions), str(clicks),
                 f"{share:.2f}%", str(round(clicks * chance.uniform(0.02, 0.12)))]
            )  # fmt: skip
            totals["linkedin_ads", currency] = totals.get(("linkedin_ads", currency), Decimal(0)) + spent
    start, end = (f"{d:%B} {d.day}, {d.year}" for d in (world.span.start, world.span.until))
    export = Export(
        f"linkedin-campaign-performance-{world.span.exported_on}.csv",
        ["Start Date (in UTC)", "Account Name", "Currency", "Campaign Group Name", "Campaign Name", "Total Spent",
         "Impressions", "Clicks", "Click Through Rate", "Leads"],
        rows, "spend", world.span.exported_on,
        before=("Campaign Performance Report (in UTC)", f'"Report Start: {start}, 12:00 AM"',
                f'"Report End: {end}, 11:59 PM"', f'"Date Generated: {end}, 8:30 PM"'),
        delimiter="\t", encoding="utf-16-le",
    )  # fmt: skip
    return export, totals


def _web(world: World) -> tuple[Export, int]:
    chance = world.stream("web")
    rows: list[Row] = []
    for day in world.span.days():
        for channel, source, medium, page, usual in TRAFFIC:
            market = "US" if page.startswith("/en") else "FR"
            level = 0.2 if market == "US" and day < world.span.us_entry else 1.0
            sessions = round(usual * level * chance.near(max(0.25, _grown(world, day, market)), 0.12))
            rows.append(_sessions(chance, day, (channel, source, medium, page), sessions))
        if chance.hits(0.2):
            source, medium, _ = chance.choice(UNMAPPED_UTMS)
            rows.append(_sessions(chance, day, ("Unassigned", source, medium, "/fr/demo"), chance.randint(2, 14)))
    total = [str(sum(int(row[column]) for row in rows)) for column in range(5, 11)]
    bounds = (f"# Start date: {world.span.start:%Y%m%d}", f"# End date: {world.span.until:%Y%m%d}")
    line = "# ----------------------------------------"
    export = Export(
        f"ga4-traffic-acquisition-{world.span.exported_on}.csv",
        ["Date", "Session primary channel group (Default channel group)", "Session source", "Session medium",
         "Landing page", "Sessions", "Engaged sessions", "Total users", "New users", "Views", "Key events"],
        rows, "web_session_daily", world.span.exported_on,
        before=(line, "# Traffic acquisition", "# Lisière Logiciels - GA4", line, *bounds, line),
        after=(["", "Grand total", "", "", "", *total],),
    )  # fmt: skip
    return export, int(total[0])


def _sessions(chance: Chance, day: date, where: tuple[str, str, str, str], sessions: int) -> Row:
    users = round(sessions * chance.uniform(0.78, 0.92))
    counts = (
        sessions, round(sessions * chance.uniform(0.48, 0.68)), users, round(users * chance.uniform(0.55, 0.8)),
        round(sessions * chance.uniform(1.7, 2.9)), round(sessions * chance.uniform(0.01, 0.035)),
    )  # fmt: skip
    return [f"{day:%Y%m%d}", *where, *(str(count) for count in counts)]


def _search(world: World) -> tuple[Export, int, int]:
    chance = world.stream("search")
    rows: list[Row] = []
    for day in world.span.days():
        impressions = round(3900 * chance.near(max(0.3, _grown(world, day, "FR")), 0.1))
        clicks = round(impressions * chance.uniform(0.021, 0.034))
        rate = f"{clicks / impressions * 100:.2f}".replace(".", ",")
        position = f"{chance.uniform(13, 19):.2f}".replace(".", ",")
        rows.append([str(day), str(clicks), str(impressions), f"{rate} %", position])
    export = Export(
        f"search-console-dates-{world.span.exported_on}.csv",
        ["Date", "Clics", "Impressions", "CTR", "Position"], rows, "search_performance", world.span.exported_on,
    )  # fmt: skip
    return export, sum(int(row[1]) for row in rows), sum(int(row[2]) for row in rows)


def _touches(world: World) -> Export:
    """What marketing saw of each person and account before sales did."""
    chance = world.stream("touches")
    rows: list[Row] = []
    deals = {deal.lead.id: deal for deal in world.deals if deal.lead}
    for lead in world.leads:
        if lead.is_test or lead.duplicate_of:
            continue
        for touch in _path(chance, lead, deals.get(lead.id)):
            rows.append([f"t{len(rows) + 1:06d}", *touch])
    headers = words("id lead_id account_id opportunity_id source medium campaign landing_page touch_type occurred_at")
    name = f"marketing_touches_{world.span.exported_on}.csv"
    return Export(name, headers, rows, "marketing_touch", world.span.exported_on)


def _path(chance: Chance, lead: Lead, deal: Deal | None) -> Iterator[Row]:
    source, medium, campaign = lead.utm
    who = [lead.id, lead.company.id, deal.id if deal else ""]
    for _ in range(chance.times(2.2 if deal else 0.5)):
        at = _earlier(chance, lead.created)
        _, *seen, page, _ = chance.choice(TRAFFIC)
        yield [*who, *seen, "", page, "visit", utc_clock(at)]
    if not lead.is_outbound:
        page = "/en/demo" if lead.company.market == "US" else "/fr/demo"
        yield [*who, source, medium, campaign, page, "form", utc_clock(lead.created)]


def _earlier(chance: Chance, moment: datetime) -> datetime:
    return unambiguous(moment - timedelta(minutes=chance.randint(30, 75 * 24 * 60)))
