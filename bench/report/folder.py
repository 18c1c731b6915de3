"""A run folder as a report reads it."""

import tomllib
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from bench.files.rows import AnyRow, PointRow, ProblemRow, ResultRow, SampleRow, ScoreRow, TreeRow, from_row
from bench.files.run_folder import check_in_place
from bench.inputs.rows import real_path
from bench.report import PROBLEMS
from bench.report.results import ResultTable
from verifiers.grading.thinking import THINKING, Marks, marks_in
from verifiers.interface.checksums import check_checksums
from verifiers.interface.errors import BadInput, first_line
from verifiers.interface.files import Row, each_row

_SMALL = ("config.toml", "problems.jsonl", "results.jsonl", "points.jsonl", "notes.txt")

T = TypeVar("T")


@dataclass(slots=True)
class ProblemRows:
    """What a run's files hold on one problem."""

    problem: ProblemRow
    samples: list[SampleRow] = field(default_factory=list)
    scores: list[ScoreRow] = field(default_factory=list)
    trees: list[TreeRow] = field(default_factory=list)
    marks: tuple[Marks, ...] = THINKING


@dataclass(frozen=True, slots=True)
class Judgements:
    """A scorer's values of finished samples of known grade, beside what is right, and the problem of each by number."""

    values: "array[float]"
    right: "array[float]"
    problems: "array[int]"


@dataclass(frozen=True, slots=True)
class Folder:
    """What a report has of a finished run: figures of all its rows, and the rows themselves of the problems `shown`.

    A file that it does not have gives none. `prompts` tells what each problem of `problems.jsonl` asks from others, and
    `fields` has what else is known of it, where results are to be broken down by that.
    """

    name: str
    config: dict[str, Any]
    results: ResultTable
    points: list[PointRow]
    prompts: dict[str, int | None] = field(default_factory=dict)
    fields: dict[str, Row] = field(default_factory=dict)
    shown: list[ProblemRows] = field(default_factory=list)
    samples: Counter[str] = field(default_factory=Counter)
    judged: dict[str, Judgements] = field(default_factory=dict)
    has_trees: bool = False
    notes: tuple[str, ...] = ()


def read_folders(
    paths: Sequence[Path], *, most: int = PROBLEMS, by: Sequence[str] = (), samples: bool = True
) -> list[Folder]:
    """Every folder, under names that tell them apart; raises BadInput for one that holds no finished run."""
    resolved = [real_path(path) for path in paths]
    if twice := [path for path, real in zip(paths, resolved, strict=True) if resolved.count(real) > 1]:
        raise BadInput(f"{twice[0]}: given twice; name each run folder once")
    names = _names(resolved)
    return [read_folder(path, name, most=most, by=by, samples=samples) for path, name in zip(paths, names, strict=True)]


def read_folder(path: Path, name: str, *, most: int = PROBLEMS, by: Sequence[str] = (), samples: bool = True) -> Folder:
    """One run, with the rows of its first `most` problems; each file is read once, row by row.

    Of the problems' fields only the values of those in `by` are kept. Without `samples` the files with rows of single
    solutions, which are large, are not read.

    Raises BadInput where there is no finished run, or a row that is none of a run's.
    """
    if not path.is_dir():
        raise BadInput(f"{path}: no such folder; give the folder of a 'stepbeam run', 'demo' or 'rerank'")
    check_in_place(path)
    results = ResultTable.of(_rows(path / "results.jsonl", ResultRow))
    if not results.points:
        inside = sorted(str(file.parent) for file in path.glob("*/results.jsonl"))[:3]
        such = f", such as {', '.join(inside)}" if inside else ""
        raise BadInput(
            f"{path}: no results.jsonl with rows; give the folder of a finished 'stepbeam run', 'demo' or 'rerank'"
            f"{such}"
        )
    points = list(_rows(path / "points.jsonl", PointRow))
    _check_points(path / "points.jsonl", points, results)
    notes = path / "notes.txt"
    folder = Folder(
        name=name,
        config=_config(path / "config.toml"),
        results=results,
        points=points,
        notes=tuple(_text(notes).splitlines()) if notes.is_file() else (),
    )
    marks = marks_in(folder.config.get("thinking", ()))
    unread = (ProblemRow(name, None, None) for name in results.numbers)
    for row in _first_of(_rows(path / "problems.jsonl", ProblemRow), unread):
        if len(folder.shown) < most:
            folder.shown.append(ProblemRows(row, marks=marks))
        folder.prompts[row.id] = None if row.prompt is None else hash(repr(row.prompt))
        if by:
            kept = {part for name in by for part in (name, name.partition(".")[0])}
            folder.fields[row.id] = {key: value if key in kept else None for key, value in (row.fields or {}).items()}
    folder = _with_rows(folder, path) if samples else folder
    # At last, since what is no row at all is named with its line.
    check_checksums(path, among=None if samples else _SMALL)
    return folder


