"""How random tests draw: the same examples every time, others when asked, with what it takes to repeat them.

``HYPOTHESIS_PROFILE=explore`` draws new examples; a failure prints the blob that repeats it.
"""

import os

from hypothesis import settings

settings.register_profile("same", derandomize=True, print_blob=True, deadline=None)
settings.register_profile("explore", derandomize=False, print_blob=True, deadline=None)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "same")
settings.load_profile(PROFILE)


def pytest_report_header():
    """Say how examples are drawn."""
    return f"hypothesis profile: {PROFILE}"
