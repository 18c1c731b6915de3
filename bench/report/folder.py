"""A run folder as a report reads it."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.files.rows import AnyRow, PointRow, ProblemRow, ResultRow, SampleRow, ScoreRow, TreeRow, from_row
from bench.files.run_folder import check_in_place
from bench.inputs.rows import real_path
from verifiers.interface.checksums import check_checksums
from verifiers.interface.errors import BadInput, first_line
from verifiers.interface.files import whole_rows

_SMALL = ("config.toml", "problems.jsonl", "results.jsonl", "points.jsonl", "notes.txt")


@dataclass(frozen=True, slots=True)
class Folder:
    """The rows of a finished run; a file that it does not have gives none."""

    name: str
    config: dict[str, Any]
    results: list[ResultRow]
    points: list[PointRow]
    problems: list[ProblemRow]
    samples: list[SampleRow]
    scores: list[ScoreRow]
    trees: list[TreeRow]
    notes: tuple[str, ...] = ()


def read_folders(paths: Sequence[Path], *, samples: bool = True) -> list[Folder]:
    """Every folder, under names that tell them apart; raises BadInput for one that holds no finished run."""
    resolved = [real_path(path) for path in paths]
    if twice := [path for path, real in zip(paths, resolved, strict=True) if resolved.count(real) > 1]:
        raise BadInput(f"{twice[0]}: given twice; name each run folder once")
    return [read_folder(path, name, samples=samples) for path, name in zip(paths, _names(resolved), strict=True)]


def read_folder(path: Path, name: str, *, samples: bool = True) -> Folder:
    """One run's rows, with or without those of single solutions, which are many.

    Raises BadInput where there is no finished run, or a row that is none of a run's.
    """
    if not path.is_dir():
        raise BadInput(f"{path}: no such folder; give the folder of a 'stepbeam run', 'demo' or 'rerank'")
    check_in_place(path)
    results = _rows(path / "results.jsonl", ResultRow)
    if not results:
        raise BadInput(
            f"{path}: no results.jsonl with rows; give the folder of a finished 'stepbeam run', 'demo' or 'rerank'"
        )
    points = _rows(path / "points.jsonl", PointRow)
    _check_points(path / "points.jsonl", points, results)
    notes = path / "notes.txt"
    folder = Folder(
        name=name,
        config=_config(path / "config.toml"),
        results=results,
        points=points,
        problems=_rows(path / "problems.jsonl", ProblemRow)
        or [ProblemRow(name, None, None) for name in dict.fromkeys(row.problem for row in results)],
        samples=_rows(path / "samples.jsonl", SampleRow) if samples else [],
        scores=_rows(path / "scores.jsonl", ScoreRow) if samples else [],
        trees=_rows(path / "trees.jsonl", TreeRow) if samples else [],
        notes=tuple(_text(notes).splitlines()) if notes.is_file() else (),
    )
    check_checksums(
        path, among=None if samples else _SMALL
    )  # at last, since what is no row at all is named with its line
    return folder


def _rows(path: Path, kind: type[AnyRow]) -> list[AnyRow]:
    """The whole rows of a file; a torn last line is left out, as a run itself would."""
    try:
        return [from_row(kind, row, where=f"{path}, line {number}") for number, row in enumerate(whole_rows(path), 1)]
    except BadInput as error:
        raise BadInput(f"{error}; make the run again") from None


def _check_points(path: Path, points: Sequence[PointRow], results: Sequence[ResultRow]) -> None:
    """Raise BadInput for a point that no results are of."""
    known = {(row.strategy, row.scorer, row.n) for row in results}
    for number, row in enumerate(points, 1):
        if (row.strategy, row.scorer, row.n) not in known:
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
