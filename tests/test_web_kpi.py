from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from browser import chromium, served, tab
from cadran.catalogue.definition import AlertRule, Target
from cadran.engine.query import KpiQuery, RowQuery
from cadran.web.app import create_app
from cockpit import fake_workspace, get
from markup import Page


@pytest.fixture(scope="module")
def app():
    return create_app(fake_workspace())


@pytest.fixture(scope="module")
def win_rate(app):
    return Page(get(app, "/kpi/win_rate?lang=en").text)


def changed(name, **fields):
    """A workspace in which one KPI's definition was changed."""
    catalogue = fake_workspace().catalogue
    kpi = replace(catalogue.kpi(name), **fields)
    return fake_workspace(catalogue=replace(catalogue, kpis={**catalogue.kpis, name: (kpi,)}))


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_markup_of_every_kpi_is_sound(app, language):
    for name in fake_workspace().catalogue.kpis:
        page = Page(get(app, f"/kpi/{name}?lang={language}").text)

        assert page.mistakes == [], name
        assert len(page.all("h1")) == 1


def test_an_expected_conversion_shows_its_curve_and_what_it_rests_on(app):
    """T-03: neither of the naive shares stands alone."""
    page = Page(get(app, "/kpi/win_rate_expected?lang=en").text)

    for part in ("Conversion by age", "are open", "Converted over entered says", "Still watched", "Past cases"):
        assert part in page.text, part
    assert "Conversion selon l’âge" in Page(get(app, "/kpi/win_rate_expected?lang=fr").text).text
    assert "Conversion by age" not in Page(get(app, "/kpi/win_rate?lang=en").text).text


def test_a_page_tells_why_its_kpi_moved_and_where_it_leads(app):
    page = Page(get(app, "/kpi/win_rate?lang=en").text)

    for part in (
        "Why it moved",
        "By its formula",
        "By segment",
        "Contribution",
        "From what drives it to the North Star",
    ):
        assert part in page.text, part
    assert "Pourquoi il a bougé" in Page(get(app, "/kpi/arr?lang=fr").text).text


def test_the_whole_contract_is_there(win_rate):
    kpi = fake_workspace().catalogue.kpi("win_rate")
    expected = [
        kpi.formula["en"],
        kpi.scope["en"],
        kpi.hypothesis["en"],
        kpi.owner,
        "Version 1.0",
        "In force since Jan 1, 2000",
        "Reviewed weekly",
        "20–30%",
        "Attributed to Gartner by a trade article, not dated, grade C",
        "No verdict below 30 cases.",
        "whole interval below 20%",
    ]

    for part in expected:
        assert part in win_rate.text, part


def test_it_says_what_it_is_not(win_rate):
    assert "it does not follow one group of cases" in win_rate.text
    assert "it is not the mean of the segments" in win_rate.text
    assert "It is not “Win rate by value”" in win_rate.text
    assert "It is not “Win rate”" not in win_rate.text


def test_the_number_shows_its_parts_its_interval_and_its_cases(win_rate):
    for part in ("109 410 = 26.6%", "95% CI 22.5–31.1%", "n = 410", "vs Sep 2026"):
        assert part in win_rate.text, part


def test_a_target_inside_the_interval_is_said_not_to_be_decidable(win_rate):
    """G-4."""
    assert "The interval contains the target ≥ 25%: the data cannot tell." in win_rate.text


def test_an_undefined_number_gives_its_reason_in_both_languages():
    """G-1."""
    app = create_app(fake_workspace(undefined=("win_rate",)))

    assert "undefined" in Page(get(app, "/kpi/win_rate?lang=en").text).text
    assert "non défini" in Page(get(app, "/kpi/win_rate?lang=fr").text).text


def test_every_segment_is_listed_with_its_cases_the_missing_one_included(win_rate):
    """G-9."""
    names = [found.get("value") for found in win_rate.all("option")]

    assert "segment" in names
    for part in ("Enterprise n = ", "Mid-market n = ", "SMB n = ", "(not given) n = "):
        assert part in win_rate.text, part


def test_another_dimension_is_one_parameter_away():
    workspace = fake_workspace()
    get(create_app(workspace), "/kpi/win_rate?by=country")

    assert [query.by for query in workspace.one.asked if isinstance(query, KpiQuery) and query.grain] == [
        (),
        ("country",),
    ]


def test_every_period_is_listed_newest_first(win_rate):
    rows = win_rate.text[win_rate.text.index("Period by period Period") :]

    assert rows.index("November 2026") < rows.index("October 2026") < rows.index("November 2025")
    assert "Provisional" in rows


def test_the_chart_has_its_table(win_rate):
    assert "Show the chart's data" in win_rate.text
    assert "November 2026 (provisional)" in win_rate.text


def test_the_rows_behind_the_number_are_those_of_the_period():
    workspace = fake_workspace()
    page = Page(
        get(create_app(workspace), "/kpi/win_rate?lang=en&grain=quarter&from=2026-08-15&page=2&segment=SMB").text
    )
    asked = next(query for query in workspace.one.asked if isinstance(query, RowQuery))

    assert (asked.query.start, asked.query.end, asked.query.grain) == (date(2026, 7, 1), date(2026, 10, 1), None)
    assert asked.query.where == ("segment = 'SMB'",)
    assert (asked.offset, asked.limit) == (25, 25)
    assert "Deal <25>" in page.text
    assert "Page 2 of 3" in page.text


