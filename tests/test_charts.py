from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from cadran.catalogue.definition import Benchmark, Kpi, Target
from cadran.charts import Node, Scene, Words, bars, bridge, curve, fluid, lineage, sparkline, strip, trend
from cadran.charts.scene import Box, Dot, Hit, Path, Rule, Text
from cadran.engine.result import Figure, KpiResult, Outcomes
from cadran.insights.change import Driver, Drivers
from cadran.insights.judge import read
from cadran.insights.reading import Reading
from cadran.period import Calendar, shift_months
from markup import Page

FR = Words("fr", "EUR", Calendar(), ZoneInfo("Europe/Paris"))
EN = Words("en", "EUR", Calendar(), ZoneInfo("Europe/Paris"))
KPI = Kpi("win_rate", {"en": "Win rate"}, "ratio", "rate", "up", "period")
NEWER = Kpi("win_rate", {"en": "Win rate"}, "ratio", "rate", "up", "period", version="2.0")


def reading(month, value, *, kpi=KPI, partial=False, status="ok", segment=None, **more):
    start = shift_months(date(2026, 1, 1), month)
    number = None if value is None else Decimal(str(value))
    figure = Figure(kpi, start, shift_months(start, 1), segment or {}, number, None, None, 40, "ok", partial=partial)
    if value is not None:
        more = {"low": value - 0.05, "high": value + 0.05} | more
    return Reading(figure, number, status=status, **more)


def marks(scene, kind, css=""):
    return [mark for mark in scene.marks if isinstance(mark, kind) and css in mark.css]


def test_a_higher_value_lies_higher_on_a_trend():
    dots = trend([reading(0, 0.2), reading(1, 0.3, status="too_few"), reading(2, 0.4)], EN, "Win rate")

    low, high = marks(dots, Dot)
    assert low.at[1] > high.at[1]


def test_every_mark_of_a_trend_lies_inside_it():
    scene = trend([reading(n, 0.2 + 0.03 * (n % 3)) for n in range(13)], EN, "Win rate")

    xs = [x for mark in marks(scene, Path) for x, _ in mark.points]
    ys = [y for mark in marks(scene, Path) for _, y in mark.points]
    assert 0 <= min(xs) <= max(xs) <= 1
    assert 0 <= min(ys) <= max(ys) <= scene.height


def test_an_unfinished_period_is_dashed_and_its_dot_is_open():
    scene = trend([reading(0, 0.2), reading(1, 0.25), reading(2, 0.1, partial=True)], EN, "Win rate")

    assert len(marks(scene, Path, "c-partial")) == 1
    assert marks(scene, Dot)[-1].css == "c-dot c-open"
    assert scene.table.rows[-1][0] == "March 2026 (provisional)"


def test_no_line_crosses_a_period_without_a_value():
    scene = trend(
        [reading(0, 0.2), reading(1, 0.2), reading(2, None, status="undefined"), reading(3, 0.2), reading(4, 0.2)],
        EN,
        "x",
    )

    assert [len(path.points) for path in marks(scene, Path, "c-line")] == [2, 2]
    assert [len(path.points) for path in marks(scene, Path, "c-ci")] == [4, 4]


def test_a_new_version_breaks_the_line_and_is_named():
    """T-98."""
    scene = trend([reading(0, 0.2), reading(1, 0.2), reading(2, 0.3, kpi=NEWER), reading(3, 0.3, kpi=NEWER)], EN, "x")

    assert len(marks(scene, Path, "c-line")) == 2
    assert [mark.text for mark in marks(scene, Text, "c-mark-l")] == ["v2.0"]


def test_both_edges_of_a_band_are_drawn_and_said():
    target = Target(Decimal("0.2"), Decimal("0.3"))
    scene = trend([reading(0, 0.25, target=target), reading(1, 0.26, target=target)], FR, "x")

    assert len(marks(scene, Rule, "c-target")) == 2
    assert marks(scene, Text, "c-lab-t")[0].text == "Cible 20–30\u00a0%"


def test_a_target_that_changes_is_a_step():
    first, second = Target(Decimal("0.2")), Target(Decimal("0.3"))
    scene = trend([reading(0, 0.25, target=first), reading(1, 0.26, target=second)], EN, "x")

    heights = [mark.start[1] for mark in marks(scene, Rule, "c-target")]
    assert heights[0] > heights[1]


def test_the_table_says_what_the_chart_shows():
    scene = trend(
        [
            reading(0, 0.2),
            reading(1, None, status="undefined", reason="No deal in {year}.", reason_params={"year": 2026}),
        ],
        EN,
        "x",
    )

    assert scene.table.columns == ("Period", "Value", "95% interval", "n")
    assert scene.table.rows[0] == ("January 2026", "20.0%", "15.0–25.0%", "40")
    assert scene.table.rows[1][:2] == ("February 2026", "No deal in 2026.")


