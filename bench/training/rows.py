r"""Labelled rows of a person's files and data sets, to train scorers on.

A row is one solution:

    {"id": "q1", "prompt": "2+2?", "solution": "2+2=4\n=4", "correct": true}                      orm, genrm direct
    {"prompt": "2+2?", "steps": ["2+2=5\n", "=5"], "labels": [0.1, null], "root": 0.6}            prm
    {"prompt": "2+2?", "solution": "=4", "correct": true, "rationales": ["... (Yes/No)? Yes"]}    genrm cot

"id" names the problem, so rows of one problem share it; without it, equal prompts are one problem. A prompt is a text
or messages. "solution" is cut into steps at the separator, "steps" come cut. "correct" is true, false or a number in
[0, 1]; "labels" has one such a step, or "+" or "-", null for none. "stop" is "eos" where it is not given. One rationale
may stand in "rationale". Other fields are not read. Step data as it is published (`bench.training.step_data`) is read
as such rows, and `columns` maps further names. A source is a file, a data set's name (`owner/name:split`), or the rows
themselves: a `datasets.Dataset`, or any other iterable of dicts.
"""

import json
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from bench.inputs.data_sets import rows_at, saved_rows
from bench.inputs.rows import Row, check_text, id_in, prompt_field, text_field
from bench.training.step_data import PROMPTS, VERDICTS, FirstErrors, step_data
from policies.training.skipped import SkippedRowsWarning
from verifiers.genrm.critiqued import Critiqued
from verifiers.genrm.format import GenRMFormat
from verifiers.interface.checksums import check_checksums
from verifiers.interface.errors import BadArgument, BadInput, first_line
from verifiers.interface.solution import Problem, Solution, Step, Stop, split_steps
from verifiers.reward_models.labelled import Labelled

Source: TypeAlias = str | Path | Iterable[Mapping[str, object]]
_OPTIONAL = ("id", "root", "stop")  # which some rows of a file may lack
COLUMNS = ("id", "prompt", "solution", "steps", "labels", "root", "correct", "rationales", "stop")  # of `columns`


def read_outcomes(
    source: Source,
    *,
    separator: str = "\n",
    limit: int | None = None,
    columns: Mapping[str, str] = MappingProxyType({}),
) -> list[Labelled]:
    """Finished solutions with their correctness; raises BadInput for a row that has none."""
    rows = []
    for where, row, problem, solution in _solutions(source, separator, limit, columns):
        label = _label(where, "correct", row.get("correct"))
        if "correct" not in row or math.isnan(label):
            raise BadInput(f"{where}: no 'correct' in this row; an ORM learns from true, false or a number in [0, 1]")
        if not solution.finished or not solution.steps:
            raise BadInput(f"{where}: an unfinished or empty solution (stop {solution.stop}) has no outcome; remove it")
        rows.append(Labelled(problem, solution, (math.nan,) * (len(solution.steps) - 1) + (label,)))
    return rows


def read_step_labels(
    source: Source,
    *,
    separator: str = "\n",
    limit: int | None = None,
    columns: Mapping[str, str] = MappingProxyType({}),
) -> list[Labelled]:
    """Solutions with a label a step, from a file or from the folder that `prms.collect_values` wrote."""
    path = Path(source) if isinstance(source, str | Path) else None
    if path is not None and path.is_dir():
        if columns:
            name, theirs = next(iter(columns.items()))
            raise BadArgument("columns", f"{name}={theirs}", f"{path} is a folder of our own, which has our names")
        return _collected(path, limit)
    rows = []
    for where, row, problem, solution in _solutions(source, separator, limit, columns, of_steps=True):
        labels = row.get("labels")
        if not isinstance(labels, list):
            raise BadInput(f"{where}: no list 'labels' in this row; a PRM learns from one label a step, null for none")
        if len(labels) != len(solution.steps):
            raise BadInput(
                f"{where}: {len(labels)} labels for {len(solution.steps)} steps; give one a step, null for none"
                + ("" if "steps" in row else f" (is the separator {separator!r} what ends a step?)")
            )
        values = tuple(_label(where, f"labels[{k}]", label, marks=True) for k, label in enumerate(labels))
        root = None if row.get("root") is None else _label(where, "root", row["root"])
        rows.append(Labelled(problem, solution, values, root))
    return rows


