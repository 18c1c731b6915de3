"""For all tests and doctests, wherever pytest is started."""

import gc
import os
from collections.abc import Generator

import pytest
from hypothesis import settings

# How long an example takes says something of the machine, and what else it does, not of the code.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

# The tests run in two processes: torch with two threads in each takes five times as long on two cores. Set before
# the processes are started and before torch is imported, and inherited by what the tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collecting imports everything, which stays: a quarter of its time would go into looking for garbage there."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
