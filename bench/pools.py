"""Saved pools of generations: problems with their solutions, and the scores that a file holds for them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.errors import BadInput
from bench.options import check_limit
from bench.pool_sources import source_rows
from bench.rows import Row, text_field
from verifiers.scoring import Scores
from verifiers.solution import Message, Problem, Solution, Step, Stop, split_steps

_OF_SOLUTIONS = ("text", "steps", "correct", "stop", "scores")
_NOT_SCORES = {*_OF_SOLUTIONS, "answer", "extracted"}
COLUMNS = ("id", "prompt", "answer", "solutions", *_OF_SOLUTIONS)  # what `columns` may map


@dataclass(frozen=True, slots=True)
class SavedPool:
    """One problem with its saved solutions, and the scores that the file holds for them.

    `recorded` maps a field's name to its scores, one a solution or one a step: a number as it is; a list of
    "Yes"/"No" as the share of Yes among those given, NaN where none was. `correct` is None where the file does
    not say. `in_steps` says of which solutions the file gives the steps; `rows` how many rows they came from, and
    `where` where the first of them stands. A run's pool was graded by its task; it also has the answers that the task
    read, `extracted`, and in `values` each scorer's own value of each solution, under the scorer's own reducer, NaN
    for none. `values` is empty where the source is no run: there the last recorded score counts.
    """

    problem: Problem
    solutions: tuple[Solution, ...]
    correct: tuple[bool | None, ...]
    recorded: dict[str, Scores]
    in_steps: tuple[bool, ...]
    extracted: tuple[str | None, ...] | None = None
    rows: int = 1
    where: str = ""
    values: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)

    def cut(self, separator: str) -> tuple[Solution, ...]:
        """The solutions with their texts cut at `separator`; steps that the file gives stay as they are."""
        return tuple(
            solution if given else replace(solution, steps=split_steps(solution.text, separator))
            for solution, given in zip(self.solutions, self.in_steps, strict=True)
        )


@dataclass(slots=True)
class _Group:
    """The rows of one problem."""

    problem: Problem
    first: str  # where its first row stands
    rows: int = 0
    wheres: list[str] = field(default_factory=list)
    entries: list[Row] = field(default_factory=list)


def read_pools(
    sources: Sequence[str | Path], *, columns: Mapping[str, str] | None = None, limit: int | None = None
) -> list[SavedPool]:
    """The pools of all sources (see `bench.pool_sources`), in the order in which their problems first occur.

    A row is `{"id", "prompt", "answer", "solutions": [{"text", "correct", "stop", ...}]}`; only
    "prompt" and the texts are required, the prompt may be a list of messages, a solution may be a plain string (then
    "correct", "stop" and scores may stand beside it as lists of the same length), one without "stop" counts
    as finished, and "steps", a list of texts, may stand in the place of "text". A row without "solutions" is itself
    one solution. Rows with the same id, or without ids with the same prompt and answer, are one problem's. Scores
    are what a solution has in an object "scores", a number or one a step, or, where no solution has such an object,
    every other field that holds numbers. `columns` maps these names to those of the sources. Raises BadInput for a
    row that is not so.
    """
    check_limit(limit)
    names = dict(columns or {})
    if unknown := [name for name in names if name not in COLUMNS]:
        raise BadInput(f"--columns {unknown[0]}=...: use {', '.join(COLUMNS)}")
    groups: dict[object, _Group] = {}
    for source in map(str, sources):
        stem = Path(source.partition(":")[0]).stem
        for where, given in source_rows(source):
            row = _renamed(where, given, names)
            prompt = _prompt(where, row)
            gold = text_field(where, row, ("answer",)) if row.get("answer") is not None else None
            key: object = (prompt, gold) if row.get("id") is None else str(row["id"])
            if key not in groups:
                if limit is not None and len(groups) == limit:
                    continue
                name = f"{stem}-{len(groups):05d}" if row.get("id") is None else str(row["id"])
                groups[key] = _Group(Problem(name, prompt, gold), where)
            group = groups[key]
            if (prompt, gold) != (group.problem.prompt, group.problem.answer):
                raise BadInput(
                    f"{where}: id {group.problem.id!r} was used by {group.first} with another prompt or answer; "
                    "ids must be unique"
                )
            entries = _entries(where, row, names)
            group.rows += 1
            group.wheres += [f"{where}: solution {i}" for i in range(len(entries))]
            group.entries += entries
    if not groups:
        raise BadInput(f"{', '.join(map(str, sources))}: no pools in it")
    named = any(entry.get("scores") is not None for group in groups.values() for entry in group.entries)
    return [_pool(group, named) for group in groups.values()]


def _pool(group: _Group, named: bool) -> SavedPool:
    solutions = tuple(_solution(where, e) for where, e in zip(group.wheres, group.entries, strict=True))
    correct = tuple(c if isinstance(c := entry.get("correct"), bool) else None for entry in group.entries)
    in_steps = tuple(entry.get("steps") is not None for entry in group.entries)
    recorded = _recorded(group, solutions, in_steps, named)
    of_a_run = bool(group.entries) and all("extracted" in entry for entry in group.entries)
    extracted = tuple(entry["extracted"] for entry in group.entries) if of_a_run else None
    values = {name: np.array([e["values"].get(name, np.nan) for e in group.entries]) for name in recorded if of_a_run}
    return SavedPool(group.problem, solutions, correct, recorded, in_steps, extracted, group.rows, group.first, values)


def _renamed(where: str, row: Row, names: Mapping[str, str]) -> Row:
    """The row under our own names; those of solutions may stand in the row or in its solutions."""
    for ours, theirs in names.items():
        if theirs in row:
            row = {ours: row[theirs], **{key: value for key, value in row.items() if key not in (ours, theirs)}}
        elif ours not in _OF_SOLUTIONS:
            raise BadInput(
                f"{where}: --columns {ours}={theirs}: no {theirs!r} in this row; it has {', '.join(map(repr, row))}"
            )
    return row


def _prompt(where: str, row: Row) -> str | tuple[Message, ...]:
    found = row.get("prompt")
    if not isinstance(found, list):
        return text_field(where, row, ("prompt",))
    try:
        return tuple(Message(turn["role"], turn["content"]) for turn in found)
    except (TypeError, KeyError):
        raise BadInput(f"{where}: 'prompt' is a list, but not of messages with 'role' and 'content'") from None


def _entries(where: str, row: Row, names: Mapping[str, str]) -> list[Row]:
    """A row's solutions, each an object."""
    found = row.get("solutions")
    own = {key: value for key, value in row.items() if key not in ("id", "prompt", "answer", "solutions")}
    if found is None and ("text" in row or "steps" in row):
        return [own]
    if isinstance(found, str):
        return [{**own, "text": found}]
    if not isinstance(found, list):
        raise BadInput(f"{where}: no list 'solutions' in this row; it has {', '.join(map(repr, row))}")
    entries: list[Row] = []
    for i, entry in enumerate(found):
        if isinstance(entry, str):
            entries.append({"text": entry, **dict(_beside(where, own, i, len(found), names))})
        elif isinstance(entry, dict):
            entries.append({ours: entry[theirs] for ours, theirs in names.items() if theirs in entry} | entry)
        else:
            raise BadInput(
                f"{where}: solution {i}: a {type(entry).__name__} where a text or an object with 'text' was expected"
            )
    return entries


