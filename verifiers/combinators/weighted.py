"""A scorer that is a weighted mean of others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from verifiers.interface.arguments import check_kind, check_scorer_argument
from verifiers.interface.capabilities import OfParts, RootValues, judges_ends_only, remembering, root_values_of
from verifiers.interface.errors import check_finite
from verifiers.interface.naming import name_of
from verifiers.interface.scoring import FloatArray, Scorer, Scores, Spend, ask
from verifiers.interface.solution import Problem, Solution


@dataclass(frozen=True, slots=True, eq=False)
class Weighted:
    """See `weighted`."""

    parts: tuple[tuple[Scorer, float], ...]
    separator = OfParts(lambda self: [scorer for scorer, _ in self.parts])
    target = OfParts(lambda self: [scorer for scorer, _ in self.parts])

    @property
    def name(self) -> str:
        """What a run writes down."""
        return "weighted({" + ", ".join(f"{name_of(scorer)}: {weight:g}" for scorer, weight in self.parts) + "})"

    @property
    def ends_only(self) -> bool:
        """Whether no part has an opinion of unfinished solutions."""
        return all(judges_ends_only(scorer) for scorer, _ in self.parts)

    @property
    def root_values(self) -> RootValues | None:
        """The weighted mean of the parts' values of each empty prefix, shape (1,); None unless all know them."""
        roots = [ask_roots for scorer, _ in self.parts if (ask_roots := root_values_of(scorer))]
        if len(roots) < len(self.parts):
            return None
        return lambda problems: self._mean_of([ask_roots(problems) for ask_roots in roots])

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """The weighted mean of the parts at every step; N rows."""
        return self._mean_of([ask(scorer, problems, solutions) for scorer, _ in self.parts])

    def remembering(self) -> Weighted:
        """The scores of parts that each have a memory where they can have one; for one search."""
        return Weighted(tuple((remembering(scorer), weight) for scorer, weight in self.parts))

    def _mean_of(self, scored: Sequence[Scores]) -> Scores:
        weights = np.array([weight for _, weight in self.parts], dtype=np.float64)
        rows, spend, reasons = [], [], []
        for i in range(len(scored[0])):
            why = [scores.reasons[i] for scores in scored]
            rows.append(_mean([scores.steps[i] for scores in scored], weights, why))
            if np.isnan(rows[-1]).any() and _both_infinities([scores.steps[i] for scores in scored]):
                why.append("infinite scores of both signs have no mean")
            spend.append(Spend.total(scores.spend[i] for scores in scored))
            reasons.append(next(filter(None, why), None))
        return Scores(tuple(rows), tuple(spend), tuple(reasons), scored[0].reduce)


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
    check_kind("parts", parts, Iterable, "give scorers and weights, {scorer: 0.5, other: 0.5}")
    pairs = tuple(parts.items() if isinstance(parts, Mapping) else parts)
    if not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        raise ValueError("weighted(...) takes pairs of a scorer and its weight: {scorer: 0.5, other: 0.5}")
    if not pairs:
        raise ValueError("weighted({}) has no scorers: give at least one")
    for scorer, weight in pairs:
        check_scorer_argument(scorer)
        check_finite({f"the weight of {name_of(scorer)}": weight})
        if weight <= 0:
            raise ValueError(f"the weight of {name_of(scorer)} is {weight}: it must be a number above 0")
    return Weighted(pairs)


def _both_infinities(rows: Sequence[FloatArray]) -> bool:
    scores = np.array(rows)
    return bool((np.isposinf(scores).any(axis=0) & np.isneginf(scores).any(axis=0)).any())


def _mean(rows: Sequence[FloatArray], weights: npt.NDArray[np.float64], reasons: Sequence[str | None]) -> FloatArray:
    scores = np.array(rows, dtype=np.float64)  # (parts, T)
    silent = np.isnan(scores)
    total = weights @ ~silent
    with np.errstate(invalid="ignore"):  # infinities of both signs, which have a reason of their own
        mean = weights @ np.where(silent, 0.0, scores) / np.where(total > 0, total, np.nan)
    for part, reason in enumerate(reasons):
        if reason:
            mean[silent[part]] = np.nan
    return np.asarray(mean, dtype=np.float32)
