"""Saved pools, graded and scored, as the rows of a run folder."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.files.run_folder import json_number
from bench.pools.kept_scores import Kept
from bench.pools.saved_pool import SavedPool
from bench.stats.curves import GradedPool
from verifiers.interface.files import Row, json_line, replace_text
from verifiers.interface.scoring import FloatArray, Spend
from verifiers.interface.solution import Solution


@dataclass(frozen=True, slots=True)
class GradedSolutions:
    """A saved pool with what was found of each solution: right or wrong, its answer, its class, each scorer's view."""

    saved: SavedPool
    correct: tuple[bool | None, ...]
    answers: tuple[str | None, ...]
    classes: tuple[int, ...]
    said: Mapping[str, Kept]
    judged: Mapping[str, Spend]

    def pool(self, values: dict[str, npt.NDArray[np.float64]], judged: dict[str, Spend]) -> GradedPool:
        """As curves are read off it, with the values of each of them; what sampling cost is not known."""
        return GradedPool(
            self.saved.problem.id,
            correct=np.array([c is True for c in self.correct], dtype=np.float64),
            finished=np.array([s.finished for s in self.saved.solutions], dtype=np.bool_),
            classes=self.classes,
            values=values,
            drawn=Spend(),
            judged=judged,
            kinds=[(tuple(step.text for step in s.steps), s.stop) for s in self.saved.solutions],
        )


def write_pool_rows(out: Path, graded: Sequence[GradedSolutions], separator: str) -> None:
    """`samples.jsonl` and `scores.jsonl`, as a run has them; texts are shown cut at `separator`."""
    cut = [found.saved.cut(separator) for found in graded]
    samples = (row for found, solutions in zip(graded, cut, strict=True) for row in _samples(found, solutions))
    scores = (row for found, solutions in zip(graded, cut, strict=True) for row in _scores(found, solutions))
    replace_text(out / "samples.jsonl", "".join(map(json_line, samples)))
    replace_text(out / "scores.jsonl", "".join(map(json_line, scores)))


def _samples(found: GradedSolutions, solutions: Sequence[Solution]) -> Iterator[Row]:
    for i, solution in enumerate(solutions):
        yield {
            **_place(found, i),
            "scorer": None,
            "steps": [step.text for step in solution.steps],
            "tokens": None,
            "logprob": None,
            "stop": solution.stop.value,
            "reason": solution.reason,
            "answer": found.answers[i],
            "correct": found.correct[i],
            "chosen": False,
        }


def _scores(found: GradedSolutions, solutions: Sequence[Solution]) -> Iterator[Row]:
    for name, kept in found.said.items():
        for i, solution in enumerate(solutions):
            value = float(kept.values[i])
            steps = kept.scores.steps[i]
            yield {
                **_place(found, i),
                "scorer": name,
                "steps": _shown(steps, len(solution.steps), value),
                "value": json_number(value),
                "reason": None,
            }


def _place(found: GradedSolutions, i: int) -> Row:
    return {
        "problem": found.saved.problem.id,
        "strategy": "sample",
        "n": len(found.saved.solutions),
        "index": i,
    }


def _shown(steps: FloatArray, count: int, value: float) -> list[float | str | None]:
    """A score a step; where the scorer read other steps, or the whole alone, its value stands at the last one."""
    if len(steps) == count:
        return [json_number(float(score)) for score in steps]
    return [*[None] * (count - 1), json_number(value)] if count else []
