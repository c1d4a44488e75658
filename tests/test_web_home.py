import gzip
import re
from dataclasses import replace
from datetime import date

import pytest

from browser import chromium, served, tab
from cadran.engine.query import KpiQuery
from cadran.errors import StoreError
from cadran.view import View
from cadran.web.app import create_app
from cockpit import FakeWorkspace, fake_workspace, get
from markup import Page
from warehouse import MemoryWarehouse


@pytest.fixture(scope="module")
def app():
    return create_app(fake_workspace())


@pytest.fixture(scope="module")
def home(app):
    return Page(get(app, "/?lang=en").text)


def asked_by(url, **changes):
    """The questions that a page asks, those for its filters left out."""
    workspace = fake_workspace(**changes)
    get(create_app(workspace), url)
    return [query for query in workspace.one.asked if isinstance(query, KpiQuery) and query.grain]


def tile(page, kpi):
    """The text of the card of one KPI."""
    card = re.search(rf'<article class="card kpi" aria-labelledby="k-\w+-{kpi}">.*?</article>', page.html, re.DOTALL)
    return Page(card.group()).text


@pytest.mark.parametrize(
    "url", ["/?lang=fr", "/?lang=en", "/?view=table", "/?segment=SMB", "/?grain=quarter", "/?team=direction"]
)
def test_the_markup_is_sound_and_nothing_is_inline(app, url):
    page = Page(get(app, url).text)

    assert page.mistakes == []
    assert len(page.all("h1")) == 1
    assert len(page.all("main")) == 1


def test_a_board_is_shown_for_each_team_with_its_question(home):
    assert "Do our leads become qualified pipeline, fast enough?" in home.text
    assert "Do we keep our customers, and do they grow with us?" in home.text
    assert "How healthy is recurring revenue" not in home.text


def test_another_board_is_shown_when_asked_for(app):
    page = Page(get(app, "/?lang=en&team=investors").text)

    assert "How healthy is recurring revenue, and where is it heading?" in page.text
    assert "Do our leads become qualified pipeline" not in page.text


def test_a_tile_says_value_change_verdict_target_n_and_interval(home):
    text = tile(home, "win_rate")

    for part in (
        "Win rate",
        "Sales Ops",
        "26.6 %",
        "vs Sep 2026",
        "Cannot tell",
        "Target ≥ 25%",
        "n = 410",
        "95% CI 22.5–31.1%",
    ):
        assert part in text, part


def test_the_title_says_what_the_data_says(home):
    assert "3 KPIs are off target, first MQL to SQL rate, Lead response time" in home.text


def test_an_undefined_value_shows_its_reason_and_never_zero():
    """G-1."""
    page = Page(get(create_app(fake_workspace(undefined=("win_rate",))), "/?lang=en").text)

    assert "undefined" in tile(page, "win_rate")
    assert "There is nothing to divide by: win_rate has no case." in tile(page, "win_rate")
    assert "0.0%" not in tile(page, "win_rate")


def test_too_few_cases_are_grey_and_say_so(home):
    """G-3."""
    assert "Too few cases" in tile(home, "acv")
    assert 'class="val faint"' in home.html


def test_an_unfinished_period_says_so_and_has_no_verdict():
    """G-5."""
    page = Page(get(create_app(fake_workspace()), "/?lang=en&from=2026-11-01").text)

    assert "Provisional" in tile(page, "win_rate")
    assert "unfinished period" in tile(page, "win_rate")
    assert "No verdict for this period" in page.text


def test_the_last_whole_period_is_shown_by_default():
    query = asked_by("/")[0]

    assert (query.grain, query.compare, query.start, query.end) == (
        "month",
        "previous",
        date(2025, 10, 1),
        date(2026, 12, 1),
    )


def test_what_the_data_cannot_tell_is_listed_apart_from_what_is_off_target(home):
    assert "Needs attention 3" in home.text
    assert "The data cannot tell yet 1 Win rate: 26.6% Target ≥ 25%" in home.text


def test_kpis_are_asked_together_and_not_one_by_one():
    assert len(asked_by("/")) <= 3


def test_a_segment_filter_narrows_the_question_and_quotes_its_value():
    assert asked_by("/?segment=O%27Neill")[0].where == ("segment = 'O''Neill'",)
    assert asked_by("/?segment=~")[0].where == ("segment IS NULL",)


def test_a_kpi_without_segments_says_that_the_filter_does_not_apply():
    catalogue = fake_workspace().catalogue
    whole = replace(catalogue.kpi("win_rate"), dimensions=("owner",))
    catalogue = replace(catalogue, kpis={**catalogue.kpis, "win_rate": (whole,)})
    page = Page(get(create_app(fake_workspace(catalogue=catalogue)), "/?segment=SMB&lang=en").text)

    assert "This KPI has no segments: clear the filter to see it." in tile(page, "win_rate")
    assert "n = " in tile(page, "sales_cycle_days")