def read_critiques(
    source: Source, *, rationales: bool, limit: int | None = None, columns: Mapping[str, str] = MappingProxyType({})
) -> list[Critiqued]:
    """Finished solutions with true or false, and with their rationales where asked for."""
    rows = []
    for where, row, problem, solution in _solutions(source, "\n", limit, columns):
        if not isinstance(row.get("correct"), bool):
            raise BadInput(f"{where}: 'correct' is {row.get('correct')!r}; a generative verifier learns true or false")
        if not solution.finished or not solution.text.strip():
            raise BadInput(
                f"{where}: an unfinished or empty solution (stop {solution.stop}) cannot be verified; remove it"
            )
        rows.append(Critiqued(problem, solution, row["correct"], _rationales(where, row) if rationales else ()))
    return rows


def read_format(path: Path) -> GenRMFormat:
    """A generative verifier's format from a JSON file with its fields."""
    try:
        if not path.is_file():
            raise OSError("no such file")
        fields = json.loads(path.read_text(encoding="utf-8"))
        return GenRMFormat(**fields)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise BadArgument(
            "format", path, f"not a format ({error}); it is an object with GenRMFormat's fields"
        ) from None


def _solutions(
    source: Source, separator: str, limit: int | None, columns: Mapping[str, str], *, of_steps: bool = False
) -> Iterator[tuple[str, Row, Problem, Solution]]:
    stem = Path(source).stem if isinstance(source, str | Path) else "row"
    ids: dict[object, str] = {}
    problems: dict[str, tuple[Problem, str]] = {}
    for where, row in _own_rows(source, limit, columns, of_steps=of_steps):
        _check_has(where, row, "prompt", PROMPTS)
        prompt = prompt_field(where, row, PROMPTS)
        given = id_in(where, row)
        name = given if given is not None else ids.setdefault(prompt, f"{stem}-{len(ids):05d}")
        problem, first = problems.setdefault(name, (Problem(name, prompt), where))
        if problem.prompt != prompt:
            raise BadInput(f"{where}: id {name!r} has another prompt at {first}; an id names one problem")
        yield where, row, problem, _solution(where, row, separator)
    if not problems:
        raise BadInput(f"{_name(source)}: no rows in it")


def _name(source: Source) -> str:
    return str(source) if isinstance(source, str | Path) else "rows"


def _given(source: Source) -> Iterator[tuple[str, Row]]:
    """Pairs of (where, row)."""
    if isinstance(source, str | Path):
        yield from rows_at(source)
        return
    table = "; of a pandas table give table.to_dict('records')" if hasattr(source, "iterrows") else ""
    for i, row in enumerate(source):
        if not isinstance(row, Mapping):
            raise BadInput(
                f"rows[{i}]: a {type(row).__name__} where a dict such as {{'prompt': ...}} was expected{table}"
            )
        yield f"rows[{i}]", {name: _without_numpy(value) for name, value in row.items()}


def _without_numpy(value: Any) -> Any:
    """A value as Python has it: pandas and NumPy have numbers, truths and lists of their own, lists of these too."""
    value = value.tolist() if isinstance(value, np.generic | np.ndarray) else value
    if isinstance(value, list | tuple):
        return [_without_numpy(inner) for inner in value]
    return {name: _without_numpy(inner) for name, inner in value.items()} if isinstance(value, dict) else value


