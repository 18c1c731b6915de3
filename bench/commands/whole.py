"""Whole numbers, as every option reads them."""

import argparse
import re


def whole(text: str) -> int:
    """A whole number in digits; raises ArgumentTypeError for another spelling.

    >>> whole("-16")
    -16
    >>> whole("1_6")
    Traceback (most recent call last):
    argparse.ArgumentTypeError: '1_6' is not a whole number
    """
    if not re.fullmatch(r"[-+]?[0-9]{1,4000}", text):  # more digits Python does not read
        raise argparse.ArgumentTypeError(f"{text!r:.40} is not a whole number")
    return int(text)