def test_a_past_day_freezes_the_figures():
    """G-11."""
    query = asked_by("/?as_of=2026-03-31")[0]

    assert (query.as_of, query.end) == (date(2026, 3, 31), date(2026, 4, 1))
    assert query.start == date(2025, 3, 1)
    assert (
        "Read as known on Mar 31, 2026"
        in Page(get(create_app(fake_workspace()), "/?as_of=2026-03-31&lang=en").text).text
    )


def test_one_kpi_that_fails_leaves_the_others():
    page = Page(get(create_app(fake_workspace(refused=("win_rate",))), "/?lang=en").text)

    assert "win_rate cannot be answered." in tile(page, "win_rate")
    assert "n = " in tile(page, "sales_cycle_days")


def test_findings_about_the_data_are_announced_with_the_gravest_first(home):
    assert "Findings about the data: 2 fx.csv: No rate for CHF." in home.text


def test_the_filters_are_a_form_that_works_without_scripts(home):
    form = home.all("form")[0]

    assert (form["method"], form["action"]) == ("get", "/")
    assert [found["name"] for found in home.all("select")] == ["grain", "from", "compare", "segment", "team"]
    assert "(not given)" in home.text


def test_links_keep_the_slice(app):
    page = Page(get(app, "/?segment=SMB&grain=quarter&lang=en").text)

    assert {"/kpi/win_rate?grain=quarter&segment=SMB&lang=en"} <= {found.get("href") for found in page.all("a")}


@pytest.mark.parametrize(
    ("url", "headers", "language"),
    [
        ("/", {"accept_language": "en-US,en;q=0.9"}, "en"),
        ("/", {"accept_language": "de"}, "fr"),
        ("/?lang=fr", {"accept_language": "en"}, "fr"),
        ("/", {"accept_language": "fr", "cookie": "lang=en"}, "en"),
        ("/?lang=fr", {"cookie": "lang=en"}, "fr"),
        ("/?lang=xx", {"cookie": "lang=en"}, "en"),
    ],
)
def test_the_url_then_the_cookie_then_the_browser_choose_the_language(app, url, headers, language):
    assert Page(get(app, url, **headers).text).all("html")[0]["lang"] == language


def test_a_language_that_was_chosen_is_remembered(app):
    assert "lang=en" in get(app, "/?lang=en").headers["set-cookie"]
    assert "set-cookie" not in get(app, "/").headers


def test_a_company_of_one_language_offers_no_other():
    workspace = fake_workspace()
    workspace.one = replace(workspace.one, project=replace(workspace.project, languages=("fr",)))
    page = Page(get(create_app(workspace), "/?lang=en", accept_language="en").text)

    assert page.all("html")[0]["lang"] == "fr"
    assert page.all("a", hreflang="en") == []


def test_headers_keep_the_page_from_loading_or_being_framed_elsewhere(app):
    headers = get(app, "/").headers

    assert "default-src 'none'; script-src 'self'; style-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize(
    ("url", "status", "words"),
    [
        ("/nowhere", 404, "There is no page at this address."),
        ("/?grain=mont", 400, "No grain is named mont."),
        ("/?page=0", 400, "0 is not a page."),
        ("/?from=yesterday", 400, "yesterday is not a day."),
    ],
)
def test_an_error_is_a_page_with_its_status(app, url, status, words):
    found = get(app, url, accept_language="en")

    assert found.status_code == status
    assert words in Page(found.text).text
    assert Page(found.text).mistakes == []


def test_no_snapshot_yet_says_what_to_do(monkeypatch):
    workspace = fake_workspace()

    def away():
        raise StoreError("There is no snapshot yet.", hint="Run `cadran sync`.")

    monkeypatch.setattr(workspace, "view", away)
    found = get(create_app(workspace), "/?lang=en")

    assert found.status_code == 503
    assert "Run `cadran sync`." in Page(found.text).text


def test_a_mistake_of_ours_does_not_show_its_inside(monkeypatch):
    workspace = fake_workspace()
    monkeypatch.setattr(workspace, "view", lambda: 1 / 0)
    found = get(create_app(workspace), "/?lang=en")

    assert found.status_code == 500
    assert "Something broke." in Page(found.text).text
    assert "ZeroDivisionError" not in found.text


def test_text_from_the_data_is_escaped():
    workspace = fake_workspace()
    workspace.one = replace(workspace.one, project=replace(workspace.project, company="<script>alert(1)</script>"))

    assert "<script>alert" not in get(create_app(workspace), "/").text


def test_the_quality_page_lists_findings_and_files(app):
    page = Page(get(app, "/quality?lang=en").text)

    assert page.mistakes == []
    assert "fx.csv: No rate for CHF." in page.text
    assert "2 deals were closed before they were created." in page.text
    assert "Paris" in page.text
    assert "95.0%" in page.text
    assert "hubspot_deals" in page.text


def test_the_catalogue_lists_every_kpi(app):
    page = Page(get(app, "/kpi?lang=en").text)

    assert page.mistakes == []
    assert all(name in page.html for name in fake_workspace().catalogue.kpis)


