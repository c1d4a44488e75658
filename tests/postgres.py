"""A real PostgreSQL server for tests: started once, thrown away at the end."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

#: The one user who must show a password.
CAREFUL = "careful"
PLACE = "/tmp"  # noqa: S108 - the one place that every user of the machine can enter


def _binaries():
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    return Path(found).parent if found else None


def _run(*command):
    """Run a program of PostgreSQL, which refuses to run as root: root lends it another user."""
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    # the server keeps the output of its starter open, so that it must not be a pipe
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([*prefix, *map(str, command)], check=True, cwd=PLACE, **quiet)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def postgres_url():
    """Address of an empty database that exists for this session of tests only."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install cadran[postgres]")
    binaries = _binaries()
    if not binaries:
        pytest.skip("PostgreSQL is not installed here (no initdb)")
    # the path of a socket must be short, and the user postgres must reach it
    folder = Path(tempfile.mkdtemp(prefix="cadran-pg-", dir=PLACE))
    data = folder / "data"
    port = free_port()
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        _run(binaries / "initdb", "-D", data, "-A", "trust", "-U", "cadran", "-E", "UTF8", "--no-sync")
        rules = data / "pg_hba.conf"
        rules.write_text(f"host all {CAREFUL} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        settings = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        _run(binaries / "pg_ctl", "-D", data, "-o", settings, "-l", folder / "log", "-w", "start")
        try:
            yield f"postgresql://cadran@127.0.0.1:{port}/postgres"
        finally:
            _run(binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_sql(url, statement):
    """Run a statement as the owner of the database."""
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
