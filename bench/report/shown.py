"""The rows of the problems that a report lists, read from the run's files one problem at a time."""

import json
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from bench.files.rows import AnyRow, ProblemRow, SampleRow, ScoreRow, TreeRow, read_again
from verifiers.grading.thinking import THINKING, Marks
from verifiers.interface.errors import BadInput, first_line


@dataclass(frozen=True, slots=True)
class Stamps:
    """Which files a folder had at one moment: those that are read later, or twice, must be the same ones still."""

    path: Path
    of: dict[str, tuple[int, ...] | None]

    @staticmethod
    def now(path: Path, names: Iterable[str]) -> "Stamps":
        """Those of files that are not read yet."""
        return Stamps(path, {name: _stamp(path / name) for name in names})

    def check(self, *names: str) -> None:
        """Raise BadInput for a file that is another now, of these or of all."""
        for name in names or self.of:
            if _stamp(self.path / name) != self.of[name]:
                raise BadInput(f"{self.path / name}: changed while it was read; wait until it is whole, and try again")


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


@dataclass(slots=True)
class ProblemRows:
    """What a run's files hold on one problem."""

    problem: ProblemRow
    samples: list[SampleRow] = field(default_factory=list)
    scores: list[ScoreRow] = field(default_factory=list)
    trees: list[TreeRow] = field(default_factory=list)
    marks: tuple[Marks, ...] = THINKING


@dataclass(frozen=True, slots=True)
class _Places:
    """Where rows of a file start, and which problem each is of, by its number."""

    starts: "array[int]" = field(default_factory=lambda: array("q"))
    problems: "array[int]" = field(default_factory=lambda: array("q"))

    def of_each(self, count: int) -> Iterator[list[int]]:
        """The starts of each problem's rows, in the file's order."""
        problems = np.array(self.problems)
        order = np.argsort(problems, kind="stable")
        starts = np.array(self.starts)[order]
        ends = np.searchsorted(problems[order], np.arange(count), side="right").tolist()
        for start, end in zip([0, *ends], ends, strict=False):
            yield starts[start:end].tolist()


@dataclass(frozen=True, slots=True)
class ShownRows:
    """The rows of each problem in `numbers`, which may be more than memory holds: only where each starts is kept."""

    path: Path = field(repr=False)
    stamps: "Stamps" = field(repr=False)
    marks: tuple[Marks, ...] = THINKING
    numbers: dict[str, int] = field(default_factory=dict)
    places: dict[str, _Places] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.numbers)

    def add(self, name: str, problem: str, start: int) -> None:
        """Keep where a row of a file starts, if its problem is shown."""
        if (number := self.numbers.get(problem)) is not None:
            if (places := self.places.get(name)) is None:
                places = self.places[name] = _Places()
            places.starts.append(start)
            places.problems.append(number)

    def __iter__(self) -> Iterator[ProblemRows]:
        problems = self._rows("problems.jsonl", ProblemRow)
        samples = self._rows("samples.jsonl", SampleRow)
        scores = self._rows("scores.jsonl", ScoreRow)
        trees = self._rows("trees.jsonl", TreeRow)
        for name in self.numbers:
            problem = [*next(problems), ProblemRow(name, None, None)][0]
            yield ProblemRows(problem, next(samples), next(scores), next(trees), self.marks)
        self.stamps.check()

    def _rows(self, name: str, kind: type[AnyRow]) -> Iterator[list[AnyRow]]:
        """The rows of a file that each problem has; once it is known to be the same file they need no other check."""
        if name not in self.places:
            yield from ([] for _ in self.numbers)
            return
        for lines in self._lines(name):
            self.stamps.check(name)
            yield [read_again(kind, row) for row in json.loads(b"[%s]" % b",".join(lines))]

    def _lines(self, name: str) -> Iterator[list[bytes]]:
        try:
            with open(self.path / name, "rb") as file:
                for starts in self.places[name].of_each(len(self)):
                    yield [_line_at(file, start) for start in starts]
        except OSError as error:
            self.stamps.check(name)  # which says more of a file that is gone
            raise BadInput(f"{self.path / name}: cannot be read ({first_line(error)})") from None


def _line_at(file: BinaryIO, start: int) -> bytes:
    file.seek(start)
    return file.readline()
