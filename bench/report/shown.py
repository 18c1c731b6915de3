"""The rows of the problems that a report lists, read from the run's files one problem at a time."""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from bench.files.rows import AnyRow, ProblemRow, SampleRow, ScoreRow, TreeRow, read_again
from verifiers.grading.thinking import THINKING, Marks
from verifiers.interface.lines import read_line


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
    marks: tuple[Marks, ...] = THINKING
    numbers: dict[str, int] = field(default_factory=dict)
    places: dict[str, _Places] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.numbers)

    def add(self, name: str, problem: str, start: int) -> None:
        """Keep where a row of a file starts, if its problem is shown."""
        if (number := self.numbers.get(problem)) is not None:
            places = self.places.setdefault(name, _Places())
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

    def _rows(self, name: str, kind: type[AnyRow]) -> Iterator[list[AnyRow]]:
        """The rows of a file that each problem has."""
        if name not in self.places:
            yield from ([] for _ in self.numbers)
            return
        with open(self.path / name, "rb") as file:
            for starts in self.places[name].of_each(len(self)):
                yield [read_again(kind, read_line(line)) for line in _lines(file, starts)]


def _lines(file: BinaryIO, starts: Iterable[int]) -> Iterator[bytes]:
    for start in starts:
        file.seek(start)
        yield file.readline()