def _first_of(rows: Iterator[T], others: Iterator[T]) -> Iterator[T]:
    """The rows, or where there is none the others."""
    first = next(rows, None)
    return others if first is None else chain([first], rows)


def _with_rows(folder: Folder, path: Path) -> Folder:
    """The folder with what its samples, scores and trees say."""
    shown = {rows.problem.id: rows for rows in folder.shown}
    grades: dict[tuple[str, int], dict[int, bool]] = {}  # of finished samples, by their problem and N
    for sample in _rows(path / "samples.jsonl", SampleRow):
        if sample.problem in shown:
            shown[sample.problem].samples.append(sample)
        if sample.strategy == "sample":
            folder.samples.update(("all", sample.stop, *(["unknown"] if sample.correct is None else [])))
            if sample.stop == "eos" and sample.correct is not None:
                grades.setdefault((sample.problem, sample.n), {})[sample.index] = sample.correct
    numbers = dict(folder.results.numbers)
    for score in _rows(path / "scores.jsonl", ScoreRow):
        if score.problem in shown:
            shown[score.problem].scores.append(score)
        if score.strategy == "sample" and score.index in (right := grades.get((score.problem, score.n), {})):
            of = folder.judged.setdefault(score.scorer, Judgements(array("d"), array("d"), array("q")))
            of.values.append(score.value)
            of.right.append(right[score.index])
            of.problems.append(numbers.setdefault(score.problem, len(numbers)))
    has_trees = False
    for node in _rows(path / "trees.jsonl", TreeRow):
        has_trees = True
        if node.problem in shown:
            shown[node.problem].trees.append(node)
    return replace(folder, has_trees=has_trees)


def _rows(path: Path, kind: type[AnyRow]) -> Iterator[AnyRow]:
    """The whole rows of a file; a torn last line is left out, as a run itself would."""
    try:
        for number, (_, row) in enumerate(each_row(path), 1):
            yield from_row(kind, row, where=f"{path}, line {number}")
    except BadInput as error:
        raise BadInput(f"{error}; make the run again") from None


def _check_points(path: Path, points: Sequence[PointRow], results: ResultTable) -> None:
    """Raise BadInput for a point that no results are of."""
    for number, row in enumerate(points, 1):
        if row.n not in results.points.get((row.strategy, row.scorer), {}):
            curve = f"{row.strategy} ({row.scorer}) at n = {row.n}"
            raise BadInput(f"{path}, line {number}: results.jsonl has nothing on {curve}; make the run again")


def _config(path: Path) -> dict[str, Any]:
    if path.exists() and not path.is_file():
        raise BadInput(f"{path}: not a file; make the run again")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: not a config of a run ({first_line(error)}); make the run again") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: not a text of a run ({first_line(error)}); make the run again") from None


def _names(paths: Sequence[Path]) -> list[str]:
    """Each folder's own name, with as much of the path before it as tells it from the others."""
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    raise AssertionError("different paths have different names")
