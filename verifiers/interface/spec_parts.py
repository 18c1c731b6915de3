"""The parts of a short spec, such as a command line takes: names, then KEY=VALUE."""

import math
from typing import Literal

_DTYPES: dict[str, Literal["auto", "float32", "bfloat16"]] = {"float32": "float32", "bfloat16": "bfloat16"}


def parts_of(text: str) -> tuple[list[str], dict[str, str]]:
    """The names and the options of what stands behind a spec's colon.

    >>> parts_of("tiny:prm,tiny:prover,alpha=0.5")
    (['tiny:prm', 'tiny:prover'], {'alpha': '0.5'})
    """
    names: list[str] = []
    options: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if equals and key.isidentifier():
            options[key] = value
        else:
            names.append(part)
    return names, options


def dtype_of(spec: str, wanted: str | None) -> Literal["auto", "float32", "bfloat16"]:
    """A spec's `dtype=`, "auto" where it has none; raises ValueError for another word."""
    if wanted is not None and wanted not in _DTYPES:
        raise ValueError(f"{spec!r}: dtype={wanted}: use bfloat16 or float32")
    return "auto" if wanted is None else _DTYPES[wanted]


def number_of(spec: str, key: str, value: str) -> float:
    """A finite number; raises ValueError for anything else."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{spec!r}: {key}={value} is not a number")
    return number


def share_of(spec: str, key: str, value: str) -> float:
    """A number above 0 and at most 1; raises ValueError for anything else."""
    share = number_of(spec, key, value)
    if not 0 < share <= 1:
        raise ValueError(f"{spec!r}: {key}={value}: use a number above 0 and at most 1")
    return share


def count_of(spec: str, key: str, value: str) -> int:
    """A whole number of 1 or more; raises ValueError for anything else."""
    if not value.isdecimal() or int(value) < 1:
        raise ValueError(f"{spec!r}: {key}={value}: use a whole number of 1 or more")
    return int(value)


def yes_of(spec: str, key: str, value: str) -> bool:
    """`yes` or `no`; raises ValueError for another word."""
    if value not in ("yes", "no"):
        raise ValueError(f"{spec!r}: {key}={value}: use yes or no")
    return value == "yes"
