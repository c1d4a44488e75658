"""The sample company: the same bytes for a seed, true to what it says it planted, and like a real one."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from itertools import pairwise

import ibis
import pyarrow as pa
import pytest

from cadran.canonical.evidence import decide, evidence
from cadran.canonical.mapping import bind, load_mappings, match, shipped_mappings
from cadran.catalogue.load import load_catalogue
from cadran.config import load_project
from cadran.errors import ConfigError
from cadran.period import Calendar, Period, shift_months
from cadran.sources.base import Tally
from cadran.sources.demo import write_company
from cadran.sources.files import inspect, read

DAY = "2026-06-30"
DEALS = f"hubspot-crm-exports-all-deals-{DAY}.csv"
DEALS_THEN = "hubspot-crm-exports-toutes-les-transactions-2026-03-31.csv"
CONTACTS = f"hubspot-crm-exports-all-contacts-{DAY}.csv"
SUBSCRIPTIONS = f"stripe-subscriptions-{DAY}.csv"
VENDORS = ("google-ads", "linkedin", "ga4", "search-console")
LINKEDIN = f"linkedin-campaign-performance-{DAY}.csv"


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    folder = tmp_path_factory.mktemp("company")
    return folder, write_company(folder)


@pytest.fixture(scope="module")
def truths(company):
    return company[1]


def digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def table(company, name, encoding="utf-8-sig"):
    text = (company[0] / "exports" / name).read_text(encoding=encoding)
    return list(csv.DictReader(text.splitlines()))


def cell_instant(text):
    return datetime.fromisoformat(text)


# The same for a seed


def test_the_same_seed_gives_the_same_bytes_and_truths(company, tmp_path):
    folder, truths = company
    assert write_company(tmp_path) == truths
    assert digest(tmp_path) == digest(folder)


def test_another_seed_gives_another_company(company, tmp_path):
    folder, truths = company
    assert write_company(tmp_path, seed=8).deals != truths.deals
    assert digest(tmp_path) != digest(folder)


def test_it_ends_on_the_day_that_is_asked_for(tmp_path):
    truths = write_company(tmp_path, until=date(2025, 2, 28))
    assert (truths.start, truths.until) == (date(2023, 3, 1), date(2025, 2, 28))
    assert max(deal.created_on for deal in truths.deals) <= date(2025, 2, 28)
    assert f"activities_{truths.until}.csv" in truths.files


def test_it_does_not_write_over_a_project(company):
    with pytest.raises(ConfigError, match="already a project"):
        write_company(company[0])


def test_it_says_what_it_has_written(tmp_path):
    told = {}
    truths = write_company(tmp_path, progress=told.__setitem__)
    assert told == {name: file.n_rows for name, file in truths.files.items()}


# Readable


def test_its_settings_and_targets_can_be_read(company):
    project = load_project(company[0])
    assert (project.company, project.currency, project.zone.key) == ("Lisière Logiciels", "EUR", "Europe/Paris")
    catalogue, issues = load_catalogue(project.catalogue)
    assert list(issues) == []
    assert [target.value for target in catalogue.kpi("nrr").targets] == [Decimal("1.10")]
    assert "us_launch" in [board.id for board in catalogue.boards]


@pytest.fixture(scope="module")
def mappings(company):
    return (*load_mappings(company[0] / "mappings"), *shipped_mappings())


def test_every_row_of_every_file_is_accounted_for(company):
    folder, truths = company
    for name, planted in truths.files.items():
        shape, tally = inspect(folder / "exports" / name), Tally()
        n_rows = sum(batch.num_rows for batch in read(folder / "exports" / name, shape, tally))
        assert n_rows + len(tally.set_aside) == planted.n_rows, name
        assert tally.n_totals == planted.n_totals, name
        assert shape.exported_at.date() == (date(2026, 3, 31) if name == DEALS_THEN else truths.until)


def raises_no_question(path, mappings, entity):
    """The mapping that reads the file, once it is clear that no column of it can be read two ways."""
    shape = inspect(path)
    found = match(path.name, shape.headers, mappings)
    assert found, f"{path.name} is recognised by no mapping"
    bound = bind(found, shape.headers)
    assert bound.entities[0].entity == entity, path.name
    raw = ibis.memtable(pa.Table.from_batches(list(read(path, shape, Tally()))))
    (row,) = ibis.duckdb.connect().to_pyarrow(evidence(raw, bound)).to_pylist()
    decide(bound, row, "EUR")
    return found


def test_its_own_files_are_recognised_without_a_question(company, mappings):
    folder, truths = company
    own = [name for name in truths.files if not name.startswith(VENDORS)]
    found = {name: raises_no_question(folder / "exports" / name, mappings, truths.files[name].entity) for name in own}
    assert {mapping.name for mapping in found.values() if mapping.is_shipped} == {"cadran_spend", "cadran_fx_rate"}
    assert found[DEALS] == found[DEALS_THEN]


@pytest.mark.parametrize("vendor", VENDORS)
def test_files_of_known_vendors_need_no_mapping_of_the_project(company, mappings, vendor):
    if not (files("cadran") / "mappings").is_dir():
        pytest.skip("no mapping of a vendor comes with this version of Cadran")
    folder, truths = company
    (name,) = (name for name in truths.files if name.startswith(vendor))
    shipped = tuple(mapping for mapping in mappings if mapping.is_shipped)
    assert raises_no_question(folder / "exports" / name, shipped, truths.files[name].entity).is_shipped


def test_five_rows_are_broken_on_purpose(company, truths):
    assert sum(file.n_malformed for file in truths.files.values()) == 5
    assert [row["Amount"] for row in table(company, DEALS) if row["Record ID"] == "39999999999"] == ["12 k€ ou 15 k€"]
    assert [row["Create Date"] for row in table(company, CONTACTS) if "impossible" in row["Email"]] == [
        "2025-02-30 10:15"
    ]


def test_its_vendors_write_as_they_do(company):
    folder = company[0] / "exports"
    assert (folder / LINKEDIN).read_bytes()[:2] == b"\xff\xfe"
    assert (folder / f"google-ads-campaigns-{DAY}.csv").read_text().startswith("Campaign report")
    assert "Phase de la transaction" in (folder / DEALS_THEN).read_text(encoding="utf-8-sig").splitlines()[0]
    assert any(row["Montant"].endswith(",82") for row in table(company, DEALS_THEN))
    assert b";" in (folder / f"spend_{DAY}.csv").read_bytes().splitlines()[0]


# True to what was planted


def test_the_last_export_shows_every_deal_as_it_ended(company, truths):
    rows = {row["Record ID"]: row for row in table(company, DEALS) if row["Record ID"] != "39999999999"}
    assert set(rows) == {deal.id for deal in truths.deals}
    for deal in truths.deals:
        row = rows[deal.id]
        assert row["Deal Stage"] == deal.path[-1][0]
        assert row["Amount"] == ("" if deal.amount is None else f"{deal.amount:.2f}")
        if deal.closed_on:
            assert cell_instant(row["Close Date"]).date() == deal.closed_on


def test_the_stages_of_a_deal_can_be_put_together_again(company, truths):
    """T-02: the export keeps one date per stage; earlier entries stand in the list of the team."""
    entered = Counter()
    for row in table(company, DEALS):
        for header, cell in row.items():
            if header.startswith("Date entered") and cell and row["Record ID"] != "39999999999":
                entered[row["Record ID"]] += 1
    entered.update(row["entity_id"] for row in table(company, f"stage_history_{DAY}.csv"))
    assert entered == {deal.id: len(deal.path) for deal in truths.deals}


def test_the_earlier_export_shows_the_deals_as_they_were(company, truths):
    then = datetime(2026, 3, 31, 21, 59)  # the evening in Paris, in UTC
    rows = {row["ID de fiche d'informations"]: row["Phase de la transaction"] for row in table(company, DEALS_THEN)}
    expected = {d.id: [s for s, at in d.path if at <= then][-1] for d in truths.deals if d.path[0][1] <= then}
    assert rows == expected
    assert sum(row["Propriétaire de la transaction"] == "" for row in table(company, DEALS_THEN)) == 0


def test_movements_add_up_to_the_balance_of_every_month(truths):
    """T-45: start + movements = end, to the cent, in each currency."""
    for currency in ("EUR", "USD"):
        ends = sorted(day for day, known in truths.mrr if known == currency)
        for before, after in pairwise(ends):
            moved = sum(m.amount for m in truths.movements if m.currency == currency and before < m.moved_on <= after)
            assert truths.mrr[before, currency] + moved == truths.mrr[after, currency]


def test_the_billing_export_gives_the_same_balance(company, truths):
    """T-38: an annual amount is a twelfth of it every month; trials, pauses and ended rows pay nothing."""
    found = Counter()
    for row in table(company, SUBSCRIPTIONS):
        if row["Status"] == "active":
            share = 1 - Decimal(row["Discount %"] or 0) / 100
            monthly = Decimal(row["Amount"]) * int(row["Quantity"]) * share / (12 if row["Interval"] == "year" else 1)
            found[row["Currency"].upper()] += monthly
    assert found == {currency: truths.mrr[truths.until, currency] for currency in ("EUR", "USD")}


def test_revenue_per_month_is_exact_to_the_ten_thousandth(truths):
    """Money is kept to four decimals, so a planted amount must not need more."""
    assert all(amount == amount.quantize(Decimal("0.0001")) for amount in truths.mrr.values())


def test_retention_adds_up(truths):
    """T-75: what is retained is capped by customer, so GRR is at most 100 % and at most NRR."""
    for currency, found in truths.retention.items():
        gained = found.new + found.expansion + found.reactivation
        assert found.start + gained - found.contraction - found.churn == found.end == truths.mrr[truths.until, currency]
        assert truths.mrr[date(2025, 6, 30), currency] == found.start
        assert found.retained <= min(found.start, found.start + found.expansion - found.contraction - found.churn)
    assert truths.retention["EUR"].churn > 0 < truths.retention["EUR"].expansion


def test_duplicates_are_the_planted_ones_and_no_others(company, truths):
    """G-12: the same address in other letters, or the same name at the same domain."""
    rows = {r["Record ID"]: r for r in table(company, CONTACTS)}
    people = Counter((r["First Name"], r["Last Name"], r["Email"].casefold().partition("@")[2]) for r in rows.values())
    assert sum(count - 1 for count in people.values()) == len(truths.duplicates)
    for pair in truths.duplicates:
        kept, other = rows[pair.kept_id], rows[pair.other_id]
        same_address = kept["Email"].casefold() == other["Email"].casefold()
        assert pair.rule == ("email" if same_address else "domain_name")
        assert cell_instant(kept["Create Date"]) < cell_instant(other["Create Date"])


def test_unmapped_utms_and_tests_can_be_counted_in_the_file(company, truths):
    rows = table(company, CONTACTS)
    utms = Counter((r["UTM Source"], r["UTM Medium"], r["UTM Campaign"]) for r in rows)
    for utm, count in truths.unmapped_utms.items():
        assert utms[utm] >= count
    assert sorted(r["Record ID"] for r in rows if r["Contact de test"] == "Oui") == sorted(truths.test_leads)
    assert sum(deal.is_test for deal in truths.deals) == 8


def test_answers_are_counted_once_each(truths):
    """T-13, T-14: silent leads stay in, those written to before they came are apart."""
    found = truths.responses
    assert found.n == found.n_answered + found.n_unanswered + found.n_early
    assert found.n_robot_only < found.n_unanswered
    assert found.survival_minutes > found.median_minutes


def test_the_planted_fall_is_there_and_only_there(truths):
    drop = truths.drop
    before, after = (rate.numerator / rate.denominator for rate in (drop.before, drop.after))
    assert before - after > 0.4
    assert drop.implied_before.denominator >= drop.before.denominator
    for other in {"SMB", "Mid-market", "Enterprise"} - {drop.segment}:
        shares = []
        for start, end in ((shift_months(drop.day, -12), drop.day), (drop.day, date(2026, 6, 1))):
            entered = [
                d for d in truths.deals if d.segment == other and d.type == "new"
                for stage, at in d.path[:1] + d.path[1:] if stage == drop.stage and start <= at.date() < end
            ]  # fmt: skip
            further = {drop.next_stage, "Proposition", "Négociation", "Gagné"}
            shares.append(sum(any(s in further for s, _ in d.path) for d in entered) / len(entered))
        assert shares[1] > shares[0] - 0.12


def test_win_rates_count_closed_deals(truths):
    """T-16: closed basis; tests are left out."""
    quarters = Calendar().periods("quarter", truths.start, truths.until + timedelta(days=1))
    rates = [truths.win_rate(quarter) for quarter in quarters]
    whole = truths.win_rate(Period(truths.start, truths.until + timedelta(days=1)))
    assert sum(rate.numerator for rate in rates) == whole.numerator == truths.outcomes()["won"]
    parts = [truths.win_rate(quarters[-1], segment=s) for s in ("SMB", "Mid-market", "Enterprise")]
    assert sum(part.denominator for part in parts) == rates[-1].denominator


# Like a real company


def months(days):
    return Counter((day.year, day.month) for day in days)


def test_august_and_christmas_are_quiet_in_france(company):
    rows = [r for r in table(company, CONTACTS) if "impossible" not in r["Email"]]
    french = {r["Company name"] for r in table(company, f"hubspot-crm-exports-all-companies-{DAY}.csv")
              if r["Country/Region"] in {"France", "FR", "france"}}  # fmt: skip
    days = [cell_instant(r["Create Date"]).date() for r in rows if r["Associated Company (Primary)"] in french]
    count = months(days)
    assert count[2025, 8] < 0.65 * (count[2025, 6] + count[2025, 9]) / 2
    holidays = sum(date(2025, 12, 22) <= day <= date(2026, 1, 2) for day in days)
    assert holidays < 0.5 * sum(date(2025, 12, 3) <= day <= date(2025, 12, 14) for day in days)


def test_deals_are_won_at_the_end_of_quarters(truths):
    won = [deal.closed_on for deal in truths.deals if deal.outcome == "won" and deal.type == "new"]
    last = [day for day in won if (Calendar().containing(day, "quarter").end - day).days <= 15]
    assert len(last) / len(won) > 0.3  # one day in six is such a day


def test_stages_are_skipped_left_backwards_and_opened_again(truths):
    """T-01, T-02, T-18."""
    assert truths.n_skipped > 20
    assert truths.n_regressed > 10
    assert truths.n_reopened > 10


def test_the_american_team_ramps_up_from_month_nine(truths):
    created = Counter(
        (d.market, Calendar().containing(d.created_on, "quarter").start) for d in truths.deals if not d.is_import
    )
    assert created["US", date(2024, 10, 1)] < 10 < created["US", date(2025, 4, 1)] < created["US", date(2025, 10, 1)]


def test_the_list_was_imported_in_one_minute(truths):
    """T-21."""
    assert len({deal.path[0][1] for deal in truths.deals if deal.is_import}) == 1
    assert sum(deal.is_import for deal in truths.deals) == 60


def test_records_are_as_untidy_as_people_leave_them(company, truths):
    """T-09, T-19, T-36: missing amounts, plans long past, one deal of two million."""
    amounts = [deal.amount for deal in truths.deals]
    assert None in amounts
    assert max(amount for amount in amounts if amount) == 2_000_000
    open_ids = {deal.id for deal in truths.deals if deal.outcome == "open"}
    plans = [r["Close Date"][:10] for r in table(company, DEALS) if r["Record ID"] in open_ids]
    assert sum(plan != "" and plan < DAY for plan in plans) > 20
    assert "" in plans
    companies = table(company, f"hubspot-crm-exports-all-companies-{DAY}.csv")
    assert len({r["Segment"] for r in companies}) > 8


def test_every_kind_of_subscription_is_there(company, truths):
    """T-39 to T-47: upgrades, downgrades, churn, returns, trials, pauses, free months, second subscriptions."""
    assert {m.type for m in truths.movements} == {"new", "expansion", "contraction", "churn", "reactivation"}
    rows = table(company, SUBSCRIPTIONS)
    assert {"active", "canceled", "paused"} <= {r["Status"] for r in rows}
    assert {"10", "20", "100", ""} <= {r["Discount %"] for r in rows}
    assert any(r["Trial End (UTC)"] and r["Trial End (UTC)"] == r["Ended At (UTC)"] for r in rows)
    assert any(r["Canceled At (UTC)"] and not r["Ended At (UTC)"] for r in rows)
    assert {r["Plan"].split()[0] for r in rows} == {"Équipe", "Croissance", "Grand", "Module"}


def test_cold_messages_are_answered_as_cold_messages_are(truths):
    """T-26, T-29: between one in fifty and one in seven, and one sequence under the line."""
    rates = {name: replied / reached for name, (reached, replied) in truths.outreach.items()}
    assert all(0.005 < rate < 0.15 for rate in rates.values())
    assert min(rates.values()) < 0.03


def test_nobody_in_it_can_be_written_to(company):
    for name in (CONTACTS, f"owners_{DAY}.csv", SUBSCRIPTIONS):
        for row in table(company, name):
            for header in ("Email", "email", "Customer Email"):
                assert row.get(header, ".example").casefold().endswith(".example")


def test_sizes_are_those_of_a_small_company(truths):
    sizes = {name.rpartition("_")[0] or name: file.n_rows for name, file in truths.files.items()}
    assert 5_000 < truths.n_leads < 7_000
    assert 1_800 < len(truths.deals) < 2_500
    assert 20_000 < sizes["activities"] < 30_000
    assert 6_000 < sizes["outreach_messages"] < 12_000
