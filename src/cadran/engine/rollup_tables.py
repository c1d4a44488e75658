"""The tables of rollups: written beside those that they sum, and brought up to date.

Rows that change are subtracted as they were and added as they are: additive components are exact, so
a refreshed rollup gives what a rebuilt one gives.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from cadran.engine.aggregate import DAY
from cadran.engine.fused import SET
from cadran.engine.rollup import MONTH, rollups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cadran.catalogue.definition import Catalogue
    from cadran.engine.rollup import Rollup

#: Settings of the database while rollups are refreshed: a statement by one thread, and one checkpoint at the end.
_WHILE_REFRESHING = {"threads": "1", "checkpoint_threshold": "1TB"}
#: A rollup while it is written, and how many times its largest sum must fit in eight bytes.
_WIDE, _ROOM = "_wide_sums", 1000


def write(run: Callable[[str], Any], catalogue: Catalogue) -> list[dict[str, Any]]:
    """Write every rollup beside the tables; what describes them, as plain values.

    Args:
        run: Runs one statement on the database that is written.
        catalogue: Definitions.
    """
    return [asdict(_written(run, each)) for each in rollups(catalogue)]


def _written(run: Callable[[str], Any], each: Rollup) -> Rollup:
    days = each.name.removesuffix(MONTH)
    if days != each.name:
        run(f'CREATE OR REPLACE TABLE "{each.name}" AS SELECT * FROM "{days}" LIMIT 0')
        run(f'INSERT INTO "{each.name}" {_by_month(each, days)} ORDER BY {SET}, 1')
    else:
        run(f"CREATE OR REPLACE TEMP TABLE {_WIDE} AS {each.select}")
        casts = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in _narrow(run))
        kept = f"* REPLACE ({casts})" if casts else "*"
        # what a filter keeps lies together, so that the other columns of the rest need not be unpacked
        first = [f"g{place}" for place in range(len(each.dims))] if len(each.sets) == 1 else []
        order = ", ".join([SET, *first, DAY])
        run(f'CREATE OR REPLACE TABLE "{each.name}" AS SELECT {kept} FROM {_WIDE} ORDER BY {order}')
        run(f"DROP TABLE {_WIDE}")
    sizes = run(f'SELECT {SET}, COUNT(*) FROM "{each.name}" GROUP BY ALL ORDER BY ALL').fetchall()
    [(total,)] = run(f'SELECT COUNT(*) FROM "{each.entity}"').fetchall()
    return replace(each, sizes=[(int(mask), n) for mask, n in sizes], rows=total)


def _narrow(run: Callable[[str], Any]) -> list[tuple[str, str]]:
    """Columns of sums that fit in eight bytes: DuckDB takes twenty times as long to read its packed sixteen.

    Months of these days, and changes to come, find room; a sum that grows beyond it is refused, not cut.
    """
    kinds = {name: kind for name, kind, *_ in run(f"DESCRIBE {_WIDE}").fetchall()}
    wide = [name for name, kind in kinds.items() if kind.startswith("DECIMAL(38,")]
    largest = ", ".join(f"MAX(ABS({name}))" for name in wide)
    found = run(f"SELECT {largest} FROM {_WIDE}").fetchone() if wide else ()
    short = []
    for name, most in zip(wide, found, strict=True):
        digits = int(kinds[name].removeprefix("DECIMAL(38,").removesuffix(")"))
        if (most or 0) * _ROOM < 10 ** (18 - digits):
            short.append((name, f"DECIMAL(18, {digits})"))
    return [*short, *((name, "BIGINT") for name, kind in kinds.items() if kind == "HUGEINT")]


def refresh(run: Callable[[str], Any], found: Iterable[Rollup], changed: Mapping[str, tuple[str, str]]) -> None:
    """Bring rollups up to date with rows that changed.

    Statements run beside each other, each by one thread: for few rows, threads that share a statement cost more
    than they bring. What they add is in the log of the database until its next checkpoint.

    Args:
        run: Runs statements on the database that is written, on a cursor of its own so that threads do not meet.
        found: Rollups that are there.
        changed: For each table that changed, the tables of its rows as they were and as they are.
    """
    texts = [_refreshed(each, changed[each.entity]) for each in found if each.entity in changed]
    settings = {name: run(f"SELECT current_setting('{name}')").fetchone()[0] for name in _WHILE_REFRESHING}
    try:
        for name, value in _WHILE_REFRESHING.items():
            run(f"SET {name} = '{value}'")
        with ThreadPoolExecutor(int(settings["threads"])) as pool:
            for _ in pool.map(run, texts):
                pass
    finally:
        for name, value in settings.items():
            run(f"SET {name} = '{value}'")


def _refreshed(each: Rollup, changed: tuple[str, str]) -> str:
    """The statements that take from a rollup what rows were, and add what they are."""
    codes = [f"g{place}" for place in range(len(each.dims))]
    texts = []
    for sign, table in zip("-+", changed, strict=True):
        rows = each.select.replace(f'FROM "{each.entity}" AS', f'FROM "{table}" AS')
        sums = [f"{sign}{name}" for name in each.columns.values()]
        texts.append(f'INSERT INTO "{each.name}" SELECT {", ".join([DAY, *codes, SET, *sums])} FROM ({rows})')
    return ";\n".join(texts)


def _by_month(each: Rollup, days: str) -> str:
    """The rows of a rollup by month, from the table of the one by day, which has fewer than the table that they sum."""
    codes = [f"g{place}" for place in range(len(each.dims))]
    sums = [f"SUM({name}) AS {name}" for name in each.columns.values()]
    head = [f"CAST(DATE_TRUNC('month', {DAY}) AS DATE) AS {DAY}", *codes, SET, *sums]
    return f'SELECT {", ".join(head)} FROM "{days}" GROUP BY ALL'
