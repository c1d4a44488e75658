"""One way in a process of its own: ``python -m benchmarks.way NAME SCALE [FILE]``.

Prints what it took as JSON; writes the cells when a file is named. A way has two steps: what it can do
before a question comes (imports, connections) and the work that is measured.
"""

from __future__ import annotations

import functools
import json
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.scale import SCALES

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from benchmarks.scale import Scale

    #: Does the work and gives what makes cells of it.
    Work = Callable[[], Callable[[], pa.Table]]

STARTED = time.perf_counter()


def cadran(scale: Scale, *, from_rows: bool = True) -> Work:
    from benchmarks import cadran_way  # noqa: PLC0415 - a way loads its own libraries only
    from cadran.catalogue.load import load_catalogue  # noqa: PLC0415
    from cadran.store.warehouse import DuckDBWarehouse  # noqa: PLC0415

    catalogue, _ = load_catalogue()

    def work() -> Callable[[], pa.Table]:
        warehouse = DuckDBWarehouse(scale.snapshot)
        if from_rows:
            warehouse.rollups = ()
        results = cadran_way.ask(warehouse, catalogue)
        return lambda: cadran_way.cells(results)

    return work


def fused_prepared(scale: Scale) -> Work:
    import duckdb  # noqa: PLC0415

    from benchmarks import fused  # noqa: PLC0415

    def work() -> Callable[[], pa.Table]:
        found = fused.answer(duckdb.connect(str(scale.snapshot), read_only=True))
        return lambda: found

    return work


def _views(scale: Scale) -> object:
    import duckdb  # noqa: PLC0415

    connection = duckdb.connect()
    for path in scale.canonical.glob("*.parquet"):
        connection.execute(f"CREATE VIEW \"{path.stem}\" AS FROM read_parquet('{path}')")
    return connection


def fused_derived(scale: Scale) -> Work:
    from benchmarks import fused  # noqa: PLC0415

    def work() -> Callable[[], pa.Table]:
        found = fused.answer(_views(scale))
        return lambda: found

    return work


def analyst_derived(scale: Scale) -> Work:
    from benchmarks import analyst as way  # noqa: PLC0415

    def work() -> Callable[[], pa.Table]:
        found = way.answer(_views(scale))
        return lambda: found

    return work


def module(name: str, function: str = "answer", *, is_landed: bool = False) -> Callable[[Scale], Work]:
    """A way that a module of its own makes of landed Parquet, or of the folder of derived tables."""

    def prepare(scale: Scale) -> Work:
        import importlib  # noqa: PLC0415

        way = getattr(importlib.import_module(f"benchmarks.{name}"), function)

        def work() -> Callable[[], pa.Table]:
            found = way(scale if is_landed else scale.canonical)
            return lambda: found

        return work

    return prepare


#: Ways by name, and whether each needs the environment of the competitors. Those that are ``landed`` start from what a
#: connector lands; the others, but for Cadran and ``prepared``, from Cadran's derived tables as Parquet.
WAYS: dict[str, tuple[Callable[[Scale], Work], bool]] = {
    "cadran": (cadran, False),
    "cadran from rollups": (functools.partial(cadran, from_rows=False), False),
    "fused prepared": (fused_prepared, False),
    "fused derived": (fused_derived, False),
    "fused landed": (module("landed", "expert", is_landed=True), False),
    "analyst derived": (analyst_derived, False),
    "analyst landed": (module("landed", "straight", is_landed=True), False),
    "Polars derived": (module("polars_way"), True),
    "Polars landed": (module("polars_landed", is_landed=True), True),
    "pandas": (module("pandas_way"), True),
    "Ibis query by query": (module("ibis_way"), True),
    "boring-semantic-layer": (module("bsl_way"), True),
    "MetricFlow": (module("metricflow_way"), True),
}


def peak_mb() -> float:
    """Most memory that this process held, which what it was forked from does not count in."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    name, scale, *file = sys.argv[1:]
    work = WAYS[name][0](SCALES[scale])
    ready = time.perf_counter()
    cells = work()
    done = time.perf_counter()
    used = resource.getrusage(resource.RUSAGE_SELF)
    took = {
        "imports": ready - STARTED,
        "work": done - ready,
        "cpu": used.ru_utime + used.ru_stime,
        "rss_mb": peak_mb(),
    }
    if file:
        import pyarrow.parquet as pq  # noqa: PLC0415

        pq.write_table(cells(), file[0])
    print(json.dumps(took))


if __name__ == "__main__":
    main()