def test_a_tip_names_the_period_the_value_and_its_uncertainty():
    hit = marks_of_hits(trend([reading(0, 0.2)], FR, "x"))[0]

    assert hit.lines == ("janvier 2026", "20,0\u00a0%", "Intervalle 95\u00a0%\u00a0: 15,0–25,0\u00a0%", "n = 40")


def marks_of_hits(scene):
    return [mark for mark in scene.marks if isinstance(mark, Hit)]


def test_period_labels_do_not_crowd():
    scene = trend([reading(n, 0.2) for n in range(24)], EN, "x")

    below = [mark for mark in marks(scene, Text, "c-tick") if mark.at[1] == scene.height - 5]
    assert len(below) <= 7
    assert min(b.at[0] - a.at[0] for a, b in zip(below[1:], below, strict=False)) > 0.1


def test_a_strip_puts_value_interval_benchmark_and_target_on_one_track():
    benchmark = Benchmark(Decimal("0.2"), Decimal("0.4"), "Report", "B")
    one = reading(0, 0.25, target=Target(Decimal("0.3")), benchmark=benchmark, verdict="cannot_tell")
    scene = strip(one)

    dot, tick = marks(scene, Dot)[0], marks(scene, Rule, "b-target")[0]
    assert dot.at[0] < tick.start[0]
    assert scene.css == "bullet s-cannot_tell"
    assert {mark.css for mark in scene.marks} == {"b-track", "b-bench", "b-ci", "b-target", "b-pt"}


def test_a_strip_of_too_few_cases_is_faint():
    assert strip(reading(0, 0.25, status="too_few", verdict="cannot_tell")).css == "bullet s-faint"


def test_strips_side_by_side_share_their_track():
    low, high = reading(0, 0.1), reading(0, 0.5)

    assert marks(strip(low, [high]), Dot)[0].at[0] < marks(strip(high, [low]), Dot)[0].at[0]


def test_a_sparkline_of_nothing_is_empty():
    assert sparkline([]).marks == ()
    assert marks(sparkline([reading(0, None, status="undefined")]), Dot) == []


def test_bars_start_at_zero_and_name_the_missing_segment():
    """G-9."""
    scene = bars(
        [reading(0, 0.4, segment={"segment": "SMB"}), reading(0, 0.2, segment={"segment": None})],
        "Segment",
        EN,
        "By segment",
    )

    widths = [mark.width for mark in scene.marks if getattr(mark, "css", "") == "h-val"]
    assert widths[0] == pytest.approx(2 * widths[1])
    assert [row[0] for row in scene.table.rows] == ["SMB", "(not given)"]


def test_a_bar_without_a_value_gives_its_reason():
    scene = bars(
        [reading(0, None, segment={"s": "A"}, status="undefined", reason="Nothing to divide by.")], "s", EN, "x"
    )

    assert "Nothing to divide by." in fluid(scene)


def test_a_drawing_is_escaped_has_a_name_and_no_style():
    scene = trend([reading(0, 0.2), reading(1, 0.3)], EN, 'Win "rate" <b>')
    svg = fluid(scene)

    assert 'aria-label="Win &quot;rate&quot; &lt;b&gt;"' in svg
    assert Page(svg).mistakes == []
    assert (
        Scene(10, (), "spark").__html__()
        == '<svg class="spark" width="100%" height="10" aria-hidden="true" focusable="false"></svg>'
    )


def test_lineage_joins_every_box_to_the_next_stage_and_says_it_in_words():
    scene = lineage(
        [[Node("deal"), Node("account")], [Node("A very long name of a certain KPI", "26 %", "me")]], "Lineage"
    )

    assert len(marks(scene, Path, "l-link")) == 2
    assert scene.description == "deal, account → A very long name of a certain KPI 26 %"
    assert any(mark.text.endswith("…") for mark in marks(scene, Text, "l-title"))


def test_money_ticks_are_round_numbers_in_the_currency():
    money = Kpi("arr", {}, "cumulative", "money", "up", "balance")
    many = [reading(n, 0.2, kpi=money) for n in range(3)]
    scaled = [Reading(r.figure, Decimal(8_000_000 + 200_000 * n)) for n, r in enumerate(many)]

    labels = [mark.text for mark in marks(trend(scaled, EN, "ARR"), Text, "c-tick") if mark.anchor == "start"]
    assert "€8.2M" in labels


