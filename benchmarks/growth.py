"""Ten times the data: how much longer the dashboard takes, how much memory, and whether 3.5 GB are enough."""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report import Measure
from benchmarks.scale import SCALES
from benchmarks.snapshot import snapshot
from benchmarks.timing import ROOT, interleaved, median, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.report import Report
    from benchmarks.scale import Scale

#: The scale a tenth as large.
SMALLER = {"10xL": "L", "L": "M", "M": "S"}
LIMIT = int(3.5 * 2**30)
#: Where control groups of memory are made, in both versions, and the file of their limit.
GROUPS = {Path("/sys/fs/cgroup/memory"): "memory.limit_in_bytes", Path("/sys/fs/cgroup"): "memory.max"}


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
    """The exit code of the dashboard when the system gives it 3.5 GB of memory and no more."""
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    command = [sys.executable, "-m", "benchmarks.way", "cadran", scale.name]
    with memory_limit(LIMIT) as begin:
        done = subprocess.run(command, cwd=ROOT, env=settings, preexec_fn=begin, capture_output=True, check=False)
    if done.returncode:
        print(done.stderr.decode()[-600:])
    return abs(done.returncode)


@contextlib.contextmanager
def memory_limit(size: int) -> Iterator[Callable[[], None]]:
    """What a process calls first to be held to that many bytes: those of a control group, as containers are.

    Without the right to make one, all that a process may write to counts, which is more: what is reserved and
    never touched counts too.
    """
    group = _group(size)
    if group is None:
        print("limited by RLIMIT_DATA, for want of a control group")
        yield functools.partial(resource.setrlimit, resource.RLIMIT_DATA, (size, size))
        return
    try:
        yield functools.partial(_join, group / "cgroup.procs")
    finally:
        group.rmdir()


def _group(size: int) -> Path | None:
    """A new control group with that limit; None without the right to make one."""
    for root, most in GROUPS.items():
        group = root / f"cadran-bench-{os.getpid()}"
        with contextlib.suppress(OSError):
            group.mkdir()
            if (group / most).exists():
                (group / most).write_text(str(size))
                return group
            group.rmdir()
    return None


def _join(members: Path) -> None:
    members.write_text(str(os.getpid()))
