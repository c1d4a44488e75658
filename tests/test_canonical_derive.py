"""Every table that KPIs read, with its exact columns, alike on every engine."""

from __future__ import annotations

import contextlib
import datetime as dt
from decimal import Decimal

import ibis
import pytest

from cadran.canonical.derive import deal_tables, publish, tables
from cadran.canonical.entities import ENTITIES, published_columns
from cadran.canonical.history import current
from cadran.canonical.schema import TYPES
from postgres import postgres_url
from tables import landed_tables, settings

__all__ = ["postgres_url"]
KNOWN = settings("2026-06-30T22:00", import_batch=2)
DEALS = ["opportunity", "stage_interval", "stage_passage", "pipeline_movement"]


def company():
    """Deals with every kind of trouble: jumps, returns, reopenings, renames, hands, currencies, versions."""
    ways = {
        "a": [("2026-01-20", "Proposal"), ("2026-02-01", "Demo"), ("2026-02-20", "Won")],
        "b": [("2026-01-20", "Lost"), ("2026-02-01", "Discovery"), ("2026-03-31T23:30", "Lost"), ("2026-04-02", "Won")],
        "c": [("2026-02-20", "Demo")],
    }
    history, deals = [], []
    for number, (key, way) in enumerate(ways.items()):
        before = "Discovery"
        for at, stage in way:
            history.append(
                {"entity_id": key, "field": "stage", "changed_at": at, "old_value": before, "new_value": stage}
            )
            before = stage
        deal = {
            "id": key,
            "created_at": f"2026-01-0{number + 3}",
            "stage": before,
            "pipeline": "Sales",
            "account_id": "x",
        }
        deal |= {"amount": "90000.10", "currency": "USD" if key == "b" else "EUR", "term_months": "36", "owner_id": "o"}
        deals.append(deal | {"is_closed": before == "Won", "is_won": before == "Won", "closed_at": "2026-04-01"})
    earlier = {"created_at": "2026-01-06", "owner_id": "p", "is_closed": False}
    later = {"id": "v", "created_at": "2026-01-06", "stage": "Lost", "amount": "7", "is_closed": True, "owner_id": "o"}
    deals += [
        {"id": "v", "stage": "Demo", "amount": "5.5", "valid_from": "2026-02-01", **earlier},
        {**later, "valid_from": "2026-03-01", "closed_at": "2026-02-15", "lost_reason": "Pas de décision"},
        {"id": "n", "created_at": "2026-01-06", "expected_close_on": "2026-05-01", "amount": "-3", "currency": "GBP"},
    ]
    hands = {"field": "owner_id", "old_value": "p", "new_value": "o", "changed_at": "2026-02-10"}
    history += [
        {"entity_id": "a", **hands},
        {"entity_id": "c", "field": "amount", "old_value": "10", "new_value": "90000.1", "changed_at": "2026-03-10"},
    ]
    stages = ["Qualification", "Demo", "Pilot", "Proposal"]
    return landed_tables(
        opportunity=deals,
        field_history=history,
        stage=[
            *({"name": name, "pipeline": "Sales", "position": place} for place, name in enumerate(stages)),
            {"name": "Discovery", "pipeline": "Sales", "position": 0, "replaced_by": "Qualification"},
            {"name": "Won", "pipeline": "Sales", "category": "won"},
        ],
        account=[{"id": "x", "segment": "SMB"}, {"id": "x", "segment": "Enterprise", "valid_from": "2026-02-15"}],
        owner=[{"id": "o", "name": "Ann", "team": "North"}, {"id": "p", "name": "Bob"}],
        activity=[{"opportunity_id": "c", "occurred_at": "2026-01-08", "direction": "inbound", "type": "email"}],
        fx_rate=[{"day_on": "2026-01-01", "from_currency": "EUR", "to_currency": "USD", "rate": "1.1"}],
    )


def stored(connection):
    """How an engine keeps a table that several others rest on."""

    def keep(name, table):
        rows = connection.to_pyarrow(table)
        return connection.create_table(f"kept_{name}", rows, schema=table.schema(), overwrite=True)

    return keep


def answers(connection, known):
    keep = stored(connection)
    names = ["opportunity", "field_history", "stage", "account", "account_history", "owner", "owner_history", "contact"]
    now = current({name: keep(name, table) for name, table in company().items()}, known.known_at)
    t = {name: keep(f"now_{name}", now[name]) for name in [*names, "activity", "fx_rate"]}
    found = deal_tables(t, known, keep)
    rows = {name: connection.to_pyarrow(publish(found[name], name, known)).to_pylist() for name in DEALS}
    return {name: sorted(tuple(str(value) for value in row.values()) for row in rows[name]) for name in DEALS}


@pytest.mark.postgres
@pytest.mark.parametrize("known_at", ["2026-06-30T22:00", "2026-02-12"])
def test_both_engines_derive_the_same_deals(known_at, postgres_url):
    known = settings(known_at, import_batch=2)
    here = answers(ibis.duckdb.connect(), known)
    engine = ibis.connect(postgres_url)
    with contextlib.closing(engine.con):
        there = answers(engine, known)
    assert all(len(rows) > 3 for rows in here.values())
    assert here == there


def test_a_company_without_data_has_every_table_with_its_columns_and_no_row():
    con = ibis.duckdb.connect()

    found = tables({}, KNOWN, stored(con))

    assert set(found) == set(ENTITIES)
    for name, table in found.items():
        expected = {column.name: ibis.dtype(TYPES[column.type]) for column in published_columns(name)}
        assert dict(table.schema()) == expected, name
        assert con.to_pyarrow(table.count()).as_py() == 0, name


def test_plans_and_costs_are_in_the_base_currency_and_deleted_rows_are_gone():
    """G-13, G-14: a deleted subscription stays, for its deletion is its end."""
    con = ibis.duckdb.connect()
    fx = {"day_on": "2026-06-29", "from_currency": "USD", "to_currency": "EUR", "rate": "0.9"}
    landed = landed_tables(
        fx_rate=[fx],
        quota=[{"start_on": "2026-07-01", "end_on": "2026-10-01", "amount": "100", "currency": "USD", "owner_id": "o"}],
        owner=[{"id": "o", "name": "Ann", "team": "North"}],
        spend=[
            {"day_on": "2026-06-30", "amount": "10"},
            {"day_on": "2026-06-30", "amount": "20", "deleted_at": "2026-06-30"},
        ],
        subscription=[{"started_at": "2026-01-01", "deleted_at": "2026-06-01", "mrr": "10"}],
    )

    found = tables(landed, KNOWN, stored(con))

    def rows(name):
        return con.to_pyarrow(found[name]).to_pylist()

    assert [Decimal(10)] == [row["amount_base"] for row in rows("spend")]
    assert [(Decimal(90), "Ann", "North")] == [(row["amount_base"], row["owner"], row["team"]) for row in rows("quota")]
    assert len(rows("subscription")) == 1


def test_instants_have_their_day_in_the_zone_of_the_company():
    """G-6."""
    con = ibis.duckdb.connect()
    landed = landed_tables(activity=[{"occurred_at": "2026-03-31T22:30"}])

    (row,) = con.to_pyarrow(publish(landed["activity"], "activity", KNOWN)).to_pylist()

    assert row["occurred_on"] == dt.date(2026, 4, 1)
