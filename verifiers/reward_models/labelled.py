"""What learned scorers learn from: a solution with a label a step."""

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from verifiers.interface.arguments import check_kind, check_problem, shown
from verifiers.interface.errors import BadArgument
from verifiers.interface.solution import Problem, Solution


@dataclass(frozen=True, slots=True)
class Labelled:
    """A solution with one label in [0, 1] a step; NaN where there is none.

    An outcome is the label of the last step of a finished solution, and the only one an ORM looks at.
    `root` is the value of the problem before the first step, where it is known.

    >>> from verifiers import Problem, Solution, Step, Stop
    >>> solution = Solution((Step("2+2=5\\n"), Step("=5")), Stop.EOS)
    >>> Labelled(Problem("p1", "2+2?"), solution, (0.1, 0.0), root=0.8).outcome
    0.0

    Raises ValueError where the number of labels is not that of the steps, or one is out of range.
    """

    problem: Problem
    solution: Solution
    labels: tuple[float, ...]
    root: float | None = None

    def __post_init__(self) -> None:
        check_problem(self.problem)
        check_kind("solution", self.solution, Solution, "give a verifiers.Solution")
        labels: Any = self.labels  # which no type checker may have seen
        if isinstance(labels, list):
            object.__setattr__(self, "labels", tuple(labels))
        check_kind("labels", self.labels, tuple, "give a tuple of numbers, one a step")
        if len(self.labels) != len(self.solution.steps):
            raise ValueError(
                f"problem {self.problem.id!r}: {len(self.labels)} labels for a solution of "
                f"{len(self.solution.steps)} steps: give one a step, NaN for none"
            )
        numbers: list[Any] = [*self.labels, *([] if self.root is None else [self.root])]
        for label in numbers:
            if not isinstance(label, Real | np.bool_) or not (0.0 <= float(label) <= 1.0 or math.isnan(label)):
                raise ValueError(f"problem {self.problem.id!r}: label {shown(label)} is not in [0, 1]")

    @property
    def outcome(self) -> float:
        """The label of the last step of a finished solution, else NaN."""
        return self.labels[-1] if self.solution.finished and self.labels else math.nan


def with_outcome(problem: Problem, solution: Solution, right: bool) -> Labelled:
    """A finished solution with its outcome alone.

    >>> from verifiers import Problem, Solution, Step, Stop
    >>> with_outcome(Problem("p1", "2+2?"), Solution((Step("2+2="), Step("4")), Stop.EOS), True).labels
    (nan, 1.0)

    Raises ValueError for an unfinished or empty solution.
    """
    check_kind("solution", solution, Solution, "give a verifiers.Solution")
    try:
        label = float(right)
    except (TypeError, ValueError):
        raise BadArgument("right", shown(right), "give True or False") from None
    if not solution.finished or not solution.steps:
        raise ValueError(
            f"problem {problem.id!r}: only a finished solution with text has an outcome (stop {solution.stop})"
        )
    return Labelled(problem, solution, (math.nan,) * (len(solution.steps) - 1) + (label,))
