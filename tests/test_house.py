from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import cadran
from cadran import errors

ROOT = Path(__file__).parent.parent
SOURCE = Path(cadran.__file__).parent
BIN = Path(sys.executable).parent


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, **options)


@pytest.mark.slow
def test_imports_point_down_and_there_is_no_cycle():
    found = run(str(BIN / "lint-imports"), "--no-cache")
    assert found.returncode == 0, found.stdout


@pytest.mark.slow
def test_types_are_strict():
    found = run(sys.executable, "-m", "mypy", "--cache-dir", "/dev/null")
    assert found.returncode == 0, found.stdout


def test_help_answers_in_a_third_of_a_second_of_processor_time():
    code = "import resource, sys; sys.argv = ['cadran', '--help']\ntry:\n import cadran.cli; cadran.cli.main()\nfinally:\n u = resource.getrusage(resource.RUSAGE_SELF); print('CPU', u.ru_utime + u.ru_stime, file=sys.stderr)"
    spent = min(float(run(sys.executable, "-c", code).stderr.split("CPU")[1].split()[0]) for _ in range(3))
    assert spent < 0.3


def test_a_verb_loads_what_it_needs_and_no_other_library():
    heavy = ("rich", "ibis", "duckdb", "numpy", "scipy", "sqlalchemy", "pydantic", "fastapi", "yaml")
    code = f"import sys, cadran.cli; print([name for name in {heavy} if name in sys.modules])"
    assert run(sys.executable, "-c", code).stdout.strip() == "[]"


def test_a_project_opens_without_the_libraries_that_few_answers_need():
    heavy = ("scipy.stats", "scipy.optimize", "sqlalchemy", "pyspark", "pandas", "splink", "fastapi", "matplotlib")
    code = f"import sys, cadran.workspace, cadran.cli.show; print([name for name in {heavy} if name in sys.modules])"
    assert run(sys.executable, "-c", code).stdout.strip() == "[]"


def test_every_error_has_an_exit_code_and_a_status():
    classes = {c.__name__ for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.CadranError)}
    assert classes == set(errors.CODES)
    assert all(name in errors.__doc__ for name in classes)


def test_every_table_and_layer_of_the_architecture_is_the_one_that_is_checked():
    config = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    layers = re.findall(r'"([^"]+)"', re.search(r"layers = \[(.*?)\n\]", config, re.DOTALL).group(1))
    line = next(
        t for t in (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines() if t.startswith("`cli` ▸")
    )
    assert [part.strip("` ") for part in line.split("▸")] == layers
    rooms = {p.stem for p in SOURCE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()} - {"__init__"}
    assert rooms == {room for layer in layers for room in layer.split(" | ")}


def test_no_module_is_longer_than_its_room_allows():
    long = {
        p.relative_to(SOURCE): n
        for p in SOURCE.rglob("*.py")
        if (n := len(p.read_text(encoding="utf-8").splitlines())) > 450
    }
    assert long == {}


def test_the_product_speaks_of_itself_alone():
    words = re.compile(r"/work/|shared/|subagent|helper session|claude|anthropic", re.IGNORECASE)
    files = [
        *SOURCE.rglob("*.py"),
        *SOURCE.rglob("*.yml"),
        *SOURCE.rglob("*.po"),
        *SOURCE.rglob("*.html"),
        *ROOT.glob("*.md"),
    ]
    assert [str(p) for p in files if words.search(p.read_text(encoding="utf-8"))] == []
