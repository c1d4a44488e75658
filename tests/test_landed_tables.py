"""Tables that a loader landed in the user's own database, read by mapping alone.

The tables are small ones of a loader's public test seeds, which nobody in this project made; what is
expected of them is computed by SQL over the same tables, some of it elsewhere.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from cadran.canonical.mapping import load_mappings
from cadran.config import load_project
from cadran.jobs.build import build_project
from cadran.jobs.start import init_project
from cadran.jobs.sync import sync_project
from cadran.sources.base import Tally
from cadran.sources.sql import inspect_table, read_table
from cadran.store.snapshot import current
from postgres import postgres_url, run_sql  # noqa: F401 - a fixture

SHARED = Path(os.environ.get("CADRAN_SHARED", Path(__file__).parent.parent.parent / "shared"))
SEEDS = SHARED / "data" / "fivetran-seeds"
pytestmark = pytest.mark.slow
NOW = datetime(2026, 7, 2)
MAPPING = "name: {name}\nextends: {base}\n{what}\ndatabase: CADRAN_TEST_WAREHOUSE\n"
SALESFORCE = {
    "opportunity": "salesforce_export_opportunities",
    "account": "salesforce_export_accounts",
    "user": "salesforce_export_users",
    "lead": "salesforce_export_leads",
    "contact": "salesforce_export_contacts",
    "task": "salesforce_tasks",
    "event": "salesforce_events",
}
FIVETRAN = {
    "hubspot": ("deals", "stages", "deal_stages", "companies", "contacts", "owners"),
    "stripe": ("subscriptions", "customers"),
}


class Landed:
    """A project that reads tables of a DuckDB file, which a loader would have written."""

    def __init__(self, root: Path) -> None:
        self.root, self.path = root, root / "warehouse.duckdb"
        init_project(root)
        for system in ("salesforce", *FIVETRAN):
            self.sql(f"CREATE SCHEMA {system}")
            for path in sorted((SEEDS / system).glob("*_data.csv")):
                name = path.stem.removesuffix("_data").removeprefix("sf_")
                self.sql(f"CREATE TABLE {system}.{name} AS FROM read_csv('{path}')")

    def sql(self, statement: str) -> list[tuple]:
        with duckdb.connect(str(self.path)) as warehouse:
            return warehouse.execute(statement).fetchall()

    def map(self, name: str, base: str, what: str) -> None:
        text = MAPPING.format(name=f"our_{name}", base=base, what=what)
        (self.root / "mappings" / f"{name}.yml").write_text(text)

    def build(self) -> duckdb.DuckDBPyConnection:
        """What the project publishes of the tables, every row of which must have been understood."""
        project = load_project(self.root)
        found = sync_project(project, now=NOW)
        report = build_project(project, now=NOW, found=found.issues)
        assert [str(issue) for issue in report.issues if issue.level == "error"] == []
        return duckdb.connect(str(current(project.state)), read_only=True)


MOVES = """
    INSERT INTO hubspot.deal_stage (deal_id, value, date_entered, _fivetran_active)
    SELECT 7000 + d, 'stage-' || (1 + (d * 7 + k * k) % 4), TIMESTAMP '2021-02-01' + INTERVAL (d * 31 + k * 53) HOUR, true
    FROM range(40) t(d), range(5) u(k) WHERE k <= d % 5
"""
STAGES = """
    INSERT INTO hubspot.deal_pipeline_stage (stage_id, label, pipeline_id, display_order, is_closed, closed_won, _fivetran_deleted)
    SELECT 'stage-' || s, 'Step ' || s, 'default', s, false, false, false FROM range(1, 5) t(s)
"""
DEALS = """
    INSERT INTO hubspot.deal (deal_id, is_deleted, deal_pipeline_id, deal_pipeline_stage_id, property_createdate)
    SELECT deal_id, false, 'default', max_by(value, date_entered), min(date_entered)
    FROM hubspot.deal_stage WHERE deal_id NOT IN (SELECT deal_id FROM hubspot.deal) GROUP BY deal_id