def test_what_is_known_until_midnight_is_known_for_the_day_before():
    assert EN.known(datetime(2026, 6, 30, 22, 0)) == "Jun 30, 2026"
    assert FR.known(datetime(2026, 6, 30, 21, 59, tzinfo=UTC)) == "30 juin 2026 à 23:59"


def ageing(won=20, lost=30, still_open=50, **more):
    """A reading of an expected conversion: won on day 20, lost on day 45, the rest open on day 45."""
    n = won + lost + still_open
    kpi = Kpi("e", {"en": "Expected"}, "conversion", "rate", "up", "cohort", interval="incidence", window_days=90)
    cohort = Outcomes((0, 20, 45), (0, won, 0), (0, 0, lost), (0, 0, still_open), (n, 0, 0))
    past = Outcomes((0, 30, 60, 400), (0, 90, 10, 0), (0, 100, 160, 0), (0, 0, 0, 40), (400, 0, 0, 0))
    figure = Figure(kpi, date(2026, 1, 1), date(2026, 4, 1), {}, None, won, n, n, "ok", outcomes=cohort, past=past)
    return read(KpiResult((figure,), "EUR", datetime(2026, 5, 1), "s", **more)).readings[0]


def test_a_curve_ends_where_nobody_is_watched_and_past_cases_go_on_to_the_horizon():
    scene = curve(ageing(), EN, "Expected")

    own, past = marks(scene, Path, "c-main")[0], marks(scene, Path, "c-partial")[0]
    assert max(x for x, _ in own.points) < max(x for x, _ in past.points)
    assert marks(scene, Path, "c-ci")
    assert marks(scene, Dot)[-1].at[0] == max(x for x, _ in past.points)


def test_the_table_of_a_curve_has_the_band_the_cases_watched_and_past_cases():
    rows = curve(ageing(), EN, "Expected").table.rows

    assert rows[0] == ("day 0", "0.0%", "0.0–0.0%", "100", "0.0%")
    later = next(row for row in rows if row[0] == "day 24")
    assert later[1] == "20.0%"
    assert later[3] == "80"
    assert rows[-1][:4] == ("day 90", "–", "", "0")
    assert curve(ageing(), FR, "Attendu").table.columns[-1] == "Cas passés"


def test_a_reading_without_ages_has_no_curve():
    assert curve(reading(0, 0.2), EN, "Win rate") is None


def test_every_mark_of_a_curve_lies_inside_it():
    scene = curve(ageing(2, 1, 97), EN, "Expected")

    ys = [y for mark in marks(scene, Path) for _, y in mark.points]
    assert 0 <= min(ys) <= max(ys) <= scene.height


def moved(*contributions, direction="up"):
    """A change from 100 by these contributions of KPIs a, b, c…"""
    kpi = Kpi("m", {"en": "MRR"}, "simple", "money", direction, "period")
    steps = [Decimal(str(each)) for each in contributions]
    drivers = tuple(Driver(name, "money", contribution=step) for name, step in zip("abcdefghijklmn", steps))  # noqa: B905
    before, now = Decimal(100), Decimal(100) + sum(steps)
    days = (date(2026, 2, 1), date(2026, 3, 1), date(2026, 1, 1), date(2026, 2, 1))
    return Drivers(kpi, *days, before, now, now - before, "sum", drivers, currency="EUR")


def test_a_bridge_has_a_step_per_driver_and_ends_at_the_value_now():
    scene = bridge(moved(30, -10), {"a": "New", "b": "Churn"}, EN, "MRR")

    first, last = marks(scene, Dot)
    up, down = marks(scene, Box)
    assert (up.css, down.css) == ("h-val w-good", "h-val w-bad")
    assert up.x == pytest.approx(first.at[0])
    assert down.x == pytest.approx(last.at[0])
    assert scene.table.rows[0] == ("New", "–", "–", "+€30")
    assert scene.table.rows[-1] == ("Total", "€100", "€120", "+€20")


def test_the_colours_of_a_cost_are_the_other_way_round():
    assert marks(bridge(moved(30, direction="down"), {}, EN, "Cost"), Box)[0].css == "h-val w-bad"


def test_many_small_drivers_are_one_row_of_a_bridge_and_all_are_in_its_table():
    scene = bridge(moved(*[5] * 13), {}, EN, "MRR")

    assert len(marks(scene, Box)) == 10
    assert any(mark.text == "4 others" for mark in marks(scene, Text))
    assert len(scene.table.rows) == 14


def test_a_change_that_cannot_be_split_has_no_bridge():
    assert bridge(replace(moved(1), method="none"), {}, EN, "MRR") is None
