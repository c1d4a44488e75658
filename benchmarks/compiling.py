"""How long it takes from the question of the dashboard to its last statement: ``python -m benchmarks.compiling SCALE``.

Processor time of the thread that writes statements, in a process that was asked nothing before; as JSON, in
milliseconds.
"""

from __future__ import annotations

import json
import sys
import time
from unittest.mock import patch

from benchmarks import cadran_way
from benchmarks.scale import SCALES
from cadran.catalogue.load import load_catalogue
from cadran.engine.frame import Frame
from cadran.store.warehouse import DuckDBWarehouse


def main() -> None:
    catalogue, _ = load_catalogue()
    warehouse = DuckDBWarehouse(SCALES[sys.argv[1]].snapshot)
    warehouse.rollups = ()
    begin, written = Frame.__dict__["_start"], []

    def start(*given: object) -> None:
        written.append(time.thread_time())
        begin(*given)

    started = time.thread_time()
    with patch.object(Frame, "_start", start):
        cadran_way.ask(warehouse, catalogue)
    print(json.dumps({"compiling": 1000 * (written[-1] - started)}))


if __name__ == "__main__":
    main()