def test_a_page_is_light_enough_for_a_slow_line(app):
    assert len(gzip.compress(get(app, "/").content)) <= 15_000


def test_real_rows_become_the_figure_on_the_tile():
    """G-2, G-4: 20 won of 80 closed is 25.0 %, between 16.8 % and 35.5 %; the target 25 % cannot be told."""
    deals = [{"id": f"d{n}", "is_closed": True, "is_won": n < 20, "closed_at": "2026-11-12"} for n in range(80)]
    warehouse = MemoryWarehouse(opportunity=deals)
    warehouse.files = ()
    fake = fake_workspace()
    workspace = FakeWorkspace(View(fake.project, fake.catalogue, "local", warehouse))
    page = Page(get(create_app(workspace), "/?lang=en&from=2026-11-01").text)

    for part in ("25.0 %", "n = 80", "95% CI 16.8–35.5%", "Cannot tell"):
        assert part in tile(page, "win_rate"), part
    assert "undefined" in tile(page, "sales_cycle_days")
    assert Page(get(create_app(workspace), "/kpi/win_rate?lang=fr&from=2026-11-01").text).mistakes == []


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_browser_shows_it_without_complaint_or_sideways_scroll(app, language, scheme, width):
    with chromium() as browser, served(app) as base, tab(browser, width=width, scheme=scheme) as (page, wrong):
        page.goto(f"{base}/?lang={language}")
        page.wait_for_load_state("networkidle")

        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("html").get_attribute("lang") == language
        assert page.evaluate("document.fonts.check('14px Inter')")
        assert page.locator("body *").count() <= 1200
        assert wrong == []


@pytest.mark.browser
@pytest.mark.slow
def test_a_filter_changes_the_page_in_place_and_its_url(app):
    with chromium() as browser, served(app) as base, tab(browser) as (page, wrong):
        page.goto(f"{base}/?lang=en")
        page.select_option("#f-grain", "quarter")
        page.wait_for_url("**grain=quarter**")
        page.wait_for_function("document.querySelector('#f-from').selectedOptions[0].text.startsWith('Q')")
        shown = page.locator("main").inner_text()
        page.reload()

        assert page.locator("main").inner_text() == shown
        assert wrong == []


@pytest.mark.browser
@pytest.mark.slow
def test_everything_is_there_and_filters_work_without_scripts(app):
    with chromium() as browser, served(app) as base, tab(browser, scripts=False) as (page, wrong):
        page.goto(f"{base}/?lang=en")
        page.select_option("#f-segment", "SMB")
        page.get_by_role("button", name="Apply").click()

        assert "segment=SMB" in page.url
        assert page.locator("article.kpi").count() > 10
        assert wrong == []


@pytest.mark.browser
@pytest.mark.slow
def test_the_keyboard_reaches_everything_with_a_visible_focus(app):
    with chromium() as browser, served(app) as base, tab(browser) as (page, wrong):
        page.goto(f"{base}/?lang=en")
        page.keyboard.press("Tab")
        first = page.evaluate("document.activeElement.textContent")
        page.locator("figure[tabindex]").first.focus()
        page.keyboard.press("ArrowLeft")
        tip = page.locator("#tip").inner_text()
        page.keyboard.press("Escape")
        page.locator("#f-grain").focus()
        page.keyboard.press("Shift+Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")

        assert first == "Skip to content"
        assert "November 2026 (provisional)" in tip
        assert page.locator("#tip").is_hidden()
        assert outline == "solid"
        assert wrong == []


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_small_text_keeps_its_contrast(app, scheme):
    with chromium() as browser, served(app) as base, tab(browser, scheme=scheme) as (page, _):
        page.goto(f"{base}/?lang=en")
        found = page.evaluate(CONTRAST)

        assert [each for each in found if each["ratio"] < 4.5] == []


#: Contrast of the text of every visible kind of element against the first opaque ground behind it.
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = (css) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const found = rgba(getComputedStyle(at).backgroundColor);
      if (found[3] === 255) return found;
    }
    return [255, 255, 255];
  };
  const kinds = [".mu", ".st", ".dl", ".own", ".at-w", ".at-m", "footer span", ".facts dt", ".navt", ".fresh", ".sel span", ".faint", ".undef", "h1", ".banner a"];
  return kinds.flatMap((kind) => [...document.querySelectorAll(kind)].filter((e) => e.checkVisibility() && e.textContent.trim()).map((element) => {
    const style = getComputedStyle(element);
    const [ink, paper] = [rgba(style.color), ground(element)];
    const mixed = [0, 1, 2].map((i) => ink[i] * style.opacity + paper[i] * (1 - style.opacity));
    const [a, b] = [light(mixed), light(paper)].sort((x, y) => y - x);
    return {kind, text: element.textContent.trim().slice(0, 30), ratio: (a + 0.05) / (b + 0.05)};
  }));
}"""
