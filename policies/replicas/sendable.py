"""Errors that go from one process to another."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def sendable_errors() -> Iterator[None]:
    """An error that cannot be made again in another process goes there as its text."""
    try:
        yield
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301  (our own)
        except Exception:  # noqa: BLE001  (whatever its class does there)
            raise RuntimeError(f"{type(error).__name__}: {error}") from error
        raise
