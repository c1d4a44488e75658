"""A real Spark cluster for tests: a master and two workers, each a process, started once and thrown away at the end."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from postgres import free_port

WORKERS = 2
#: Seconds within which the master and its workers must have met.
PATIENCE = 90


#: Statements here are many and short: what starts soonest wins over what runs fastest. The driver that a
#: test starts reads this too, as it would read the settings of a real cluster.
DEFAULTS = """\
spark.driver.extraJavaOptions   -XX:TieredStopAtLevel=1 -XX:+UseSerialGC
spark.executor.extraJavaOptions -XX:TieredStopAtLevel=1 -XX:+UseSerialGC
spark.driver.memory             700m
spark.executor.cores            1
"""


def _java():
    """True when there is a Java that Spark runs on."""
    home = os.environ.get("JAVA_HOME")
    return bool((home and (Path(home) / "bin" / "java").exists()) or shutil.which("java"))


def _start(log, name, *arguments):
    """Start a daemon of Spark through the `spark-class` of the PyPI package."""
    import pyspark

    home = Path(pyspark.__file__).parent
    # small heaps, and the compiler that starts soonest: the daemons only pass messages on
    settings = {"SPARK_HOME": str(home), "SPARK_DAEMON_MEMORY": "256m", "SPARK_NO_DAEMONIZE": "1"}
    settings |= {"SPARK_DAEMON_JAVA_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"}
    command = [home / "bin" / "spark-class", f"org.apache.spark.deploy.{name}", "--host", "127.0.0.1", *arguments]
    with log.open("wb") as output:
        return subprocess.Popen(
            [str(word) for word in command],
            env=os.environ | settings,
            cwd=log.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _stop(processes):
    for process in reversed(processes):
        process.terminate()
    for process in reversed(processes):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()


def _forget():
    """End the application that tests have started, and the Java program in which it runs."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    if (session := getattr(SparkSession, "_instantiatedSession", None)) is not None:
        gateway = SparkContext._gateway
        session.stop()
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait(30)
        SparkContext._gateway = SparkContext._jvm = None


def _met(log, processes):
    """Wait until the master knows every worker."""
    end = time.monotonic() + PATIENCE
    while log.read_text(errors="replace").count("Registering worker") < WORKERS:
        dead = [process.args[1] for process in processes if process.poll() is not None]
        if dead or time.monotonic() > end:
            pytest.fail(f"the Spark cluster did not start (ended: {dead}):\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.1)


@pytest.fixture(scope="session")
def spark_cluster():
    """A standalone cluster, with its address and its processes."""
    pytest.importorskip("pyspark", reason="pyspark is not installed: pip install cadran[spark]")
    if not _java():
        pytest.skip("Java is not installed here")
    folder = Path(tempfile.mkdtemp(prefix="cadran-spark-"))
    (folder / "spark-defaults.conf").write_text(DEFAULTS)
    patch = pytest.MonkeyPatch()
    patch.setenv("SPARK_CONF_DIR", str(folder))
    patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    address, processes = f"spark://127.0.0.1:{(port := free_port())}", []
    try:
        processes.append(_start(folder / "master.log", "master.Master", "--port", port, "--webui-port", 0))
        end = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if processes[0].poll() is not None or time.monotonic() > end:
                pytest.fail(f"the master of Spark did not start:\n{(folder / 'master.log').read_text()[-3000:]}")
            time.sleep(0.1)
        for number in range(WORKERS):
            about = ["--webui-port", 0, "--cores", 1, "--memory", "1g", "--work-dir", folder / f"work{number}", address]
            processes.append(_start(folder / f"worker{number}.log", "worker.Worker", *about))
        _met(folder / "master.log", processes)
        yield address, processes
    finally:
        _forget()
        _stop(processes)
        patch.undo()
        shutil.rmtree(folder, ignore_errors=True)
