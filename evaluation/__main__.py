"""Measure every item, print it, and write docs/evaluation.md.

``python -m evaluation [--only NAME] [--seed N] [--shared DIR]``; exits 1 when a target is missed.
Each module of this package with an ``evaluate(seed, shared)`` is one item: it gives `Line`s.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import evaluation

if TYPE_CHECKING:
    from evaluation.line import Line

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "docs" / "evaluation.md"
START, END = "<!-- {name} -->", "<!-- end of {name} -->"
HEAD = """# Evaluation

Written by `make evaluate`: each line is a figure of Cadran beside a baseline, measured in the same run or as published
for the same question, on simulated worlds whose truth is known. A line with a target fails the run when it misses it;
a line without one is shown for what it tells. Read the notes: a model can learn a simulator's habits.

"""


def main() -> None:
    """Run the items asked for and merge their sections into the report."""
    parser = argparse.ArgumentParser(prog="python -m evaluation", description=__doc__)
    parser.add_argument("--only", action="append", default=[], help="run only this item; may come several times")
    parser.add_argument("--seed", type=int, default=20260, help="seed of the worlds that are drawn (printed)")
    parser.add_argument(
        "--shared", type=Path, default=ROOT.parent / "shared", help="folder with public data and worlds"
    )
    parser.add_argument("--no-write", action="store_true", help="leave docs/evaluation.md as it is")
    asked = parser.parse_args()
    shared = asked.shared if asked.shared.is_dir() else None
    sys.stdout.write(f"seed {asked.seed}; shared data: {'found' if shared else 'absent, its items are skipped'}\n")
    missed = 0
    for name in asked.only or items():
        started = time.perf_counter()
        module = importlib.import_module(f"evaluation.{name}")
        lines: list[Line] = module.evaluate(asked.seed, shared)
        seconds = time.perf_counter() - started
        sys.stdout.write(f"\n{name} ({seconds:.0f} s)\n" + "".join(f"  {_plain(line)}\n" for line in lines))
        sys.stdout.flush()
        missed += sum(not line.passed for line in lines)
        if not asked.no_write:
            write(name, (module.__doc__ or "").strip(), lines, asked.seed)
    sys.stdout.write(f"\n{missed} missed\n")
    sys.exit(1 if missed else 0)


def items() -> list[str]:
    """Names of the modules that measure something, in alphabetical order."""
    names = sorted(module.name for module in pkgutil.iter_modules(evaluation.__path__) if module.name[0] != "_")
    return [name for name in names if hasattr(importlib.import_module(f"evaluation.{name}"), "evaluate")]


def write(name: str, about: str, lines: list[Line], seed: int) -> None:
    """Put the section of an item in the report, in place of its earlier one."""
    start, end = START.format(name=name), END.format(name=name)
    rows = "".join(_row(line) for line in lines)
    table = f"| measured | Cadran | baseline | target | met | note |\n|---|---|---|---|---|---|\n{rows}"
    section = f"{start}\n## {about.splitlines()[0]}\n\nSeed {seed}.\n\n{table}{end}\n"
    text = REPORT.read_text(encoding="utf-8") if REPORT.exists() else ""
    sections = text[text.find("<!--") :] if "<!--" in text else ""
    before, _, rest = sections.partition(start)
    parts = [before, section, rest.partition(end)[2]]
    REPORT.write_text(HEAD + "\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n", encoding="utf-8")


def _row(line: Line) -> str:
    met = "" if line.way == "shown" else "yes" if line.passed else "**no**"
    return f"| {line.name} | {line.ours:.4g} | {_number(line.baseline)} | {_target(line)} | {met} | {line.note} |\n"


def _plain(line: Line) -> str:
    met = "" if line.way == "shown" else "ok" if line.passed else "MISSED"
    return f"{line.name}: {line.ours:.4g} (baseline {_number(line.baseline) or '-'}; {_target(line) or 'shown'}) {met}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _target(line: Line) -> str:
    if isinstance(line.target, tuple):
        return f"{line.target[0]:.4g} to {line.target[1]:.4g}"
    return "" if line.target is None else f"{line.way} {line.target:.4g}"


if __name__ == "__main__":
    main()