def test_a_row_links_to_its_record_and_to_nothing_else(win_rate):
    links = [found["href"] for found in win_rate.all("a", rel="noreferrer")]

    assert links == [f"https://crm.example/{n}" for n in range(1, 25)]
    assert "javascript:" not in win_rate.html


def test_lineage_goes_from_tables_to_boards_and_shows_both_statements(win_rate):
    drawing = next(found["aria-label"] for found in win_rate.all("svg") if "feeds" in found.get("aria-label", ""))

    assert drawing == "From the tables to what this KPI feeds"
    assert "opportunity 3,904 rows, account 812 rows → Win rate 26.6%" in win_rate.text
    assert "SELECT 1 < 2" in win_rate.text
    assert "FROM opportunity" in win_rate.text


def test_a_kpi_that_is_always_broken_down_shows_its_parts(app):
    page = Page(get(app, "/kpi/stage_conversion?lang=en").text)

    assert "This KPI is always read by stage." in page.text
    assert "Démo · n = 405" in page.text


def test_targets_of_segments_and_dates_are_spelled_out():
    target = Target(Decimal("0.4"), segment={"segment": "SMB"}, start=date(2026, 1, 1), end=date(2027, 1, 1))
    page = Page(get(create_app(changed("win_rate", targets=(target,))), "/kpi/win_rate?lang=en").text)

    assert "≥ 40% · SMB · from Jan 1, 2026 · until Jan 1, 2027" in page.text


def test_a_kpi_asked_only_by_quarter_is_shown_by_quarter():
    page = Page(get(create_app(changed("win_rate", grains=("quarter", "year"))), "/kpi/win_rate?lang=en").text)

    assert "Q4 2026" in page.text


def test_rules_against_what_is_usual_and_against_the_target_say_so():
    rules = (
        AlertRule("alert", against="usual", window=2, certainty=Decimal("0.995")),
        AlertRule("warn", against="target", for_periods=2),
    )
    page = Page(get(create_app(changed("win_rate", alerts=rules)), "/kpi/win_rate?lang=en").text).text
    assert "share of 2 weeks out of that of the year before, sure at 99.5%" in page
    assert "off target, 2 periods in a row" in page


def test_a_question_that_fails_leaves_the_contract():
    page = Page(get(create_app(fake_workspace(refused=("win_rate",))), "/kpi/win_rate?lang=en").text)

    assert page.mistakes == []
    assert "win_rate cannot be answered." in page.text
    assert "KPI contract" in page.text


def test_an_unknown_kpi_is_404_with_the_nearest_name(app):
    found = get(app, "/kpi/win_ratt?lang=en")

    assert found.status_code == 404
    assert "Did you mean win_rate?" in Page(found.text).text


@pytest.mark.parametrize("part", ["segments", "rows"])
@pytest.mark.parametrize("asked", ["lang=en", "lang=fr&by=country&page=2&segment=SMB"])
def test_a_fragment_is_a_part_of_the_page(app, part, asked):
    fragment = get(app, f"/kpi/win_rate/{part}?{asked}").text
    page = get(app, f"/kpi/win_rate?{asked}").text

    assert fragment.strip() in page
    assert Page(f"<h2 id='sg'></h2>{fragment}").mistakes in ([], ["id sg twice"])


@pytest.mark.parametrize("part", ["", "/segments", "/rows"])
def test_every_address_of_a_kpi_refuses_unknown_names(app, part):
    assert get(app, f"/kpi/nothing{part}").status_code == 404


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_browser_shows_it_without_complaint_or_sideways_scroll(app, language, width):
    with chromium() as browser, served(app) as base, tab(browser, width=width) as (page, wrong):
        page.goto(f"{base}/kpi/win_rate?lang={language}")
        page.wait_for_load_state("networkidle")

        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("h1").inner_text() == ("Taux de gain" if language == "fr" else "Win rate")
        assert wrong == []


@pytest.mark.browser
@pytest.mark.slow
def test_from_a_card_to_the_rows_in_two_clicks(app):
    with chromium() as browser, served(app) as base, tab(browser) as (page, wrong):
        page.goto(f"{base}/?lang=en")
        page.get_by_role("link", name="Win rate", exact=True).click()
        page.get_by_role("link", name="The rows behind the number").click()

        assert page.url.endswith("#rows")
        assert page.get_by_text("61 rows").is_visible()
        assert wrong == []


@pytest.mark.browser
@pytest.mark.slow
def test_dimension_and_pages_change_in_place(app):
    with chromium() as browser, served(app) as base, tab(browser) as (page, wrong):
        page.goto(f"{base}/kpi/win_rate?lang=en")
        with page.expect_response("**/segments?*by=country*"):
            page.select_option("#f-by", "country")
        page.locator("#segments option[selected][value=country]").wait_for(state="attached")
        with page.expect_response("**/rows?*page=2*"):
            page.get_by_role("link", name="Next").click()
        page.get_by_text("Page 2 of 3").wait_for()

        assert page.get_by_text("Deal <25>").is_visible()
        assert page.locator("h2", has_text="Rows behind this number").count() == 1
        assert wrong == []


@pytest.mark.browser
@pytest.mark.slow
def test_dimension_and_pages_work_without_scripts(app):
    with chromium() as browser, served(app) as base, tab(browser, scripts=False) as (page, wrong):
        page.goto(f"{base}/kpi/win_rate?lang=en")
        page.select_option("#f-by", "country")
        page.locator("#segments").get_by_role("button", name="Apply").click()
        page.get_by_role("link", name="Next").click()

        assert "by=country" in page.url
        assert page.get_by_text("Page 2 of 3").is_visible()
        assert wrong == []
