"""The segment that a rate owes its change to is named with its rows, or nothing is."""

from datetime import date

import pytest

from cadran.engine.query import KpiQuery, RowQuery
from cadran.engine.run import answer, rows
from cadran.errors import QueryError
from cadran.insights.blame import blame_of
from cadran.insights.blame_record import blame_record
from warehouse import BOOKED, WIN_RATE, MemoryWarehouse, catalogue, context, deal

FOUND = catalogue(WIN_RATE, BOOKED)


def deals(month, won, lost, **more):
    return [deal(f"2026-{month:02}-10", won=place < won, **more) for place in range(won + lost)]


def company(fault):
    """Six usual months, then one in which enterprise deals of the channel event are won less often."""
    found = []
    for month in range(1, 8):
        for segment in ("SMB", "Enterprise", None):
            for channel in ("event", "l'ads"):
                is_bad = fault and month == 7 and (segment, channel) == ("Enterprise", "l'ads")
                found += deals(month, 2 if is_bad else 12, 38 if is_bad else 28, segment=segment, channel=channel)
    return MemoryWarehouse(opportunity=found)


def blame(warehouse, **question):
    query = KpiQuery(("win_rate",), **({"start": date(2026, 7, 1), "end": date(2026, 8, 1)} | question))
    return blame_of(FOUND, query, lambda asked: answer(FOUND, asked, warehouse, context()))


def test_the_cell_that_fell_is_named_and_its_rows_can_be_asked():
    warehouse = company(fault=True)
    found = blame(warehouse)
    assert found.cause is not None
    assert found.cause.segment == {"segment": "Enterprise", "channel": "l'ads"}
    assert found.cause.rate == pytest.approx(2 / 40)
    assert found.history_start == date(2026, 1, 1)
    query = KpiQuery(("win_rate",), start=found.start, end=found.end, where=found.cause.where)
    assert rows(FOUND, RowQuery(query), warehouse, context()).total == found.cause.n == 40
    record = blame_record(found, "fr")
    assert record["cause"] == record["candidates"][0]
    assert record["reason"] == ""


def test_nothing_is_named_when_nothing_changed():
    found = blame(company(fault=False))
    assert found.cause is None
    assert found.reason == "No segment stands out from what chance and the mix explain."
    assert found.candidates


def test_the_last_whole_month_is_explained_unless_a_span_is_asked():
    found = blame(company(fault=True), start=None, end=None)
    assert (found.start, found.end) == (date(2026, 7, 1), date(2026, 8, 1))


def test_only_the_dimensions_asked_are_searched():
    found = blame(company(fault=True), by=("channel",))
    assert found.dims == ("channel",)
    assert found.candidates[0].segment == {"channel": "l'ads"}


def test_too_few_cases_say_so():
    found = blame(MemoryWarehouse(opportunity=deals(7, 3, 4, segment="SMB")))
    assert found.cause is None
    assert found.reason_params == {"n": 0, "needed": 50}


def test_a_segment_without_a_name_can_be_blamed_and_its_rows_asked():
    rows_ = [
        row for month in range(1, 7) for row in deals(month, 30, 30, segment="SMB") + deals(month, 30, 30, segment=None)
    ]
    warehouse = MemoryWarehouse(opportunity=rows_ + deals(7, 30, 30, segment="SMB") + deals(7, 3, 57, segment=None))
    assert blame(warehouse).cause.where == ("segment IS NULL",)


def test_a_sum_is_refused_and_pointed_to_its_drivers():
    with pytest.raises(QueryError, match="no rate of counts"):
        blame_of(FOUND, KpiQuery(("booked",)), lambda _: None)
