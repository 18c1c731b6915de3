"""What tests put in the place of something: scorers that look at letters, a call that is interrupted."""

import math
from collections.abc import Callable
from typing import Any

from verifiers import from_steps


@from_steps
def vowels(problem, solution):
    """A verifier that has an opinion of solutions that were cut off, too."""
    right = float(sum(c in "aeiou" for c in solution.text) >= 2)
    return ([math.nan] * (len(solution.steps) - 1) + [right])[: len(solution.steps)]


@from_steps
def steps(problem, solution):
    """A PRM whose score of a step is decided by its text."""
    return [(len(step.text) % 5) / 4 for step in solution.steps]


class InterruptedOnce:
    """A function whose call of this number, counted from 1, is interrupted as by a person at the keyboard."""

    def __init__(self, function: Callable[..., Any], at: int) -> None:
        self.function, self.at, self.calls = function, at, 0

    def __call__(self, *args: Any, **options: Any) -> Any:
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt
        return self.function(*args, **options)
