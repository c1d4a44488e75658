"""Ten times the data: how much longer the dashboard takes, how much memory, and whether 3.5 GB are enough."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.report import Measure
from benchmarks.scale import SCALES
from benchmarks.snapshot import snapshot
from benchmarks.timing import ROOT, interleaved, median, ratio

if TYPE_CHECKING:
    from benchmarks.report import Report
    from benchmarks.scale import Scale

#: The scale a tenth as large.
SMALLER = {"10xL": "L", "L": "M", "M": "S"}
LIMIT = int(3.5 * 2**30)


def growth(scale: Scale, report: Report, *, repeats: int) -> None:
    """Compare a scale with the one a tenth as large."""
    smaller = SCALES[SMALLER[scale.name]]
    snapshot(smaller)
    ways = {each.name: (["benchmarks.way", "cadran", each.name], sys.executable, {}) for each in (smaller, scale)}
    runs = interleaved(ways, repeats)
    small, large = runs[smaller.name], runs[scale.name]
    report.add(
        Measure(f"{scale.name} ÷ {smaller.name}, whole process", ratio(large.wall, small.wall), most=10),
        Measure(f"{scale.name} ÷ {smaller.name}, CPU", ratio(large.cpu, small.cpu)),
        Measure(f"{scale.name}: peak memory", median(large.rss_mb) / 1024, "GB", most=6),
        Measure(f"{scale.name} under 3.5 GB: exit code", limited(scale), "", most=0),
    )


def limited(scale: Scale) -> int:
    """The exit code of the dashboard when the system gives it 3.5 GB of memory of its own and no more."""

    def limit() -> None:
        # private writable memory; addresses that are only reserved do not count
        resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))

    settings = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    command = [sys.executable, "-m", "benchmarks.way", "cadran", scale.name]
    done = subprocess.run(command, cwd=ROOT, env=settings, preexec_fn=limit, capture_output=True, check=False)
    if done.returncode:
        print(done.stderr.decode()[-600:])
    return abs(done.returncode)
