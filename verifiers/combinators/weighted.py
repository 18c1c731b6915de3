"""A scorer that is a weighted mean of others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from verifiers.interface.naming import name_of
from verifiers.interface.scoring import FloatArray, Scorer, Scores, Spend, ValueScorer, remembering
from verifiers.interface.solution import Problem, Solution


@dataclass(frozen=True, slots=True, eq=False)
class Weighted:
    """See `weighted`."""

    parts: tuple[tuple[Scorer, float], ...]

    @property
    def name(self) -> str:
        """What a run writes down."""
        return "weighted({" + ", ".join(f"{name_of(scorer)}: {weight:g}" for scorer, weight in self.parts) + "})"

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """The weighted mean of the parts at every step; N rows."""
        return self._mean_of(
            [scorer.score(problems, solutions) for scorer, _ in self.parts],
            problems,
            [len(solution.steps) for solution in solutions],
        )

    def remembering(self) -> Weighted:
        """The same scores, each part with a memory where it can have one; for one search."""
        return weighted([(remembering(scorer), weight) for scorer, weight in self.parts])

    def _mean_of(self, scored: Sequence[Scores], problems: Sequence[Problem], lengths: Sequence[int]) -> Scores:
        weights = np.array([weight for _, weight in self.parts], dtype=np.float64)
        rows = []
        for i, (problem, length) in enumerate(zip(problems, lengths, strict=True)):
            parts = [s.steps[i] for s in scored]
            if {len(part) for part in parts} != {length}:
                raise ValueError(
                    f"problem {problem.id!r}: the scorers gave {[len(part) for part in parts]} scores for a solution "
                    f"of {length} steps; verifiers.check_scorer tests a scorer for this"
                )
            rows.append(_mean(parts, weights, [s.reasons[i] for s in scored]))
        spend = [Spend.total(s.spend[i] for s in scored) for i in range(len(rows))]
        reasons = [next((s.reasons[i] for s in scored if s.reasons[i]), None) for i in range(len(rows))]
        return Scores(tuple(rows), tuple(spend), tuple(reasons), scored[0].reduce)


@dataclass(frozen=True, slots=True, eq=False)
class WeightedValues(Weighted):
    """The same of scorers that all know the value of a problem before its first step."""

    def root_values(self, problems: Sequence[Problem]) -> Scores:
        """The weighted mean of the parts' values of each empty prefix; `steps[i]` has shape (1,)."""
        found = [scorer.root_values(problems) for scorer, _ in self.parts if isinstance(scorer, ValueScorer)]
        return self._mean_of(found, problems, [1] * len(problems))


def weighted(parts: Mapping[Scorer, float] | Sequence[tuple[Scorer, float]]) -> Weighted:
    """The weighted mean of some scorers, step by step; weights count relative to their sum.

    >>> from verifiers import Problem, Solution, Step, Stop, from_function
    >>> short = from_function(lambda problem, solution: 1 / len(solution.text))
    >>> right = from_function(lambda problem, solution: float(solution.text == problem.answer))
    >>> both = weighted({right: 0.75, short: 0.25})
    >>> both.score([Problem("p1", "2+2?", "4")], [Solution((Step("four"),), Stop.EOS)]).values().tolist()
    [0.0625]

    One rule for silence: a part that has no opinion on a step (NaN without a reason) is left out there, and
    the others share its weight; a part that could not judge (NaN with a reason) makes the step NaN, with
    that reason. So a PRM and an ORM give the PRM's score inside a solution and the mean of both at its end.
    Scores should be on one scale: see `verifiers.calibrated`. Spend adds up; the reducer is the first part's.

    Raises ValueError for no parts and for a weight that is not above 0; scorers that cannot be keys of a
    dict come as pairs.
    """
    pairs = tuple(parts.items() if isinstance(parts, Mapping) else parts)
    if not pairs:
        raise ValueError("weighted({}) has no scorers: give at least one")
    for scorer, weight in pairs:
        if not (math.isfinite(weight) and weight > 0):
            raise ValueError(f"the weight of {name_of(scorer)} is {weight}: it must be a number above 0")
    return (WeightedValues if all(isinstance(scorer, ValueScorer) for scorer, _ in pairs) else Weighted)(pairs)


def _mean(rows: Sequence[FloatArray], weights: npt.NDArray[np.float64], reasons: Sequence[str | None]) -> FloatArray:
    scores = np.array(rows, dtype=np.float64)  # (parts, T)
    silent = np.isnan(scores)
    total = weights @ ~silent
    mean = weights @ np.where(silent, 0.0, scores) / np.where(total > 0, total, np.nan)
    for part, reason in enumerate(reasons):
        if reason:
            mean[silent[part]] = np.nan
    return np.asarray(mean, dtype=np.float32)