"""


@pytest.fixture(scope="module")
def landed(tmp_path_factory):
    """The tables, in which some deals are deleted, and what one build publishes of them."""
    if not SEEDS.is_dir():
        pytest.skip(f"the seeds of landed tables are not on this machine: {SEEDS}")
    found = Landed(tmp_path_factory.mktemp("landed"))
    # the CRM deleted every deal of the seeds: some come back
    for statement in (MOVES, STAGES, DEALS, "UPDATE salesforce.opportunity SET is_deleted = right(id, 1) = 'F'"):
        found.sql(statement)
    for table, base in SALESFORCE.items():
        found.map(table, base, f"table: salesforce.{table}")
    for system, names in FIVETRAN.items():
        for name in names:
            found.map(f"{system}_{name}", f"fivetran_{system}_{name}", f"schema: {system}")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CADRAN_TEST_WAREHOUSE", f"duckdb:///{found.path}")
        with found.build() as published:
            yield found.sql, lambda statement: published.execute(statement).fetchall()


STATUS = """
    SELECT CASE WHEN is_won THEN 'Won' WHEN is_closed THEN 'Lost' ELSE 'Open' END AS status, count(*) AS n,
        sum(amount::DOUBLE) AS amount, count(*) - count(amount) AS null_amount
    FROM {table} WHERE {kept} GROUP BY 1 ORDER BY 1
"""
CRM = "connection_id = 'salesforce'"
#: Past versions, which the loader keeps in the same table, are no deals.
ALIVE = "NOT is_deleted AND _fivetran_active"


def test_deals_are_won_lost_and_worth_what_sql_over_the_tables_says_and_deleted_ones_are_in_no_figure(landed):
    theirs, ours = landed
    expected = json.loads((SEEDS / "expected.json").read_text())["values"]["salesforce_opportunities_fivetran_status"]
    every = theirs(STATUS.format(table="salesforce.opportunity", kept="true"))
    assert every == [(r["status"], r["n"], r["amount"], r["null_amount"]) for r in expected["rows"]]
    found = ours(STATUS.format(table="opportunity", kept=CRM))
    assert found == theirs(STATUS.format(table="salesforce.opportunity", kept=ALIVE))
    assert 0 < sum(row[1] for row in found) < 10


def test_a_day_that_a_warehouse_keeps_as_its_midnight_stays_that_day(landed):
    theirs, ours = landed
    days = f"SELECT left(id, 15), strftime(close_date, '%Y-%m-%d') FROM salesforce.opportunity WHERE {ALIVE} ORDER BY 1"
    kept = f"SELECT source_id, expected_close_on::VARCHAR FROM opportunity WHERE {CRM} ORDER BY 1"
    assert ours(kept) == theirs(days)


def test_accounts_and_touches_are_those_that_are_not_deleted(landed):
    theirs, ours = landed
    kept = "SELECT count(*) FROM salesforce.account WHERE NOT is_deleted"
    assert ours(f"SELECT count(*) FROM account WHERE {CRM} AND NOT is_inferred") == theirs(kept)
    tasks = "SELECT left(id, 15) FROM salesforce.task WHERE is_closed AND NOT is_deleted"
    events = "SELECT left(id, 15) FROM salesforce.event WHERE NOT is_child AND NOT is_deleted"
    assert ours("SELECT source_id FROM activity ORDER BY 1") == theirs(f"{tasks} UNION ALL {events} ORDER BY 1")


#: Every stay, by a query that knows nothing of Cadran: a change to the stage that a deal is in already is none.
STAYS = """
    WITH moves AS (
        SELECT deal_id, value, date_entered, lag(value) OVER (PARTITION BY deal_id ORDER BY date_entered) AS before
        FROM hubspot.deal_stage)
    SELECT m.deal_id::VARCHAR, coalesce(any_value(s.label), m.value), m.date_entered, lead(m.date_entered) OVER (
        PARTITION BY m.deal_id ORDER BY m.date_entered)
    FROM moves m LEFT JOIN hubspot.deal_pipeline_stage s ON s.stage_id = m.value
    WHERE before IS DISTINCT FROM value GROUP BY m.deal_id, m.value, m.date_entered ORDER BY 1, 3
