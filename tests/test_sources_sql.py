import sqlite3
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import pytest

from cadran.errors import SourceError
from cadran.sources.base import Tally
from cadran.sources.sql import inspect_table, read_table
from postgres import postgres_url, run_sql  # noqa: F401 - a fixture


def rows(url, table):
    shape, tally = inspect_table(url, table), Tally()
    batches = list(read_table(url, table, shape, tally))
    assert tally.balance == 0
    return [row for batch in batches for row in batch.to_pylist()]


@pytest.fixture
def deals(postgres_url):  # noqa: F811
    run_sql(postgres_url, 'DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP SCHEMA IF EXISTS "My CRM" CASCADE')
    run_sql(
        postgres_url,
        """CREATE TABLE deals (id bigint, name text, amount numeric(12,2), free numeric, won boolean, closed date,
           created timestamptz, seen timestamp, raw jsonb, tags text[], ref uuid, rate double precision)""",
    )
    run_sql(
        postgres_url,
        """INSERT INTO deals VALUES (1, 'Société Générale', 1234.50, 0.1234567890123456789, true, '2026-03-31',
           '2026-03-31 23:30:00+02', '2026-03-31 10:00', '{"a": [1]}', '{x,y}',
           '6f1c8f9a-0000-0000-0000-000000000001', 0.25),
           (2, NULL, 'NaN', NULL, NULL, 'infinity', 'infinity', NULL, NULL, NULL, NULL, NULL)""",
    )
    return postgres_url


@pytest.mark.postgres
def test_postgres_columns_keep_their_types_and_the_rest_is_text(deals):
    first, second = rows(deals, "public.deals")
    assert first == {
        "id": 1,
        "name": "Société Générale",
        "amount": Decimal("1234.50"),
        "free": "0.1234567890123456789",
        "won": True,
        "closed": date(2026, 3, 31),
        "created": datetime(2026, 3, 31, 21, 30, tzinfo=UTC),
        "seen": datetime(2026, 3, 31, 10),
        "raw": '{"a": [1]}',
        "tags": "{x,y}",
        "ref": "6f1c8f9a-0000-0000-0000-000000000001",
        "rate": 0.25,
        "_row": 1,
    }
    assert [value for name, value in second.items() if name not in {"id", "_row"}] == [None] * 11


@pytest.mark.postgres
def test_postgres_reads_views_and_names_with_spaces(deals):
    run_sql(
        deals, 'CREATE SCHEMA "My CRM"; CREATE VIEW "My CRM"."All ""deals""" AS SELECT id, id AS "Deal ID" FROM deals'
    )
    assert [row["Deal ID"] for row in rows(deals, '"My CRM"."All ""deals"""')] == [1, 2]


@pytest.mark.postgres
def test_postgres_reads_many_rows_in_batches_and_says_how_far_it_is(deals):
    run_sql(deals, "CREATE TABLE many AS SELECT g AS id, 'x' || g AS name FROM generate_series(1, 200000) g")
    shape, tally, told = inspect_table(deals, "many"), Tally(), []
    batches = list(read_table(deals, "many", shape, tally, told.append))
    assert (len(batches), tally.n_read, told[-1], shape.sample.num_rows) == (4, 200_000, 200_000, 1_000)
    assert batches[-1].column("_row")[-1].as_py() == 200_000


@pytest.mark.postgres
def test_postgres_is_read_in_a_transaction_that_cannot_write(deals):
    run_sql(deals, "CREATE FUNCTION leak() RETURNS int LANGUAGE sql AS 'DELETE FROM deals RETURNING 1'")
    run_sql(deals, "CREATE VIEW trap AS SELECT leak() AS x")
    with pytest.raises(SourceError, match="read-only"):
        rows(deals, "trap")


@pytest.mark.postgres
def test_postgres_names_the_nearest_table_and_never_the_password(deals):
    with pytest.raises(SourceError, match="no table deal") as caught:
        inspect_table(deals.replace("cadran@", "cadran:s3cret@"), "deal")
    assert caught.value.params["near"] == "deals"
    assert "s3cret" not in f"{caught.value.where}{caught.value.params}"


@pytest.mark.postgres
def test_postgres_away_is_worth_another_try():
    pytest.importorskip("psycopg")
    with pytest.raises(SourceError, match="cannot be read") as caught:
        inspect_table("postgresql://cadran@127.0.0.1:1/postgres", "deals")
    assert not caught.value.permanent


def test_without_psycopg_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "cadran.sources.postgres", raising=False)
    with pytest.raises(SourceError) as caught:
        inspect_table("postgresql://localhost/crm", "deals")
    assert caught.value.hint == "Run: pip install cadran[postgres]"


def test_duckdb_columns_keep_their_types_and_nested_ones_become_json(tmp_path):
    with duckdb.connect(str(tmp_path / "crm.duckdb")) as connection:
        connection.execute(
            """CREATE TABLE deals AS SELECT 1 AS id, 12.50::DECIMAL(18,2) AS amount, {'a': [1, 2]} AS raw,
               DATE '2026-01-31' AS closed, TIMESTAMP '2026-01-31 10:00' AS seen, 'open'::ENUM('open','won') AS stage,
               170141183460469231731687303715884105727::HUGEINT AS big, NULL AS nothing"""
        )
    assert rows(f"duckdb:///{tmp_path}/crm.duckdb", "deals") == [
        {
            "id": 1,
            "amount": Decimal("12.50"),
            "raw": '{"a":[1,2]}',
            "closed": date(2026, 1, 31),
            "seen": datetime(2026, 1, 31, 10),
            "stage": "open",
            "big": "170141183460469231731687303715884105727",
            "nothing": None,
            "_row": 1,
        }
    ]


