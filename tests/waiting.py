"""Waiting for what another thread or process does, however slow the machine is."""

import time
from collections.abc import Callable

LONGEST = 60.0  # seconds: what has not happened by then never will


def until(done: Callable[[], object], seconds: float = LONGEST) -> None:
    """Return as soon as `done()` holds. Raises AssertionError where it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.01)
