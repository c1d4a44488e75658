"""Every definition and edge case that decides a figure is quoted by a test that proves it.

The list is read where it lies beside the repository: a case without a test fails this one.
"""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
LIST = Path(os.environ.get("CADRAN_DEFINITIONS") or TESTS.parents[1] / "shared" / "definitions.md")
#: Cases about alerts, attribution, win probabilities, decisions and versions: rooms with lists of their own.
ELSEWHERE = {f"T-{number}" for number in (*range(84, 88), *range(90, 99))}


def cases():
    """Every rule and case about a KPI, by id."""
    if not LIST.exists():
        pytest.skip(f"the list of definitions is not here: {LIST.name}")
    text = LIST.read_text(encoding="utf-8")
    found = re.findall(r"^\| (T-\d+) \|", text, re.MULTILINE) + re.findall(r"^- \*\*(G-\d+)\*\*", text, re.MULTILINE)
    return [name for name in found if name not in ELSEWHERE]


def quoted():
    """Every id that stands in a test: its name, docstring, texts or comments; with where."""
    found = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        if path == Path(__file__):
            continue
        source = path.read_text(encoding="utf-8")
        lines = source.splitlines()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name.lower().startswith("test"):
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                told = "\n".join(lines[first - 1 : node.end_lineno])
                # the name of a test cannot hold a hyphen
                names = re.findall(r"\b[TG]-\d+\b", told) + re.findall(r"_([tg]_\d+)\b", told)
                for name in names:
                    found.setdefault(name.upper().replace("_", "-"), f"{path.name}:{node.lineno}")
    return found


def test_the_list_is_whole():
    found = cases()
    assert len(found) == len(set(found))
    assert {"T-01", "T-83", "T-88", "T-89", "T-99", "T-100", "G-1", "G-15"} <= set(found)
    assert len(found) == 83 + 4 + 15


def test_every_case_is_proved_by_a_test_that_quotes_it():
    known = quoted()
    assert [name for name in cases() if name not in known] == []
