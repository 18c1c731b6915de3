"""Saved pools, graded and scored, as the rows of a run folder."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.files.rows import SampleRow, ScoreRow, to_row
from bench.pools.kept_scores import Kept
from bench.pools.saved_pool import SavedPool
from bench.runs.outputs import problem_row
from bench.stats.curves import GradedPool
from verifiers.interface.files import Row, replacing, room_for
from verifiers.interface.lines import json_line
from verifiers.interface.scoring import FloatArray, Reduce
from verifiers.interface.solution import Solution

Curve = tuple[str, Reduce | None]  # the scorer and the reducer that make it; None is the scorer's own

# Where a solution stands comes first in the rows of saved pools.
_PLACE: Row = dict.fromkeys(("problem", "strategy", "n", "index"))


@dataclass(frozen=True, slots=True)
class GradedSolutions:
    """A saved pool with what was found of each solution: right or wrong, its answer, its class, each scorer's view."""

    saved: SavedPool
    correct: tuple[bool | None, ...]
    answers: tuple[str | None, ...]
    classes: tuple[int, ...]
    said: Mapping[str, Kept]

    def pool(self, curves: Mapping[str, Curve]) -> GradedPool:
        """What these curves are read off; what sampling cost is known of a run's pools alone."""
        return GradedPool(
            self.saved.problem.id,
            correct=np.array([c is True for c in self.correct], dtype=np.float64),
            finished=np.array([s.finished for s in self.saved.solutions], dtype=np.bool_),
            classes=self.classes,
            values={name: _values(self.said[scorer], how) for name, (scorer, how) in curves.items()},
            drawn=self.saved.drawn,
            judged={name: self.said[scorer].spend for name, (scorer, _) in curves.items()},
            kinds=[(tuple(step.text for step in s.steps), s.stop) for s in self.saved.solutions],
        )


def _values(kept: Kept, how: Reduce | None) -> npt.NDArray[np.float64]:
    return kept.values if how is None else kept.scores.with_reduce(how).values().astype(np.float64)


@contextmanager
def writing_rows(out: Path, *, scores: bool) -> Iterator[Callable[[GradedSolutions, Sequence[Solution]], None]]:
    """Writes `problems.jsonl`, `samples.jsonl` and `scores.jsonl` pool by pool; at the end they take their places.

    Solutions are given as they are shown. Without any `scores` there is no such file: what reads rows stumbles over an
    empty one.
    """
    with ExitStack() as stack:

        def draft(name: str) -> Callable[[Iterable[Row]], None]:
            file = stack.enter_context(open(stack.enter_context(replacing(out / name)), "w", encoding="utf-8"))

            def write(rows: Iterable[Row]) -> None:
                with room_for(out / name):
                    file.writelines(map(json_line, rows))

            return write

        write_scores = draft("scores.jsonl") if scores else None
        write_samples, write_problem = draft("samples.jsonl"), draft("problems.jsonl")

        def write(pool: GradedSolutions, solutions: Sequence[Solution]) -> None:
            write_problem([problem_row(pool.saved.problem)])
            write_samples(_PLACE | to_row(row) for row in _samples(pool, solutions))
            if write_scores is not None:
                write_scores(to_row(row) for row in _scores(pool, solutions))

        yield write
    if not scores:
        (out / "scores.jsonl").unlink(missing_ok=True)


def _samples(pool: GradedSolutions, solutions: Sequence[Solution]) -> Iterator[SampleRow]:
    for i, solution in enumerate(solutions):
        yield SampleRow(
            problem=pool.saved.problem.id,
            strategy="sample",
            n=len(solutions),
            index=i,
            steps=tuple(step.text for step in solution.steps),
            stop=solution.stop.value,
            reason=solution.reason,
            answer=pool.answers[i],
            correct=pool.correct[i],
        )


def _scores(pool: GradedSolutions, solutions: Sequence[Solution]) -> Iterator[ScoreRow]:
    problem, n = pool.saved.problem.id, len(solutions)
    for name, kept in pool.said.items():
        for i, solution in enumerate(solutions):
            value = float(kept.values[i])
            steps = _shown(kept.scores.steps[i], len(solution.steps), value)
            yield ScoreRow(problem, "sample", n, i, name, steps, value, kept.scores.reasons[i])


def _shown(steps: FloatArray, count: int, value: float) -> tuple[float, ...]:
    """A score a step; where the scorer read other steps, or the whole alone, its value stands at the last one."""
    if len(steps) == count:
        return tuple(map(float, steps))
    return (*[math.nan] * (count - 1), value) if count else ()
