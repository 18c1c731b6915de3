"""Bad input from the person at the keyboard."""

from collections.abc import Iterator
from contextlib import contextmanager

from verifiers.interface.errors import BadInput as BadInput


@contextmanager
def as_bad_input() -> Iterator[None]:
    """Turn what a library refuses inside into bad input."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise BadInput(str(error)) from None
