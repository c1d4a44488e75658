"""Real files through ordinary mapping files: every row is landed, and says what the file says."""

from decimal import Decimal
from pathlib import Path

import ibis
import pyarrow as pa
import pytest

from cadran.canonical.assemble import assembled
from cadran.canonical.links import links_of, resolved
from cadran.canonical.mapping import load_mappings, match
from cadran.sources import files
from cadran.sources.base import Tally
from landing import land

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
OURS = Path(__file__).parent / "data"


def read(name: str, file: str):
    if not (DATA / name).is_dir():
        pytest.skip(f"the shared data folder ({name}) is not beside the project")
    path = DATA / name / file
    shape = files.inspect(path)
    tally = Tally()
    table = pa.Table.from_batches(list(files.read(path, shape, tally)))
    assert tally.balance == 0
    mapping = match(file, shape.headers, load_mappings(OURS / name / "mappings"))
    assert mapping is not None
    return land(table, mapping, zone="UTC")


@pytest.mark.parametrize(
    ("name", "file", "rows"),
    [
        ("maven-crm", "accounts.csv", {"account": 85}),
        ("maven-crm", "sales_teams.csv", {"owner": 35}),
        ("maven-crm", "sales_pipeline.csv", {"opportunity": 8800, "stage": 4, "field_history": 8300 + 6711}),
        ("olist", "olist_marketing_qualified_leads_dataset.csv", {"lead": 8000}),
        ("olist", "olist_closed_deals_dataset.csv", {"opportunity": 842, "lead": 842, "account": 842}),
        ("mrr-playbook", "subscription_periods.csv", {"subscription": 121, "customer": 55}),
    ],
)
def test_real_files_land_with_nothing_set_aside(name, file, rows):
    found = read(name, file)
    assert found.aside == []
    assert found.filtered == []
    assert {entity: len(found.tables[entity]) for entity in rows} == rows


def test_the_deals_of_maven_are_as_hand_written_sql_counts_them():
    deals = read("maven-crm", "sales_pipeline.csv").tables["opportunity"]
    assert sum(d["is_won"] for d in deals) == 4238
    assert sum(d["is_closed"] for d in deals) == 6711
    assert sum(d["amount"] for d in deals if d["is_won"]) == Decimal(10005534)
    assert sum(d["product"] == "GTX Pro" for d in deals) == 1480
    assert sum(d["account_id"] is None for d in deals) == 1425
    assert {d["owner_id"] for d in deals} >= {"maven:Moses Frase"}


def test_two_files_about_the_same_leads_make_one_lead_each():
    first, second = (
        read("olist", f"olist_{name}_dataset.csv") for name in ("marketing_qualified_leads", "closed_deals")
    )
    con = ibis.duckdb.connect()
    parts = []
    for number, part in enumerate((second, first)):
        table = pa.Table.from_pylist(part.tables["lead"])
        empty = [f.name for f in table.schema if pa.types.is_null(f.type)]
        for name in empty:
            place = table.schema.get_field_index(name)
            kind = part.expressions["lead"].schema()[name].to_pyarrow()
            table = table.set_column(place, name, table[name].cast(kind))
        parts.append((part.bound, {"lead": con.create_table(f"lead_{number}", table)}))
    leads = con.to_pyarrow(assembled(parts)["lead"]).to_pylist()
    won = [lead for lead in leads if lead["converted_at"]]
    assert (len(leads), len(won)) == (8000, 842)
    assert all(lead["created_at"] for lead in leads)
    assert sum(lead["source"] == "organic_search" for lead in won) == 271
    assert sum(lead["segment"] == "home_decor" for lead in won) == 105
    assert resolved(assembled(parts), links_of([part.bound for part in (first, second)])).keys() == {"lead"}
