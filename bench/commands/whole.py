"""Whole numbers, as every option reads them."""

import argparse
import re

_LONGEST = 18  # digits: what 64 bits hold


def whole(text: str) -> int:
    """A whole number in digits; raises ArgumentTypeError for another spelling, and for more than can be counted.

    >>> whole("-16")
    -16
    >>> whole("1_6")
    Traceback (most recent call last):
    argparse.ArgumentTypeError: '1_6' is not a whole number
    """
    if not re.fullmatch(r"[-+]?[0-9]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    if len(text.lstrip("-+0")) > _LONGEST:
        raise argparse.ArgumentTypeError(f"{text:.30} is too large; give a number of at most {_LONGEST} digits")
    return int(text)
