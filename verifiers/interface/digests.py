"""What tells some rows from others, for the record of what a folder is for."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import numpy as np


def digest_of(rows: Iterable[object]) -> str:
    """What tells some rows from others: a digest of the fields that they name and that differ from their defaults.

    So a field that a later version adds, at its default, leaves all digests as they are.

    >>> from verifiers.interface.solution import Problem
    >>> plain, gold = digest_of([Problem("a", "1+1?")]), digest_of([Problem("a", "1+1?", "2")])
    >>> plain == digest_of([Problem("a", "1+1?", None)]), plain == gold
    (True, False)
    """
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row, default=_named_fields, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()[:32]


def _named_fields(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if not is_dataclass(value):
        return float(value)  # a tensor's number, a fraction
    held = {f.name: getattr(value, f.name) for f in fields(value)}
    defaults = {f.name: f.default if f.default_factory is MISSING else f.default_factory() for f in fields(value)}
    return {name: given for name, given in held.items() if given != defaults[name]}
