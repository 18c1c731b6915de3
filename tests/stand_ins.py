"""What tests put in the place of something: scorers that look at letters, an interrupted call, workers in any order."""

import math
import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from policies.replicas.workers import Failure, Replicas
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
    """Workers that are done in an order that a random generator says; jobs may be sent to them as pickles."""

    def __init__(self, parts: object, count: int, rng: random.Random, *, pickled: bool = False) -> None:
        self.parts, self.count, self.rng, self.pickled = parts, count, rng, pickled
        self.running: dict[str, Callable[[Any], Any]] = {}
        self.begun: list[str] = []

    @property
    def free(self) -> bool:
        return len(self.running) < self.count

    def give(self, name: str, work: Callable[[Any], Any]) -> None:
        assert self.free
        self.running[name] = pickle.loads(pickle.dumps(work)) if self.pickled else work
        self.begun.append(name)

    def take(self) -> tuple[str, Any]:
        name = self.rng.choice(sorted(self.running))
        try:
            made = self.running.pop(name)(self.parts)
        except (ValueError, RuntimeError) as error:
            made = Failure(error)
        return name, pickle.loads(pickle.dumps(made)) if self.pickled else made

    def drop(self) -> None:
        self.running.clear()


def opens_out_of_order(seed: int) -> Callable[[Any, Any], AbstractContextManager[OutOfOrder]]:
    """What stands for `policies.replicas.ray_workers.open_replicas`: as many workers, and all that is sent a pickle."""

    @contextmanager
    def open_replicas(make: Any, replicas: Replicas) -> Iterator[OutOfOrder]:
        with pickle.loads(pickle.dumps(make))() as parts:
            yield OutOfOrder(parts, replicas.count, random.Random(seed), pickled=True)

    return open_replicas
