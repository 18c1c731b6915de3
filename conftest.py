"""For all tests and doctests, wherever pytest is started."""

import gc
import importlib.util
import os
from collections.abc import Generator

import pytest
from hypothesis import settings

# What imports an extra at its top has doctests where that is installed.
_OF_EXTRAS = {"inspect_ai": ("inspect", "inspect_log", "inspect_model"), "lm_eval": ("lm_eval",)}
collect_ignore = [
    f"bench/harnesses/{name}.py"
    for package, names in _OF_EXTRAS.items()
    if importlib.util.find_spec(package) is None
    for name in names
]

# How long an example takes says something of the machine, and what else it does, not of the code.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

# The tests run in two processes: torch with two threads in each takes five times as long on two cores. Set before
# the processes are started and before torch is imported, and inherited by what the tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# No test is about the hub: where it cannot be reached, each name that is no model's waits for it again and again.
os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collecting imports everything, which stays: a quarter of its time would go into looking for garbage there."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
