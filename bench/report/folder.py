"""A run folder as a report reads it."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from bench.files.journal import JOURNAL
from bench.files.rows import AnyRow, PointRow, ProblemRow, ResultRow, SampleRow, ScoreRow, TreeRow, from_row
from bench.files.run_folder import check_in_place, read_config
from bench.report.failures import Failures
from bench.report.parts import names_of
from bench.report.results import ResultTable
from bench.report.shown import ProblemRows, ShownRows, Stamps
from bench.stats.outcomes import Outcomes
from verifiers.grading.thinking import marks_in
from verifiers.interface.checksums import check_checksums
from verifiers.interface.errors import BadInput, first_line
from verifiers.interface.files import Row, each_row

_SMALL = ("config.toml", "problems.jsonl", "results.jsonl", "points.jsonl", "notes.txt")
_LARGE = ("samples.jsonl", "scores.jsonl", "trees.jsonl")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Judgements:
    """A scorer's values of finished samples of known grade, beside what is right, and the problem of each by number."""

    values: "array[float]"
    right: "array[float]"
    problems: "array[int]"


@dataclass(frozen=True, slots=True)
class Folder:
    """What a report has of a finished run: figures of all its rows, and the problems `shown`, row by row.

    A file that it does not have gives none. `prompts` tells what each problem of `problems.jsonl` asks from others, and
    `fields` has what else is known of it, where results are to be broken down by that.
    """

    name: str
    config: dict[str, Any]
    results: ResultTable
    points: list[PointRow]
    prompts: dict[str, int | None] = field(default_factory=dict)
    fields: dict[str, Row] = field(default_factory=dict)
    shown: Sequence[ProblemRows] | ShownRows = ()
    failures: Failures = field(default_factory=Failures)
    judged: dict[str, Judgements] = field(default_factory=dict)
    has_trees: bool = False
    notes: tuple[str, ...] = ()


def read_folders(
    paths: Sequence[Path],
    *,
    most: int | None = None,
    by: Sequence[str] = (),
    samples: bool = True,
    outcomes: Mapping[Path, Outcomes] | None = None,
) -> list[Folder]:
    """Every folder, under names that tell them apart; raises BadInput for one that holds no finished run."""
    return [
        read_folder(path, name, most=most, by=by, samples=samples, outcomes=(outcomes or {}).get(path))
        for path, name in zip(paths, names_of(paths), strict=True)
    ]


def read_folder(
    path: Path,
    name: str,
    *,
    most: int | None = None,
    by: Sequence[str] = (),
    samples: bool = True,
    outcomes: Outcomes | None = None,
) -> Folder:
    """One run; its files are read row by row, and once more, problem by problem, where its first `most` are shown.

    Of the problems' fields only the values of those in `by` are kept. Without `samples` the files with rows of single
    solutions, which are large, are not read. `outcomes` are what its `results.jsonl` holds, where it was just written.

    Raises BadInput where there is no finished run, a row that is none of a run's, or a file that changes meanwhile.
    """
    if not path.is_dir():
        raise BadInput(f"{path}: no such folder; give the folder of a 'stepbeam run', 'demo' or 'rerank'")
    check_in_place(path)
    stamps = Stamps.now(path, (*_SMALL, *_LARGE) if samples else _SMALL)
    if outcomes is not None:
        results = ResultTable.of_outcomes(outcomes)
    else:
        results = ResultTable.of(_rows(path / "results.jsonl", ResultRow))
    if not results.points:
        inside = sorted(str(file.parent) for file in path.glob("*/results.jsonl"))[:3]
        such = f", such as {', '.join(inside)}" if inside else ""
        if (path / "training.json").is_file():
            such = f"; this is a training, which 'stepbeam report {path}' shows"
        elif (path / JOURNAL).is_file():
            such = "; this run was stopped: the command that began it goes on where it stopped"
        raise BadInput(
            f"{path}: no results.jsonl with rows; give the folder of a finished 'stepbeam run', 'demo' or 'rerank'"
            f"{such}"
        )
    points = list(_rows(path / "points.jsonl", PointRow))
    _check_points(path / "points.jsonl", points, results)
    config, notes = path / "config.toml", path / "notes.txt"
    folder = Folder(
        name=name,
        config=read_config(config) if config.exists() else {},
        results=results,
        points=points,
        notes=tuple(_text(notes).splitlines()) if notes.is_file() else (),
    )
    shown = ShownRows(path, stamps, marks_in(folder.config.get("thinking", ())))
    folder = replace(folder, shown=shown)
    unread = ((None, ProblemRow(name, None, None)) for name in results.numbers)
    for start, row in _first_of(_placed(path / "problems.jsonl", ProblemRow), unread):
        if most is None or len(shown) < most:
            shown.numbers.setdefault(row.id, len(shown))
            if start is not None:
                shown.add("problems.jsonl", row.id, start)
        folder.prompts[row.id] = None if row.prompt is None else hash(repr(row.prompt))
        if by:
            kept = {part for name in by for part in (name, name.partition(".")[0])}
            folder.fields[row.id] = {key: value if key in kept else None for key, value in (row.fields or {}).items()}
    folder = _with_rows(folder, path, shown) if samples else folder
    # At last, since what is no row at all is named with its line.
    check_checksums(path, among=None if samples else _SMALL)
    stamps.check()
    return folder