def _beside(where: str, own: Row, i: int, count: int, names: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """What stands beside plain texts in lists of its own, for one of them."""
    for name, values in own.items():
        if not isinstance(values, list):
            continue
        if len(values) == count:
            yield (name, {names.get("scores", "score"): values[i]}) if name == "scores" else (name, values[i])
        elif name in _OF_SOLUTIONS:
            raise BadInput(f"{where}: {len(values)} of {names.get(name, name)!r} for {count} solutions: give one each")


def _solution(where: str, entry: Row) -> Solution:
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


def _recorded(group: _Group, solutions: Sequence[Solution], in_steps: Sequence[bool], named: bool) -> dict[str, Scores]:
    """The scores in a problem's solutions; of `named` ones it is an error where they are none."""
    entries = group.entries
    if named:
        entries = [entry.get("scores") or {} for entry in entries]
        for where, entry in zip(group.wheres, entries, strict=True):
            if not isinstance(entry, dict):
                raise BadInput(f"{where}: 'scores' is {entry!r}; an object of names and numbers was expected")
    names = dict.fromkeys(name for entry in entries for name in entry if named or name not in _NOT_SCORES)
    columns = {}
    for name in names:
        found = [_scores(entry.get(name), in_steps=named) for entry in entries]
        bad_ones = [i for i, row in enumerate(found) if row is None]
        if bad_ones and named:
            where, value = group.wheres[bad_ones[0]], entries[bad_ones[0]][name]
            raise BadInput(f"{where}: scores[{name!r}] is {value!r}; use a number, a list of them, or null for none")
        if bad_ones:
            continue
        rows = [row for row in found if row is not None]
        for where, row, solution, given in zip(group.wheres, rows, solutions, in_steps, strict=True):
            if given and len(row) not in (1, len(solution.steps)):
                raise BadInput(f"{where}: scores[{name!r}] has {len(row)} numbers for {len(solution.steps)} steps")
        columns[name] = Scores(tuple(rows))
    return columns


def _scores(value: object, *, in_steps: bool) -> npt.NDArray[np.float32] | None:
    """Recorded scores, one or one a step, NaN where there is none, or None where the field holds no scores."""
    if value is None:
        return np.array([np.nan], dtype=np.float32)
    if isinstance(value, bool | int | float):
        return np.array([value], dtype=np.float32)
    if not isinstance(value, list):
        return None
    if value and in_steps and all(v is None or isinstance(v, bool | int | float) for v in value):
        return np.array([np.nan if v is None else v for v in value], dtype=np.float32)
    if all(v in ("Yes", "No", None) for v in value):
        given = [v == "Yes" for v in value if v is not None]
        return np.array([sum(given) / len(given) if given else np.nan], dtype=np.float32)
    return None
