"""What was measured against what was aimed at, as text and as JSON."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from benchmarks.scale import SEED

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Measure:
    """One figure.

    Attributes:
        name: What it is.
        value: The figure.
        unit: ``×``, ``ms``, ``s``, ``GB``, ``1/s`` or ``errors``.
        most: Target: at most this, or None.
        least: Target: at least this, or None.
    """

    name: str
    value: float
    unit: str = "×"
    most: float | None = None
    least: float | None = None

    @property
    def verdict(self) -> str:
        """PASS, FAIL, or nothing without a target."""
        if self.most is None and self.least is None:
            return ""
        above = self.most is not None and self.value > self.most
        below = self.least is not None and self.value < self.least
        return "FAIL" if above or below else "PASS"


@dataclass
class Report:
    """Everything that one run of the benchmark measured."""

    scale: str
    measures: list[Measure] = field(default_factory=list)

    def add(self, *measures: Measure) -> None:
        """Take in figures and print them."""
        for measure in measures:
            self.measures.append(measure)
            aim = f"≤ {measure.most:g}" if measure.most is not None else ""
            aim = f"≥ {measure.least:g}" if measure.least is not None else aim
            print(f"{measure.name:<66}{measure.value:>11.3f} {measure.unit:<7}{aim:<9}{measure.verdict}", flush=True)

    def write(self, path: Path) -> None:
        """The figures and the machine as JSON."""
        found = {
            "scale": self.scale,
            **machine(),
            "measures": [asdict(m) | {"verdict": m.verdict} for m in self.measures],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def machine() -> dict[str, object]:
    """The machine, the versions and the seed."""
    names = ("duckdb", "ibis-framework", "sqlglot", "pyarrow", "numpy", "pandas", "fastapi", "uvicorn")
    versions = {}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "absent"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(memory, 1),
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "versions": versions,
        "seed": SEED,
    }
