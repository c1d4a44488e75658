"""Published tables laid out for the questions that are asked of them: by day, texts of few values as codes.

A text column with few values becomes an ``ENUM``, which compares and reads as the text that it was, is a byte or
two a row, and is grouped by without looking at a character; its codes are in the order of the texts. Rows are
sorted by the day that most measures are counted on. What a table then holds is kept with the snapshot, so that a
statement can be planned by it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cadran.canonical.entities import ENTITIES, published_columns
from cadran.engine.parts import parts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cadran.catalogue.definition import Catalogue

    #: Runs one statement of DuckDB; its cursor.
    Run = Callable[[str], Any]

#: Rows from which a table is worth being written again.
LEAST_ROWS = 100_000
#: Most values of a column that becomes codes.
MOST_VALUES = 1_000


@dataclass(frozen=True)
class Shape:
    """How much a table holds, as a build counted it.

    Attributes:
        rows: Its rows; 0 when they were not counted.
        values: How many values each column has, of those that have few.
    """

    rows: int = 0
    values: Mapping[str, int] = field(default_factory=dict)


def prepare(run: Run, catalogue: Catalogue, *, least_rows: int = LEAST_ROWS) -> list[dict[str, Any]]:
    """Write the larger tables again, sorted and coded; what each holds, as plain values.

    Args:
        run: Runs one statement on the database that is written.
        catalogue: Definitions, which say the days that are counted on.
        least_rows: Rows from which a table is written again.

    Returns:
        For each table that was written again: ``entity``, ``rows``, and ``values``, the number of values of each
        of its columns that were coded; see `shapes`.
    """
    parts = (part for kpis in catalogue.kpis.values() for kpi in kpis for part in parts_of(kpi).all())
    most = Counter((part.measure.entity, part.time) for part in parts)
    found = []
    for entity in ENTITIES:
        [(rows,)] = run(f'SELECT COUNT(*) FROM "{entity}"').fetchall()
        if rows >= max(least_rows, 1):
            day = max((each for each in most if each[0] == entity), key=lambda each: most[each], default=None)
            values = _values(run, entity)
            _write(run, entity, values, day[1] if day else "")
            found.append({"entity": entity, "rows": rows, "values": {name: len(v) for name, v in values.items()}})
    return found


def shapes(kept: Iterable[Mapping[str, Any]]) -> dict[str, Shape]:
    """What tables hold, from the plain values that `prepare` gave."""
    return {each["entity"]: Shape(each["rows"], each["values"]) for each in kept}


def _values(run: Run, entity: str) -> dict[str, list[str]]:
    """The values of each text column that has few, in order."""
    texts = [column.name for column in published_columns(entity) if column.type == "text"]
    if not texts:
        return {}
    counted = ", ".join(f'APPROX_COUNT_DISTINCT("{name}")' for name in texts)
    counts = run(f'SELECT {counted} FROM "{entity}"').fetchall()[0]
    few = [name for name, n in zip(texts, counts, strict=True) if 0 < n <= MOST_VALUES]
    if not few:
        return {}
    lists = ", ".join(f'LIST(DISTINCT "{name}" ORDER BY "{name}") FILTER ("{name}" IS NOT NULL)' for name in few)
    return dict(zip(few, run(f'SELECT {lists} FROM "{entity}"').fetchall()[0], strict=True))


def _write(run: Run, entity: str, values: dict[str, list[str]], day: str) -> None:
    coded = ", ".join(f'CAST("{name}" AS ENUM ({_quoted(each)})) AS "{name}"' for name, each in values.items())
    columns = f"* REPLACE ({coded})" if coded else "*"
    order = f' ORDER BY "{day}"' if day else ""
    run(f'CREATE OR REPLACE TABLE "_prepared" AS SELECT {columns} FROM "{entity}"{order}')
    run(f'DROP TABLE "{entity}"')
    run(f'ALTER TABLE "_prepared" RENAME TO "{entity}"')


def _quoted(texts: Iterable[str]) -> str:
    return ", ".join("'" + text.replace("'", "''") + "'" for text in texts)
