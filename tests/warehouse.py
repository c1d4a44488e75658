"""A real warehouse of tiny tables: DuckDB in memory, canonical tables from dictionaries.

warehouse = MemoryWarehouse(opportunity=[{"id": "a", "is_won": True, "closed_at": "2026-03-02"}])
answer(catalogue, KpiQuery(("win_rate",)), warehouse, context())

Instants are UTC; a day alone is its midnight. Days `x_on` follow from instants `x_at` in the zone.
Entities left out are empty. `landed_<entity>` gives landed versions, for questions about the past.
"""

from __future__ import annotations

import datetime as dt
import functools
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import duckdb
import ibis
import pyarrow as pa

from cadran.canonical.calendars import SCHEMA as WORKING_MINUTES
from cadran.canonical.entities import ENTITIES, day_of, published_columns
from cadran.canonical.schema import schema, schema_of
from cadran.canonical.settings import Settings
from cadran.catalogue.definition import Catalogue, Dimension, Kpi, Measure
from cadran.engine.query import Context
from cadran.period import Calendar, local_day
from cadran.store.warehouse import RowsOnly, SnapshotMeta

if TYPE_CHECKING:
    from cadran.errors import Issue

PARIS = ZoneInfo("Europe/Paris")
KNOWN_AT = dt.datetime(2026, 12, 31, 23, 0)
Rows = list[dict[str, Any]]


class MemoryWarehouse(RowsOnly):
    """A warehouse of the rows given, by entity or `landed_<entity>`, read as a published snapshot is."""

    dialect = "duckdb"
    fuses = True

    def __init__(
        self, *, known_at: dt.datetime = KNOWN_AT, zone: ZoneInfo = PARIS, issues: tuple[Issue, ...] = (), **rows: Rows
    ) -> None:
        self.connection = duckdb.connect()
        self.zone = zone
        self.found = issues
        self.executed: list[str] = []
        self._lock = threading.Lock()
        for name, entity in ENTITIES.items():
            self._create(name, schema(published_columns(name)), rows.pop(name, []), with_days=True)
            if not entity.derived:
                self._create(f"landed_{name}", schema_of(name), rows.pop(f"landed_{name}", []), with_days=False)
        self.connection.register("no_minutes", WORKING_MINUTES.empty_table())
        self.connection.execute("CREATE TABLE working_minutes AS SELECT * FROM no_minutes")
        assert not rows, f"no entity is named {', '.join(rows)}"
        self.meta = SnapshotMeta("memory", known_at, known_at, "EUR", str(zone), {})

    def sql(self, expression: Any) -> str:
        return _compiled(expression.op())

    def execute(self, sql: str) -> pa.Table:
        with self._lock:
            self.executed.append(sql)
        return self.connection.cursor().execute(sql).to_arrow_table()

    def issues(self, entities: frozenset[str] = frozenset()) -> tuple[Issue, ...]:
        return tuple(issue for issue in self.found if issue.entity in entities)

    def _create(self, name: str, types: ibis.Schema, rows: Rows, *, with_days: bool) -> None:
        made = [self._full(row, types, with_days=with_days) for row in rows]
        arrow = types.to_pyarrow()
        table = pa.table(
            {field.name: pa.array([row.get(field.name) for row in made], field.type) for field in arrow}, schema=arrow
        )
        self.connection.register("made", table)
        self.connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM made')
        self.connection.unregister("made")

    def _full(self, row: dict[str, Any], types: ibis.Schema, *, with_days: bool) -> dict[str, Any]:
        unknown = row.keys() - set(types.names)
        assert not unknown, f"there is no column {unknown}"
        full = {name: typed(value, types[name]) for name, value in row.items()}
        instants = {name: value for name, value in full.items() if types[name].is_timestamp() and value is not None}
        days = {day_of(name): local_day(value, self.zone) for name, value in instants.items()} if with_days else {}
        return days | full


@functools.lru_cache(maxsize=2000)
def _compiled(operation: Any) -> str:
    """The statement of an expression: the tables of every warehouse are the same, only their rows differ."""
    return ibis.to_sql(operation.to_expr(), dialect="duckdb")


def typed(value: Any, kind: Any) -> Any:
    """A plain value as its column holds it."""
    if value is None:
        return None
    if kind.is_timestamp() and isinstance(value, str):
        return dt.datetime.fromisoformat(value)
    if kind.is_date() and isinstance(value, str):
        return dt.date.fromisoformat(value)
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-kind.scale)) if kind.is_decimal() else value


def context(
    *,
    scope: tuple[str, ...] = (),
    calendar: Calendar | None = None,
    known_at: dt.datetime = KNOWN_AT,
    zone: ZoneInfo = PARIS,
) -> Context:
    """What questions mean to a French company that counts in euros."""
    settings = Settings(known_at=known_at, currency="EUR", zone=str(zone))
    return Context(calendar or Calendar(), zone, "EUR", settings, scope)


def kpi(id_: str, **changes: Any) -> Kpi:
    """A KPI with as little as it takes."""
    return Kpi(
        **{
            "id": id_,
            "names": {"en": id_},
            "kind": "simple",
            "unit": "count",
            "direction": "up",
            "basis": "period",
            **changes,
        }
    )


def measure(entity: str = "opportunity", where: str = "", **changes: Any) -> Measure:
    """A measure on the entity's usual day."""
    times = {"opportunity": "closed_on", "lead_cycle": "mql_on"}
    default = times.get(entity, ENTITIES[entity].time)
    time = default if default.endswith("_on") else day_of(default)
    return Measure(**{"entity": entity, "where": where, "time": time, **changes})


def catalogue(
    *kpis: Kpi, dimensions: tuple[str, ...] = ("segment", "owner", "channel", "is_target", "stage")
) -> Catalogue:
    """A catalogue of these KPIs; versions of one follow each other."""
    found: dict[str, tuple[Kpi, ...]] = {}
    for each in kpis:
        found[each.id] = (*found.get(each.id, ()), each)
    columns = {
        name: {e: name for e in ENTITIES if any(c.name == name for c in published_columns(e))} for name in dimensions
    }
    return Catalogue(found, {name: Dimension(name, {"en": name}, where) for name, where in columns.items()})


WIN_RATE = kpi(
    "win_rate",
    kind="ratio",
    unit="rate",
    interval="wilson",
    numerator=measure(where="is_won"),
    denominator=measure(where="is_closed"),
)
WON = kpi("won", numerator=measure(where="is_won"))
BOOKED = kpi("booked", unit="money", numerator=measure(where="is_won", agg="sum", expr="amount_base"))


def deal(closed_at: str | None, *, won: bool | None = True, **more: Any) -> dict[str, Any]:
    """A deal, closed on a day or still open."""
    is_closed = closed_at is not None
    return {"is_closed": is_closed, "is_won": won if is_closed else None, "closed_at": closed_at, **more}
