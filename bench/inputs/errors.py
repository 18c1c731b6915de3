"""Bad input from the person at the keyboard."""

from collections.abc import Iterator
from contextlib import contextmanager


class BadInput(Exception):  # noqa: N818  (it names the input, not a fault of the program)
    """One line that names the file, row or option, what was seen and what to do; the command exits with 2."""


@contextmanager
def as_bad_input() -> Iterator[None]:
    """Turn what a library refuses inside into bad input."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise BadInput(str(error)) from None
