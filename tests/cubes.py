"""Cube's own compiler over the exported data model; its SQL runs on a `World`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "cube"
COMPILER = HERE / "node_modules" / "@cubejs-backend" / "schema-compiler"


def require_cube():
    """Fail where the compiler must be there, which is in continuous integration; skip elsewhere."""
    if shutil.which("node") and COMPILER.exists():
        return
    reason = "Cube's compiler is not installed: make tests/cube/node_modules"
    pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


def compiled(folder, start, end):
    """SQL and values of every measure, by name, or the compiler's complaint as an error."""
    found = subprocess.run(
        ["node", str(HERE / "compile.js"), str(folder), start.isoformat(), end.isoformat()],
        capture_output=True,
        text=True,
        check=False,
        # the planner written in Rust comes as a binary that not every machine can fetch
        env={**os.environ, "CUBEJS_TESSERACT_SQL_PLANNER": "false"},
    )
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout.splitlines()[-1])  # warnings come before
