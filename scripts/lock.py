"""Write the locked sets of versions: `requirements.lock` to run, `requirements-test.lock` to test.

Needs pip-tools. The locks name packages and versions only, so that they install from any index.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FLAGS = (
    "--quiet --no-header --no-annotate --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --strip-extras"
)
#: What an installation without build isolation needs, which newer Pythons no longer bring.
BUILD = "setuptools>=77\n"


def lock(name: str, *extras: str, within: str = "") -> None:
    """Compile one lock file from pyproject.toml and its extras, within the versions of another lock."""
    path = ROOT / name
    chosen = [flag for extra in extras for flag in ("--extra", extra)]
    source = ROOT / "build.in"
    chosen += ["--constraint", within] if within else []
    source.write_text(BUILD, encoding="utf-8")
    try:
        command = [sys.executable, "-m", "piptools", "compile", *FLAGS.split(), "--allow-unsafe", *chosen]
        subprocess.run([*command, "-o", str(path), "pyproject.toml", "build.in"], cwd=ROOT, check=True)
    finally:
        source.unlink()
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if "==" in line]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{name}: {len(lines)} packages")


if __name__ == "__main__":
    lock("requirements-test.lock", "test", "postgres")
    lock("requirements.lock", within="requirements-test.lock")