def _first_of(rows: Iterator[T], others: Iterator[T]) -> Iterator[T]:
    """The rows, or where there is none the others."""
    first = next(rows, None)
    return others if first is None else chain([first], rows)


def _with_rows(folder: Folder, path: Path, shown: ShownRows) -> Folder:
    """The folder with what its samples, scores and trees say."""
    grades: dict[tuple[str, int], dict[int, bool]] = {}  # of finished samples, by their problem and N
    for start, sample in _placed(path / "samples.jsonl", SampleRow):
        shown.add("samples.jsonl", sample.problem, start)
        folder.failures.add_sample(sample)
        if sample.strategy == "sample" and sample.stop == "eos" and sample.correct is not None:
            grades.setdefault((sample.problem, sample.n), {})[sample.index] = sample.correct
    numbers = dict(folder.results.numbers)
    for start, score in _placed(path / "scores.jsonl", ScoreRow):
        shown.add("scores.jsonl", score.problem, start)
        folder.failures.add_score(score)
        if score.strategy == "sample" and score.index in (right := grades.get((score.problem, score.n), {})):
            if (of := folder.judged.get(score.scorer)) is None:
                of = folder.judged[score.scorer] = Judgements(array("d"), array("d"), array("q"))
            of.values.append(score.value)
            of.right.append(right[score.index])
            of.problems.append(numbers.setdefault(score.problem, len(numbers)))
    has_trees = False
    for start, node in _placed(path / "trees.jsonl", TreeRow):
        has_trees = True
        shown.add("trees.jsonl", node.problem, start)
    return replace(folder, has_trees=has_trees)


def _rows(path: Path, kind: type[AnyRow]) -> Iterator[AnyRow]:
    """The whole rows of a file; a torn last line is left out, as a run itself would."""
    return (row for _, row in _placed(path, kind))


def _placed(path: Path, kind: type[AnyRow]) -> Iterator[tuple[int, AnyRow]]:
    """The whole rows of a file, each with the byte at which its line starts."""
    name, start = str(path), 0
    try:
        for number, (end, row) in enumerate(each_row(path), 1):
            yield start, from_row(kind, row, where=f"{name}, line {number}")
            start = end
    except BadInput as error:
        raise BadInput(f"{error}; make the run again") from None


def _check_points(path: Path, points: Sequence[PointRow], results: ResultTable) -> None:
    """Raise BadInput for a point that no results are of."""
    for number, row in enumerate(points, 1):
        if row.n not in results.points.get((row.strategy, row.scorer), {}):
            curve = f"{row.strategy} ({row.scorer}) at n = {row.n}"
            raise BadInput(f"{path}, line {number}: results.jsonl has nothing on {curve}; make the run again")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: not a text of a run ({first_line(error)}); make the run again") from None
