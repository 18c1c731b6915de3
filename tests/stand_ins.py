"""What tests put in the place of something: scorers that look at letters, an interrupted call, workers in any order."""

import math
import random
from collections.abc import Callable
from typing import Any

from policies.replicas.workers import Failure
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


class OutOfOrder:
    """Workers that are done in any order, as a generator of random numbers says."""

    def __init__(self, parts: object, count: int, rng: random.Random) -> None:
        self.parts, self.count, self.rng = parts, count, rng
        self.running: dict[str, Callable[[Any], Any]] = {}
        self.begun: list[str] = []

    @property
    def free(self) -> bool:
        return len(self.running) < self.count

    def give(self, name: str, work: Callable[[Any], Any]) -> None:
        assert self.free
        self.running[name] = work
        self.begun.append(name)

    def take(self) -> tuple[str, Any]:
        name = self.rng.choice(sorted(self.running))
        try:
            return name, self.running.pop(name)(self.parts)
        except ValueError as error:
            return name, Failure(error)
