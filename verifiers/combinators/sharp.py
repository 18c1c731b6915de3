"""Process scores made sharp: cut at the first error, or each step's own chance given those before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from verifiers.interface.arguments import check_scorer_argument
from verifiers.interface.capabilities import OfParts, remembering
from verifiers.interface.errors import check_finite
from verifiers.interface.naming import name_of
from verifiers.interface.scoring import FloatArray, Scorer, Scores, ask
from verifiers.interface.solution import Problem, Solution


@dataclass(frozen=True, slots=True, eq=False)
class FirstErrorCut:
    """1 for every step before the first that scores below `below`, and 0 from that one on.

    >>> from verifiers import Solution, from_steps, split_steps
    >>> soft = from_steps(lambda problem, solution: [0.9, 0.4, 0.6])
    >>> FirstErrorCut(soft, 0.5).score([Problem("p", "?")], [Solution(split_steps("a\\nb\\nc"))]).steps[0].tolist()
    [1.0, 0.0, 0.0]

    A PRM that tells "no error so far" grows unsure along a right solution too, and the sum of such scores pays early
    steps and more steps (`GRPOConfig.credit`). Cut, it pays right steps. `below` must be fitted where right steps
    score low (`bench.diagnostics.processbench.fit_threshold`; 0.5 for a PRM of first errors that is sure of itself).
    From a NaN on, all is NaN, with the scorer's reason. Raises ValueError where `below` is no finite number.
    """

    of: Scorer
    below: float = 0.5
    separator = OfParts(lambda self: [self.of])

    def __post_init__(self) -> None:
        check_scorer_argument(self.of)
        check_finite({"below": self.below})

    @property
    def name(self) -> str:
        """What a run writes down."""
        return f"cut({name_of(self.of)}, below={self.below:g})"

    def root_values(self, problems: Sequence[Problem]) -> Scores:
        """1: before the first step there is no error."""
        return Scores((np.ones(1, dtype=np.float32),) * len(problems))

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """1 or 0 at every step; N rows."""
        scores = ask(self.of, problems, solutions)
        steps = (_whole(row, np.cumprod(row.astype(np.float64) >= self.below)) for row in scores.steps)
        return replace(scores, steps=tuple(steps))

    def remembering(self) -> FirstErrorCut:
        """The cut of a scorer with a memory, where it can have one."""
        return FirstErrorCut(remembering(self.of), self.below)


@dataclass(frozen=True, slots=True, eq=False)
class Hazards:
    """Each step's own chance to be right, given that those before it are: its score over the one before, at most 1.

    >>> from verifiers import Solution, from_steps, split_steps
    >>> soft = from_steps(lambda problem, solution: [1.0, 0.75, 0.375])
    >>> rows = Hazards(soft).score([Problem("p", "?")], [Solution(split_steps("a\\nb\\nc"))]).steps
    >>> rows[0].tolist()
    [1.0, 0.75, 0.5]

    For scores that are chances of no error so far, which fall and multiply: `values()` is the product, the last chance.
    These are no values of prefixes, so there is none before the first step either, and a credit that takes gains
    ("advantage", "progress") or a PAV is not for them. After a score of 0 every step has 0. From a NaN on, all is NaN,
    with the scorer's reason.
    """

    of: Scorer
    separator = OfParts(lambda self: [self.of])

    def __post_init__(self) -> None:
        check_scorer_argument(self.of)

    @property
    def name(self) -> str:
        """What a run writes down."""
        return f"hazards({name_of(self.of)})"

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """A ratio at every step; N rows."""
        scores = ask(self.of, problems, solutions)
        rows = []
        for row in scores.steps:
            before = np.concatenate(([1.0], row))[: len(row)]
            rows.append(_whole(row, np.divide(row, before, out=np.zeros(len(row)), where=before > 0).clip(0.0, 1.0)))
        return replace(scores, steps=tuple(rows), reduce="prod")

    def remembering(self) -> Hazards:
        """The ratios of a scorer with a memory, where it can have one."""
        return Hazards(remembering(self.of))


def _whole(row: FloatArray, made: np.ndarray) -> FloatArray:
    """What was made of a row, NaN from its first NaN on."""
    out: FloatArray = made.astype(np.float32)
    out[np.cumsum(np.isnan(row)) > 0] = np.nan
    return out
