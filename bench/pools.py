"""Saved pools of generations from JSON-lines files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.errors import BadInput
from bench.rows import Row, read_rows, text_field, unique_id
from verifiers.solution import Problem, Solution, Stop, split_steps

_NOT_SCORES = {"text", "answer", "correct", "stop"}


@dataclass(frozen=True, slots=True)
class SavedPool:
    """One problem with its saved solutions, and the scores that the file holds for them.

    `recorded` maps a field's name to its scores, shape (n,): a number as it is; a list of "Yes"/"No"
    as the share of Yes among those given, NaN where none was. `correct` is None where the file does
    not say.
    """

    problem: Problem
    solutions: tuple[Solution, ...]
    correct: tuple[bool | None, ...]
    recorded: dict[str, npt.NDArray[np.float64]]


def read_pools(path: Path, *, limit: int | None = None) -> list[SavedPool]:
    """The pools of a `.jsonl` or `.jsonl.gz` file, one problem a row.

    A row is `{"id", "prompt", "answer", "solutions": [{"text", "correct", "stop", ...}]}`; only
    "prompt" and the texts are required, a solution may also be a plain string, and one without
    "stop" counts as finished. Raises BadInput for a row that is not so.
    """
    pools: list[SavedPool] = []
    seen: dict[str, str] = {}
    for where, row in read_rows(path):
        if limit is not None and len(pools) == limit:
            break
        prompt = text_field(where, row, ("prompt",))
        gold = text_field(where, row, ("answer",)) if row.get("answer") is not None else None
        entries = _entries(where, row)
        problem = Problem(unique_id(where, row, f"{path.stem}-{len(pools):05d}", seen), prompt, gold)
        solutions = tuple(_solution(f"{where}: solution {i}", entry) for i, entry in enumerate(entries))
        correct = tuple(c if isinstance(c := entry.get("correct"), bool) else None for entry in entries)
        pools.append(SavedPool(problem, solutions, correct, _recorded(entries)))
    if not pools:
        raise BadInput(f"{path}: no pools in it")
    return pools


def _entries(where: str, row: Row) -> list[Row]:
    found = row.get("solutions")
    if not isinstance(found, list):
        raise BadInput(f"{where}: no list 'solutions' in this row; it has {', '.join(map(repr, row))}")
    return [{"text": entry} if isinstance(entry, str) else entry for entry in found]


def _solution(where: str, entry: Any) -> Solution:
    if not isinstance(entry, dict):
        raise BadInput(f"{where}: a {type(entry).__name__} where a text or an object with 'text' was expected")
    text = text_field(where, entry, ("text",))
    stop = entry.get("stop") or "eos"
    if stop not in set(Stop):
        raise BadInput(f"{where}: stop is {stop!r}; use one of {', '.join(Stop)}")
    return Solution(split_steps(text), Stop(stop), "recorded as failed" if stop == "failed" else None)


def _recorded(entries: Sequence[Row]) -> dict[str, npt.NDArray[np.float64]]:
    names = dict.fromkeys(name for entry in entries for name in entry if name not in _NOT_SCORES)
    columns = {}
    for name in names:
        values = [_score(entry.get(name)) for entry in entries]
        if all(value is not None for value in values):
            columns[name] = np.array(values, dtype=np.float64)
    return columns


def _score(value: object) -> float | None:
    """A recorded score, NaN where there is none, or None where the field holds no scores."""
    if value is None:
        return float("nan")
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, list) and all(v in ("Yes", "No", None) for v in value):
        given = [v == "Yes" for v in value if v is not None]
        return sum(given) / len(given) if given else float("nan")
    return None
