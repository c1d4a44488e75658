"""How tests are shared out among processes: a file stays together, and so does everything that needs Spark.

A cluster is a master and two workers: one of them is enough for a machine, whatever the number of processes.
"""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        group = "spark" if item.get_closest_marker("spark") else item.path.name
        item.add_marker(pytest.mark.xdist_group(group))