def test_duckdb_names_the_nearest_table(tmp_path):
    with duckdb.connect(str(tmp_path / "crm.duckdb")) as connection:
        connection.execute("CREATE TABLE deals (id INTEGER)")
    with pytest.raises(SourceError, match="no table deal") as caught:
        inspect_table(f"duckdb:///{tmp_path}/crm.duckdb", "deal")
    assert caught.value.params["near"] == "deals"


def test_an_empty_table_has_headers_and_no_row(tmp_path):
    with duckdb.connect(str(tmp_path / "crm.duckdb")) as connection:
        connection.execute("CREATE TABLE deals (id INTEGER, name VARCHAR)")
    shape = inspect_table(f"duckdb:///{tmp_path}/crm.duckdb", "deals")
    assert (shape.headers, shape.sample.num_rows) == (("id", "name"), 0)
    assert rows(f"duckdb:///{tmp_path}/crm.duckdb", "deals") == []


def test_sqlite_numbers_are_numbers_unless_the_column_also_holds_text(tmp_path):
    with sqlite3.connect(tmp_path / "crm.db") as connection:
        connection.execute('CREATE TABLE deals (id INTEGER, amount REAL, mixed, closed TEXT, "Deal ""x""" BLOB)')
        connection.executemany(
            "INSERT INTO deals VALUES (?, ?, ?, ?, ?)",
            [(1, 1.5, 3, "2026-01-31", b"\x01"), (2, 2, "n/a", None, None)],
        )
    connection.close()
    assert rows(f"sqlite:///{tmp_path}/crm.db", "deals") == [
        {"id": 1, "amount": 1.5, "mixed": "3", "closed": "2026-01-31", 'Deal "x"': "01", "_row": 1},
        {"id": 2, "amount": 2.0, "mixed": "n/a", "closed": None, 'Deal "x"': None, "_row": 2},
    ]


def test_sqlite_files_are_never_made_by_reading(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        inspect_table(f"sqlite:///{tmp_path}/none.db", "deals")
    assert not (tmp_path / "none.db").exists()


def test_sqlite_names_its_tables_when_one_is_missing(tmp_path):
    with sqlite3.connect(tmp_path / "crm.db") as connection:
        connection.execute("CREATE TABLE contacts (id)")
    connection.close()
    with pytest.raises(SourceError, match="no table deals") as caught:
        inspect_table(f"sqlite:///{tmp_path}/crm.db", "deals")
    assert caught.value.params["tables"] == "contacts"


def test_another_kind_of_database_is_refused_by_name():
    with pytest.raises(SourceError, match="'oracle'"):
        inspect_table("oracle://host/db", "deals")


def test_a_table_that_changes_while_it_is_read_is_refused(tmp_path):
    url = f"duckdb:///{tmp_path}/crm.duckdb"
    with duckdb.connect(str(tmp_path / "crm.duckdb")) as connection:
        connection.execute("CREATE TABLE deals (id INTEGER)")
    shape = inspect_table(url, "deals")
    with duckdb.connect(str(tmp_path / "crm.duckdb")) as connection:
        connection.execute("ALTER TABLE deals ADD COLUMN name VARCHAR")
    with pytest.raises(SourceError, match="changed while it was read"):
        list(read_table(url, "deals", shape, Tally()))


def test_a_duckdb_file_that_is_none_is_refused(tmp_path):
    (tmp_path / "crm.duckdb").write_text("not a database at all, whatever its name says")
    with pytest.raises(SourceError, match="cannot be read"):
        inspect_table(f"duckdb:///{tmp_path}/crm.duckdb", "deals")


def test_a_select_is_read_like_a_table_from_each_kind_of_database(tmp_path):
    asked = "SELECT a.id, b.name, a.amount * 0.01 AS amount FROM deals a JOIN names b ON b.id = a.id WHERE a.id > 1;"
    made = "CREATE TABLE {0} (id int, {1})"
    with duckdb.connect(str(tmp_path / "crm.duckdb")) as duck, sqlite3.connect(tmp_path / "crm.sqlite") as lite:
        for connection in (duck, lite):
            connection.execute(made.format("deals", "amount int"))
            connection.execute(made.format("names", "name text"))
            connection.execute("INSERT INTO deals VALUES (1, 100), (2, 250)")
            connection.execute("INSERT INTO names VALUES (1, 'Nord'), (2, 'Sud')")
    for kind in ("duckdb", "sqlite"):
        (row,) = rows(f"{kind}:///{tmp_path}/crm.{kind}", asked)
        assert {**row, "amount": float(row["amount"])} == {"id": 2, "name": "Sud", "amount": 2.5, "_row": 1}


@pytest.mark.postgres
def test_a_select_of_postgresql_keeps_the_types_of_its_columns(deals):
    asked = "SELECT id, amount, won AND true AS won, closed + 1 AS day, created, raw FROM deals WHERE id = 1"
    (row,) = rows(deals, asked)
    assert row == {
        "id": 1,
        "amount": Decimal("1234.50"),
        "won": True,
        "day": date(2026, 4, 1),
        "created": datetime(2026, 3, 31, 21, 30, tzinfo=UTC),
        "raw": '{"a": [1]}',
        "_row": 1,
    }


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_a_select_that_the_database_refuses_says_what_the_database_says(tmp_path, kind):
    duckdb.connect(str(tmp_path / "x.duckdb")).close()
    sqlite3.connect(tmp_path / "x.sqlite").close()
    with pytest.raises(SourceError, match="nowhere"):
        inspect_table(f"{kind}:///{tmp_path}/x.{kind}", "SELECT * FROM nowhere")
