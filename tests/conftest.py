"""What exists once for all tests: a fixture that modules import would exist once in each of them."""

from hypothesis import settings

from spark import spark_cluster

__all__ = ["spark_cluster"]

# an example is never wrong for being slow: the first one may load a library, and other work may take the processor
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def pytest_terminal_summary(terminalreporter):
    """Print which proofs ran: lines of passed tests that begin with ``proof:``, wherever they ran."""
    passed = terminalreporter.stats.get("passed", [])
    lines = sorted({line for report in passed for line in report.capstdout.splitlines() if line.startswith("proof:")})
    if lines:
        terminalreporter.section("proofs of connectors")
        terminalreporter.write("\n".join(lines) + "\n")
