"""Every KPI of the catalogue against its own SQL, on a random company: same figures, for every period and segment.

An oracle is plain SQL on the published tables, written another way than the engine computes.
Counts and money must agree exactly, ratios of them to the last digit of a double, and means and medians of
durations to the six and four decimals that the engine keeps of each.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from lifelines import KaplanMeierFitter

from cadran.engine.query import KpiQuery
from cadran.engine.run import answer
from cadran.insights.expected import conversion_of
from oracles.chance import KNOWN_ON, SEGMENTS
from oracles.world import context, random_world
from shipped import CATALOGUE, PROBLEMS

KPIS = sorted(CATALOGUE.kpis)
#: Spans and grains: whole company life, fiscal-year-like spans, and both ends of what is known.
SPANS = [
    (None, date(2024, 1, 1), date(2026, 4, 11)),
    (None, date(2025, 2, 3), date(2025, 2, 4)),
    ("year", date(2024, 1, 1), date(2026, 1, 1)),
    ("quarter", date(2025, 1, 1), date(2026, 4, 1)),
    ("month", date(2025, 9, 1), date(2026, 5, 1)),
    ("week", date(2025, 12, 22), date(2026, 1, 26)),
]
#: What KPIs are broken down by, and every part there is: people's time and forecasts have no segment.
PARTS = {"segment": SEGMENTS, "team": ("Paris", "Boston")}
#: How far a value may be from the oracle's, by unit, where rows are not whole numbers or money.
TOLERANCES = {"days": 1e-4, "hours": 1e-4, "money": 1e-6, "money_per_day": 1e-4}
QUESTIONS = [(name, span) for name in KPIS for span in SPANS if span[0] in (None, *CATALOGUE.kpi(name).grains)]


def _title(span):
    return f"{span[0] or 'span'} from {span[1]}"


@pytest.fixture(scope="module")
def world():
    return random_world()


def test_the_shipped_catalogue_has_no_problem():
    assert [str(problem) for problem in PROBLEMS] == []


@pytest.mark.parametrize(
    ("name", "span"), QUESTIONS, ids=lambda value: value if isinstance(value, str) else _title(value)
)
def test_the_engine_gives_the_figures_of_the_oracle(world, name, span):
    kpi, (size, start, end) = CATALOGUE.kpi(name), span
    figures = answer(CATALOGUE, KpiQuery((name,), grain=size, start=start, end=end), world, context()).figures
    assert {figure.start for figure in figures} or kpi.default_by
    for period in {(figure.start, figure.end) for figure in figures}:
        expected = world.ask_oracle(kpi.oracle, *period)
        found = {_group(figure): figure for figure in figures if figure.start == period[0]}
        _same(kpi, found, {_row_group(kpi, row): row for row in expected})


@pytest.mark.parametrize("name", KPIS)
def test_each_segment_has_the_figures_of_the_oracle_on_its_rows_alone(world, name):
    """G-9: the segment that is not given is one of them."""
    kpi = CATALOGUE.kpi(name)
    start, end = date(2025, 1, 1), date(2026, 1, 1)
    dimension = next((name for name in ("segment", "team", "market", "channel") if name in kpi.dimensions), "")
    if not dimension:
        pytest.skip(f"{name} cannot be broken down by any of them")
    query = KpiQuery((name,), by=(dimension,), grain="quarter", start=start, end=end)
    figures = answer(CATALOGUE, query, world, context()).figures
    segments = {figure.segment[dimension] for figure in figures}
    assert segments == set(PARTS[dimension]) if dimension in PARTS else len(segments) > 1
    for segment in segments:
        for period in {(figure.start, figure.end) for figure in figures}:
            of_this = [f for f in figures if f.start == period[0] and f.segment[dimension] == segment]
            expected = world.ask_oracle(kpi.oracle, *period, **{dimension: segment})
            _same(kpi, {_group(f): f for f in of_this}, {_row_group(kpi, row): row for row in expected})


@pytest.mark.parametrize("name", [name for name in KPIS if CATALOGUE.kpi(name).interval == "survival"])
def test_medians_agree_with_lifelines(world, name):
    figures = answer(CATALOGUE, KpiQuery((name,), grain="year", start=date(2024, 1, 1), end=KNOWN_ON), world, context())
    assert figures.figures
    for figure in figures.figures:
        rows = world.ask_oracle(figure.kpi.oracle, figure.start, figure.end)
        expected = next(row for row in rows if _row_group(figure.kpi, row) == _group(figure))["value"]
        assert _lifelines_median(figure.durations) == (None if expected is None else pytest.approx(expected, abs=1e-4))


def _group(figure):
    """Where a figure stands among those of its KPI that a period always has."""
    return tuple(figure.segment[name] for name in figure.kpi.default_by)


def _row_group(kpi, row):
    return tuple(row[name] for name in kpi.default_by)


def _same(kpi, figures, rows):
    """Both have the same groups, and the same numbers in each; a group with nothing in it may be left out."""
    for group in figures.keys() | rows.keys():
        figure, row = figures.get(group), rows.get(group)
        if figure is None or row is None:
            empty = row["n"] if row else figure.n
            assert not empty, f"{kpi.id}: only one side has {group}"
            continue
        where = f"{kpi.id} {figure.start} {figure.segment}"
        assert figure.n == (row["n"] or 0), where
        if kpi.kind in ("ratio", "conversion"):
            _equal(figure.numerator or 0, row["numerator"] or 0, where)
            _equal(figure.denominator or 0, row["denominator"] or 0, where)
        is_statistic = figure.durations is not None or figure.outcomes is not None
        _equal(_value(figure), row["value"], where, TOLERANCES.get(kpi.unit, 1e-12))
        assert (_value(figure) is None) == (figure.status == "undefined") or is_statistic, where


def _value(figure):
    """The value of a figure; where it is a statistic, what is made of its durations or outcomes."""
    if figure.outcomes is not None:
        return conversion_of(figure).expected
    return _lifelines_median(figure.durations) if figure.durations is not None else figure.value


def _equal(found, expected, where, tolerance=1e-12):
    if isinstance(found, (int, Decimal)) and isinstance(expected, (int, Decimal)):
        assert Decimal(found) == Decimal(expected), where
    elif found is None or expected is None:
        assert found is expected, where
    else:
        assert float(found) == pytest.approx(float(expected), rel=1e-12, abs=tolerance), where


def _lifelines_median(durations):
    """Median by an implementation that is neither ours nor the oracle's."""
    times, weights, ended = [], [], []
    for time, gone, open_ in zip(durations.times, durations.ended, durations.censored, strict=True):
        for count, is_end in ((gone, True), (open_, False)):
            if count:
                times.append(time)
                weights.append(count)
                ended.append(is_end)
    if not times:
        return None
    surviving = KaplanMeierFitter().fit(times, ended, weights=weights).survival_function_.iloc[:, 0]
    # its own median misses a curve that rests on one half but for the last digit of a double
    below = surviving[surviving <= 0.5 + 1e-9]
    return float(below.index[0]) if len(below) else None