def _own_rows(
    source: Source, limit: int | None, columns: Mapping[str, str], *, of_steps: bool
) -> Iterator[tuple[str, Row]]:
    """The source's first rows under our names: mapped by hand, then read as published data is known."""
    if unknown := [name for name in columns if name not in COLUMNS]:
        raise BadArgument("columns", f"{unknown[0]}={columns[unknown[0]]}", f"use {', '.join(COLUMNS)}")
    unseen, empty, count, errors = set(columns), [], 0, FirstErrors()
    for where, row in islice(_given(source), limit):
        count += 1
        found = {ours: row[theirs] for ours, theirs in columns.items() if theirs in row}
        unseen -= found.keys()
        if lost := next((ours for ours in columns if ours not in found and ours not in _OPTIONAL), None):
            raise _lacks(f"{where}: no", columns, lost, "this row; it has " + ", ".join(map(repr, row)))
        kept = {name: row[name] for name in row if name not in columns.values()}
        made = 0
        if of_steps:
            errors.add(where, kept | found)
        for own in step_data(where, kept | found, of_steps=of_steps):
            yield where, own
            made += 1
        empty += [where] * (not made)
    errors.check()
    if unseen:
        raise _lacks(f"{_name(source)}: no", columns, min(unseen), "any row")
    if empty:
        warnings.warn(
            f"{len(empty)} of {count} rows of {_name(source)} have no rated step (the first is {empty[0]})",
            SkippedRowsWarning,
            stacklevel=4,
        )


def _lacks(begins: str, columns: Mapping[str, str], ours: str, ends: str) -> BadArgument:
    return BadArgument("columns", f"{ours}={columns[ours]}", f"{begins} {columns[ours]!r} in {ends}")


def _check_has(where: str, row: Row, ours: str, names: tuple[str, ...]) -> None:
    """Raise BadInput, with how to map one, where the row has none of these names."""
    if not any(name in row for name in names):
        wanted, has = " or ".join(map(repr, names)), ", ".join(map(repr, row)) or "nothing"
        raise BadInput(
            f"{where}: no {wanted} in this row; it has {has}; if one of these is meant, give --columns {ours}=NAME"
        )


def _solution(where: str, row: Row, separator: str) -> Solution:
    stop = row.get("stop") or "eos"
    if stop not in (Stop.EOS, Stop.OPEN, Stop.LENGTH):
        raise BadInput(f"{where}: stop is {stop!r}; use eos, open or length, and leave out what failed")
    steps = row.get("steps")
    if steps is None:
        _check_has(where, row, "solution", ("solution", "steps"))
        return Solution(split_steps(text_field(where, row, ("solution", "steps")), separator), Stop(stop))
    if not isinstance(steps, list) or not all(isinstance(step, str) for step in steps):
        told = "'steps' must be a list of texts"
        if isinstance(steps, list) and steps and isinstance(steps[0], dict):
            told += (
                f", and its first is an object ({', '.join(map(repr, steps[0]))}); put the labels into a list 'labels'"
            )
        raise BadInput(f"{where}: {told}")
    return Solution(tuple(Step(check_text(where, "'steps'", step)) for step in steps), Stop(stop))


def _label(where: str, name: str, value: object, *, marks: bool = False) -> float:
    if value is None:
        return math.nan
    if marks and isinstance(value, str) and value in VERDICTS:
        return VERDICTS[value]
    if isinstance(value, bool | int | float) and (0 <= value <= 1 or math.isnan(value)):
        return float(value)
    signs = "+ or -, " if marks else ""
    raise BadInput(f"{where}: {name} is {value!r}; use true, false, {signs}a number in [0, 1], or null for none")


def _rationales(where: str, row: Row) -> tuple[str, ...]:
    texts = row.get("rationales", row.get("rationale"))
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadInput(f"{where}: no text 'rationale' and no list of texts 'rationales', which mode 'cot' learns from")
    return tuple(check_text(where, "a rationale", text) for text in texts)


def _collected(folder: Path, limit: int | None) -> list[Labelled]:
    from prms.value_rows import labelled

    check_checksums(folder)
    place = folder / "dataset" if (folder / "dataset").is_dir() else folder
    try:
        rows = labelled(row for _, row in saved_rows(str(place)))
    except (KeyError, ValueError, TypeError) as error:
        raise BadInput(f"{folder}: not a folder that prms.collect_values wrote ({first_line(error)})") from None
    if not rows:
        raise BadInput(f"{folder}: no solutions in it")
    return rows[:limit]
