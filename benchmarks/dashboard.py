"""The whole dashboard, asked in every way: first whether all agree, then how long each takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from benchmarks.competitors import python_of
from benchmarks.report import Measure
from benchmarks.timing import Runs, interleaved, median, ratio, run
from benchmarks.way import WAYS
from benchmarks.work import differences, values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.report import Report
    from benchmarks.scale import Scale

REFERENCE = "fused derived"
#: Most that Cadran may take of the time of each way; None is no aim, for work that Cadran has done for it.
MOST = {"fused prepared": 1.15, "fused landed": 0.6, REFERENCE: None}
#: Least speed of Cadran against each other way, in its favour.
AIMS = {
    "analyst landed": 3,
    "analyst derived": None,
    "Polars landed": 3,
    "Polars derived": None,
    "pandas": 6,
    "Ibis query by query": 4,
    "boring-semantic-layer": 4,
    "MetricFlow": 4,
}


def dashboard(scale: Scale, report: Report, *, repeats: int, names: Sequence[str] = tuple(WAYS)) -> None:
    """Check that the ways agree, then time them.

    Args:
        scale: Data, which is there.
        report: Takes the figures.
        repeats: Rounds.
        names: Ways to try; those whose environment is absent are told and left out.
    """
    ways = {
        name: (["benchmarks.way", name, scale.name], python) for name in names if (python := python_of(WAYS[name][1]))
    }
    for name in set(names) - ways.keys():
        print(f"{name} is left out: the environment of the competitors is not installed")
    said = agree(scale, report, ways)
    if said:
        timed(report, {name: (*way, {}) for name, way in ways.items()}, said, repeats)


def agree(scale: Scale, report: Report, ways: dict[str, tuple[list[str], str]]) -> dict[str, set[str]]:
    """The series that each way can say; nothing when one of them gives another value than the reference."""
    found = {}
    for name, (arguments, python) in ways.items():
        file = scale.folder / "cells" / f"{name.replace(' ', '-')}.parquet"
        file.parent.mkdir(exist_ok=True)
        run([*arguments, str(file)], python)
        found[name] = values(pq.read_table(file))
    reference = found[REFERENCE]
    series = {name: {key[0] for key in cells} for name, cells in found.items()}
    total = 0
    for name, cells in found.items():
        differ = differences(cells, reference, series[name])
        total += len(differ)
        print(f"{name}: {len(cells):,} values of {len(series[name])} series compared, {len(differ)} differ")
        print("\n".join(f"  {each}" for each in differ[:5]), end="\n" if differ else "")
    report.add(Measure("values of the dashboard", len(reference), ""), Measure("values that differ", total, "", most=0))
    return {} if total else series


def timed(
    report: Report,
    ways: dict[str, tuple[list[str], str, dict[str, str]]],
    said: dict[str, set[str]],
    repeats: int,
) -> None:
    """Time every way, in turn; a way that says less is compared with Cadran asked for as much."""
    own = dict.fromkeys(ways, "cadran")
    if "cadran" in ways:
        for name in ways:
            less = sorted(said["cadran"] - said[name])
            if less:
                own[name] = f"cadran, {len(said[name])} series"
                ways = {**ways, own[name]: (*ways["cadran"][:2], {"CADRAN_BENCH_WITHOUT": ",".join(less)})}
    runs = interleaved(ways, repeats)
    for name, took in runs.items():
        report.add(Measure(f"{name}: whole process", median(took.wall), "s"))
        report.add(Measure(f"{name}: from the question to the last value", median(took.work), "s"))
        report.add(Measure(f"{name}: CPU", median(took.cpu), "s"))
        report.add(Measure(f"{name}: peak memory", median(took.rss_mb) / 1024, "GB"))
    if "cadran" in runs:
        compiled = [run(["benchmarks.compiling", report.scale])["compiling"] for _ in range(repeats)]
        report.add(Measure("cadran: from the question to its last statement, CPU", median(compiled), "ms", most=100))
        ratios(report, runs, own)


def ratios(report: Report, runs: dict[str, Runs], own: dict[str, str]) -> None:
    """What each way took for what Cadran took."""
    for name, most in MOST.items():
        if name in runs:
            mine, other = runs[own[name]], runs[name]
            report.add(
                Measure(f"cadran ÷ {name}, whole process", ratio(mine.wall, other.wall), most=most),
                Measure(f"cadran ÷ {name}, from the question on", ratio(mine.work, other.work)),
                Measure(f"cadran ÷ {name}, CPU", ratio(mine.cpu, other.cpu)),
            )
    for name, least in AIMS.items():
        if name in runs:
            mine, other = runs[own[name]], runs[name]
            report.add(
                Measure(f"{name} ÷ {own[name]}, whole process", ratio(other.wall, mine.wall), least=least),
                Measure(f"{name} ÷ {own[name]}, CPU", ratio(other.cpu, mine.cpu)),
            )
