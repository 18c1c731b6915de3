"""The scores that saved solutions carry, in an object "scores" or as plain fields."""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.inputs.rows import Row, check_text
from bench.pools.columns import COLUMNS
from verifiers.interface.errors import BadInput
from verifiers.interface.scoring import Scores

_LARGEST = float(np.finfo(np.float32).max)  # scores are float32


@dataclass(frozen=True, slots=True)
class Entry:
    """A solution as it is saved, under our own names, and where."""

    where: str
    fields: Row
    of_a_run: bool

    @property
    def steps(self) -> int | None:
        """How many steps are given, None where the text is all."""
        given = self.fields.get("steps")
        return None if given is None else len(given)


def recorded_scores(pools: Sequence[Sequence[Entry]], mapped: Collection[str]) -> list[dict[str, Scores]]:
    """For each pool the scores in its solutions, by their names; "steps", where given, must be lists.

    Where any solution has an object "scores", its fields are scores, and it is an error where one is none. Else a
    plain field is, if over all pools it holds a number (or a list of them, one a step, or of "Yes"/"No") and
    nothing else but nulls; true and false, which may be verdicts, are none there, nor is a `mapped` column.
    """
    if any(entry.fields.get("scores") is not None for pool in pools for entry in pool):
        return [_named(pool) for pool in pools]
    names = _plain_names([entry for pool in pools for entry in pool], {*COLUMNS, *mapped})
    return [
        {
            name: Scores(tuple(np.array(_floats(e.where, repr(name), e.fields.get(name)), np.float32) for e in pool))
            for name in names
            if any(name in entry.fields for entry in pool)
        }
        for pool in pools
    ]


def _plain_names(entries: Sequence[Entry], others: Collection[str]) -> list[str]:
    """The fields that hold scores, or nothing, in every solution and a score in one."""
    spoken: dict[str, bool] = {}
    bad: set[str] = set(others)
    for entry in entries:
        for name, value in entry.fields.items():
            if name in bad:
                continue
            found = None if _has_truths(value) else _floats(entry.where, repr(name), value)
            if found is None or not _fits(found, entry):
                bad.add(name)
            else:
                spoken[name] = spoken.get(name, False) or not all(map(math.isnan, found))
                check_text(entry.where, "a field's name", name)
    return [name for name, speaks in spoken.items() if speaks and name not in bad]


def _named(pool: Sequence[Entry]) -> dict[str, Scores]:
    """The scores in the objects "scores"."""
    for entry in pool:
        if not isinstance(said := entry.fields.get("scores"), dict | None):
            raise BadInput(f"{entry.where}: 'scores' is {said!r}; an object of names and numbers was expected")
    names = dict.fromkeys(name for entry in pool for name in entry.fields.get("scores") or ())
    return {name: Scores(tuple(np.array(row, np.float32) for row in _rows(pool, name))) for name in names}


def _rows(pool: Sequence[Entry], name: str) -> Iterator[list[float]]:
    for entry in pool:
        value = (entry.fields.get("scores") or {}).get(name)
        check_text(entry.where, "a score's name", name)
        found = _floats(entry.where, f"scores[{name!r}]", value)
        if found is None:
            text = " (numbers without quotes)" if isinstance(value, str) else ""
            raise BadInput(
                f"{entry.where}: scores[{name!r}] is {value!r}; use a number, a list of them, or null for none{text}"
            )
        if not _fits(found, entry):
            raise BadInput(f"{entry.where}: scores[{name!r}] has {len(found)} numbers for {entry.steps} steps")
        yield found


def _fits(found: Sequence[float], entry: Entry) -> bool:
    return entry.steps is None or len(found) in (1, entry.steps)


def _has_truths(value: object) -> bool:
    return isinstance(value, bool) or (isinstance(value, list) and any(isinstance(v, bool) for v in value))


def _floats(where: str, name: str, value: object) -> list[float] | None:
    """One score, or one a step, NaN where there is none; None where the value holds no scores."""
    values = value if isinstance(value, list) else [value]
    if all(v is None or isinstance(v, int | float) for v in values) and any(v is not None for v in values):
        return [_float(where, name, v) for v in values]
    if not isinstance(value, list | None) or not all(v in ("Yes", "No", None) for v in values):
        return None
    given = [v == "Yes" for v in values if v is not None]
    return [sum(given) / len(given) if given else math.nan]


def _float(where: str, name: str, value: Any) -> float:
    if value is None:
        return math.nan
    if _LARGEST < abs(value) < math.inf:
        raise BadInput(f"{where}: {name} holds a number beyond {_LARGEST:.1e}, too large for a score; scale it")
    return float(value)
