"""Saved pools of generations from JSON-lines files."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.errors import BadInput
from bench.options import check_limit
from bench.rows import Row, read_rows, text_field, unique_id
from verifiers.solution import Problem, Solution, Step, Stop, split_steps

_NOT_SCORES = {"text", "steps", "answer", "correct", "stop", "scores"}


@dataclass(frozen=True, slots=True)
class SavedPool:
    """One problem with its saved solutions, and the scores that the file holds for them.

    `recorded` maps a field's name to its scores, shape (n,): a number as it is; a list of "Yes"/"No"
    as the share of Yes among those given, NaN where none was. `correct` is None where the file does
    not say. `in_steps` says of which solutions the file gives the steps.
    """

    problem: Problem
    solutions: tuple[Solution, ...]
    correct: tuple[bool | None, ...]
    recorded: dict[str, npt.NDArray[np.float64]]
    in_steps: tuple[bool, ...]

    def cut(self, separator: str) -> tuple[Solution, ...]:
        """The solutions with their texts cut at `separator`; steps that the file gives stay as they are."""
        return tuple(
            solution if given else replace(solution, steps=split_steps(solution.text, separator))
            for solution, given in zip(self.solutions, self.in_steps, strict=True)
        )


def read_pools(path: Path, *, limit: int | None = None) -> list[SavedPool]:
    """The pools of a `.jsonl` or `.jsonl.gz` file, one problem a row.

    A row is `{"id", "prompt", "answer", "solutions": [{"text", "correct", "stop", ...}]}`; only
    "prompt" and the texts are required, a solution may also be a plain string, one without "stop" counts
    as finished, and "steps", a list of texts, may stand in the place of "text". Scores are what a solution
    has in an object "scores", or, where no solution of the file has one, every other field that holds
    numbers. Raises BadInput for a row that is not so.
    """
    check_limit(limit)
    read: list[tuple[str, list[Row]]] = []
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
        in_steps = tuple(entry.get("steps") is not None for entry in entries)
        read.append((where, entries))
        pools.append(SavedPool(problem, solutions, correct, {}, in_steps))
    if not pools:
        raise BadInput(f"{path}: no pools in it")
    named = any(entry.get("scores") is not None for _, entries in read for entry in entries)
    return [replace(pool, recorded=_recorded(w, e, named)) for pool, (w, e) in zip(pools, read, strict=True)]


def _entries(where: str, row: Row) -> list[Row]:
    found = row.get("solutions")
    if not isinstance(found, list):
        raise BadInput(f"{where}: no list 'solutions' in this row; it has {', '.join(map(repr, row))}")
    return [{"text": entry} if isinstance(entry, str) else entry for entry in found]


def _solution(where: str, entry: Any) -> Solution:
    if not isinstance(entry, dict):
        raise BadInput(f"{where}: a {type(entry).__name__} where a text or an object with 'text' was expected")
    stop = entry.get("stop") or "eos"
    if stop not in set(Stop):
        raise BadInput(f"{where}: stop is {stop!r}; use one of {', '.join(Stop)}")
    return Solution(_steps(where, entry), Stop(stop), "recorded as failed" if stop == "failed" else None)


def _steps(where: str, entry: Row) -> tuple[Step, ...]:
    steps = entry.get("steps")
    if steps is None:
        return split_steps(text_field(where, entry, ("text", "steps")))
    if not isinstance(steps, list) or not all(isinstance(step, str) for step in steps):
        raise BadInput(f"{where}: 'steps' must be a list of texts")
    if "text" in entry and "".join(steps) != text_field(where, entry, ("text",)):
        raise BadInput(
            f"{where}: 'text' is not its 'steps' joined; leave one of them out, or end each step with its separator"
        )
    return tuple(map(Step, steps))


def _recorded(where: str, entries: Sequence[Row], named: bool) -> dict[str, npt.NDArray[np.float64]]:
    """The scores in a problem's solutions; of `named` ones it is an error where they are none."""
    if named:
        entries = [entry.get("scores") or {} for entry in entries]
        if wrong := next((entry for entry in entries if not isinstance(entry, dict)), None):
            raise BadInput(f"{where}: 'scores' is {wrong!r}; an object of names and numbers was expected")
    names = dict.fromkeys(name for entry in entries for name in entry if named or name not in _NOT_SCORES)
    columns = {}
    for name in names:
        values = [_score(entry.get(name)) for entry in entries]
        if all(value is not None for value in values):
            columns[name] = np.array(values, dtype=np.float64)
        elif named:
            bad = entries[values.index(None)][name]
            raise BadInput(f"{where}: scores[{name!r}] is {bad!r}; use a number, or null for none")
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
