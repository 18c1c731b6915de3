"""Bad input from the person at the keyboard."""


class BadInput(Exception):  # noqa: N818  (it names the input, not a fault of the program)
    """One line that names the file, row or option, what was seen and what to do; the command exits with 2."""
