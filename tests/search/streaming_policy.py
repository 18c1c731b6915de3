"""A policy that streams: the rows of another, each given out at a time of its own."""

import random
import time
from collections.abc import Callable, Sequence

from policies import Extended, Sampling
from policies.policy import Policy, Until
from verifiers import Problem, Solution, Spend


class Streaming:
    """`inner`, whose rows come out in an order that `seed` shuffles; `holds` says which never end."""

    def __init__(
        self,
        inner: Policy,
        *,
        seed: int = 0,
        holds: Callable[[Problem], bool] = lambda problem: False,
        rows: "type[Rows] | None" = None,
    ) -> None:
        self.inner, self.seed, self.holds, self.rows = inner, seed, holds, rows or Rows
        self.cancelled: list[str] = []  # the problem of each row that was stopped
        self.held = 0  # rows that were added and never end

    def extend(
        self,
        problems: Sequence[Problem],
        prefixes: Sequence[Solution],
        *,
        until: Until,
        sampling: Sampling,
        seeds: Sequence[int],
    ) -> Extended:
        raise AssertionError("rows of a policy that streams are streamed")

    def stream(self) -> "Rows":
        return self.rows(self)


class Rows:
    def __init__(self, policy: Streaming) -> None:
        self.policy = policy
        self.random = random.Random(policy.seed)
        self.ready: list[tuple[int, Solution, Spend]] = []
        self.held: dict[int, str] = {}
        self.added = 0
        self.closed = False

    def add(
        self,
        problems: Sequence[Problem],
        prefixes: Sequence[Solution],
        *,
        until: Until,
        sampling: Sampling,
        seeds: Sequence[int],
    ) -> list[int]:
        reply = self.policy.inner.extend(problems, prefixes, until=until, sampling=sampling, seeds=seeds)
        numbers = list(range(self.added, self.added + len(problems)))
        self.added += len(problems)
        for number, problem, solution, spend in zip(numbers, problems, reply.solutions, reply.spend, strict=True):
            if self.policy.holds(problem):
                self.held[number] = problem.id
                self.policy.held += 1
            else:
                self.ready.append((number, solution, spend))
        return numbers

    def ended(self, *, seconds: float | None = None) -> list[tuple[int, Solution, Spend]]:
        if not self.ready:
            assert seconds is not None, "these rows never end"
            time.sleep(min(seconds, 0.01))
        self.random.shuffle(self.ready)
        return [self.ready.pop() for _ in range(min(len(self.ready), self.random.randint(1, 3)))]

    def cancel(self, rows: Sequence[int]) -> list[tuple[int, Spend]]:
        ready = {number for number, _, _ in self.ready}
        self.ready = [row for row in self.ready if row[0] not in rows]
        self.policy.cancelled += [self.held.pop(number) for number in rows if number not in ready]
        return [(number, Spend(policy_calls=1)) for number in rows]

    def close(self) -> None:
        self.cancel([*self.held, *(number for number, _, _ in self.ready)])
        self.closed = True
