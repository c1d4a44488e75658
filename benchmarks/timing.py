"""Ratios measured side by side: whole processes in turn, medians of what each pair gives."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Runs:
    """What the runs of one way took, in order: wall of the process, its work, its CPU, all in seconds."""

    wall: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)


def run(arguments: list[str], python: str = sys.executable, **environment: str) -> dict[str, float]:
    """One process of ``python -m``: the JSON of its last line, and ``wall``.

    Raises:
        RuntimeError: It failed, with what it said.
    """
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    settings = {**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": "0", **environment}
    started = time.perf_counter()
    done = subprocess.run(
        [python, "-m", *arguments], cwd=ROOT, env=settings, capture_output=True, text=True, check=False
    )
    wall = time.perf_counter() - started
    if done.returncode:
        said = f"{' '.join(arguments)} failed: {done.stderr[-2000:]}"
        raise RuntimeError(said)
    return {**json.loads(done.stdout.strip().splitlines()[-1]), "wall": wall}


def interleaved(ways: dict[str, tuple[list[str], str, dict[str, str]]], repeats: int) -> dict[str, Runs]:
    """Every way once, then every way again, so that a busy moment hits all of them.

    Args:
        ways: Arguments of ``python -m``, the interpreter and the environment of each way.
        repeats: Rounds.
    """
    found = {name: Runs() for name in ways}
    for _ in range(repeats):
        for name, (arguments, python, environment) in ways.items():
            took = run(arguments, python, **environment)
            for what in ("wall", "work", "cpu", "rss_mb"):
                getattr(found[name], what).append(took[what])
    return found


def ratio(one: list[float], other: list[float]) -> float:
    """Median over the rounds of one divided by other."""
    return statistics.median(a / b for a, b in zip(one, other, strict=True))


def median(values: list[float]) -> float:
    """The median."""
    return statistics.median(values)
