"""``python -m benchmarks SCALE [PART …]``: make the data, measure, print, and write the figures as JSON."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from benchmarks.dashboard import dashboard
from benchmarks.growth import SMALLER, growth
from benchmarks.report import Report, machine
from benchmarks.rollups import rollups
from benchmarks.scale import SCALES, root
from benchmarks.serving import serving
from benchmarks.slices import slices
from benchmarks.snapshot import parquet, snapshot
from benchmarks.weeks import weeks

if TYPE_CHECKING:
    from benchmarks.scale import Scale


def engines(scale: Scale, report: Report, *, repeats: int) -> None:
    """Spark beside DuckDB, which needs an extra and a Java."""
    from benchmarks.engines import engines as compare  # noqa: PLC0415 - Spark is not everywhere

    compare(scale, report, repeats=repeats)


PARTS = {
    "dashboard": dashboard,
    "rollups": rollups,
    "slices": slices,
    "weeks": weeks,
    "serving": serving,
    "growth": growth,
    "engines": engines,
}

#: Parts that need what the others do not, a Java of 17 or newer: named to be run.
ALONE = ("engines",)


def usual(scale: str) -> list[str]:
    """The parts of a scale that are run when none is named."""
    if scale == "10xL":
        return ["growth"]
    return [name for name in PARTS if name not in ALONE and (name != "growth" or scale in SMALLER)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure Cadran against other ways of answering the same questions.")
    parser.add_argument("scale", choices=SCALES, nargs="?", default="S")
    parser.add_argument("parts", nargs="*", default=[], help=f"any of: {', '.join(PARTS)}")
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    scale, report = SCALES[asked.scale], Report(asked.scale)
    print(json.dumps(machine(), indent=1))
    snapshot(scale)
    # what is ten times as large is only asked by Cadran
    if scale.name != "10xL":
        parquet(scale)
    for part in asked.parts or usual(scale.name):
        print(f"\n# {part}, scale {scale.name}", flush=True)
        PARTS[part](scale, report, repeats=asked.repeats)
    report.write(root() / f"results-{scale.name}.json")


if __name__ == "__main__":
    main()
