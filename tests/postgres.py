"""A real PostgreSQL server for tests: started once, thrown away at the end."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest


def _binaries():
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    return Path(found).parent if found else None


def _as_postgres(*command):
    """PostgreSQL refuses to run as root, so root lends it another user."""
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    return [*prefix, *map(str, command)]


def _free_port():
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
    folder = Path(
        tempfile.mkdtemp(prefix="cadran-pg-", dir="/tmp")
    )  # a socket's path must be short, and postgres must reach it
    port = _free_port()
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        run = {"check": True, "capture_output": True, "cwd": "/tmp"}
        data = folder / "data"
        subprocess.run(
            _as_postgres(binaries / "initdb", "-D", data, "-A", "trust", "-U", "cadran", "-E", "UTF8", "--no-sync"),
            **run,
        )
        settings = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        # the server keeps the output of its starter open, so that it must not be a pipe
        subprocess.run(
            _as_postgres(binaries / "pg_ctl", "-D", data, "-o", settings, "-l", folder / "log", "-w", "start"),
            check=True,
            cwd="/tmp",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield f"postgresql://cadran@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run(_as_postgres(binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"), **run)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