"""


def test_the_stays_of_deals_in_stages_equal_an_independent_query(landed):
    theirs, ours = landed
    expected = theirs(STAYS)
    found = ours(
        """SELECT o.source_id, i.stage, i.entered_at, i.exited_at FROM stage_interval i
           JOIN opportunity o ON o.id = i.opportunity_id WHERE o.id IN (SELECT entity_id FROM field_history)
           AND NOT i.is_implied ORDER BY 1, 3"""
    )
    assert len(expected) > 100
    assert found == expected
    alive = theirs("SELECT count(*) FROM hubspot.deal WHERE NOT is_deleted")
    assert ours("SELECT count(*) FROM opportunity WHERE connection_id = 'hubspot'") == alive


ITEMS = """
    SELECT i.id, p.amount / 100.0 * i.quantity
    FROM stripe.subscription_item i JOIN stripe.subscription_history s ON s.id = i.subscription_id AND s._fivetran_active
    JOIN stripe.plan p ON p.id = i.plan_id WHERE p.usage_type = 'licensed' ORDER BY 1
"""


def test_items_of_subscriptions_are_worth_their_price_times_their_quantity(landed):
    theirs, ours = landed
    expected = theirs(ITEMS)
    assert expected
    assert ours("SELECT source_id, (amount * quantity)::DOUBLE FROM subscription ORDER BY 1") == expected
    kept = theirs("SELECT count(*) FROM stripe.customer WHERE NOT is_deleted")
    assert ours("SELECT count(*) FROM customer WHERE NOT is_inferred") == kept


TYPES = {"VARCHAR": "text", "DOUBLE": "double precision", "TIMESTAMP": "timestamp", "HUGEINT": "numeric"}


def rows_by_id(url, asked, key):
    """What a mapping asks of a database, by id; numbers as numbers, whatever type each database gives them."""
    shape, tally = inspect_table(url, asked), Tally()
    found = {}
    for batch in read_table(url, asked, shape, tally):
        for row in batch.to_pylist():
            told = {name: cell for name, cell in row.items() if name != "_row"}
            found[str(row[key])] = told | ({"amount": float(row["amount"])} if row.get("amount") is not None else {})
    return found


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("name", "key"), [("hubspot_deals", "deal_id"), ("hubspot_stages", "stage_id"), ("stripe_subscriptions", "id")]
)
def test_a_query_that_is_shipped_asks_the_same_of_postgresql(tmp_path, postgres_url, name, key):  # noqa: F811
    if not SEEDS.is_dir():
        pytest.skip(f"the seeds of landed tables are not on this machine: {SEEDS}")
    found, system = Landed(tmp_path), name.partition("_")[0]
    run_sql(postgres_url, f"DROP SCHEMA IF EXISTS {system} CASCADE; CREATE SCHEMA {system}")
    for (table,) in found.sql(f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{system}'"):
        columns = found.sql(f"DESCRIBE {system}.{table}")
        wanted = ", ".join(f'"{column[0]}" {TYPES.get(column[1], column[1])}' for column in columns)
        run_sql(postgres_url, f"CREATE TABLE {system}.{table} ({wanted})")
        _copy(postgres_url, f"{system}.{table}", found.sql(f"FROM {system}.{table}"))
    found.map(name, f"fivetran_{name}", f"schema: {system}")
    (mapping,) = load_mappings(found.root / "mappings")
    ours = rows_by_id(postgres_url, mapping.query, key)
    assert ours == rows_by_id(f"duckdb:///{found.path}", mapping.query, key)
    assert ours


def _copy(url, table, rows):
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(url) as connection, connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
