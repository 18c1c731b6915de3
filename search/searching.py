"""One problem's search between the calls that it shares with others: what it asks, has been sent, and has spent."""

import contextlib
import math
import sys
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any, get_args

from policies.policy import Sampling, Until
from search.budget import Budget
from search.grown import grown, grows
from search.requests import Extend, OutOfBudget, Reply, Request, Score, Strategy
from search.result import SearchResult
from verifiers.interface.arguments import check_kind, shown
from verifiers.interface.scoring import Scorer, Spend
from verifiers.interface.seeds import seed_at
from verifiers.interface.solution import Problem, Solution


def check_limits(sampling: object, budget: object) -> None:
    """Raise BadArgument for what is no sampling or no budget."""
    check_kind("sampling", sampling, Sampling, "write policies.Sampling(temperature=...)")
    check_kind("budget", budget, Budget, "write search.Budget(samples=...), of tokens or of seconds")


class NoScorerError(ValueError):
    """A strategy asked for a scorer that its search was not given."""


@dataclass(slots=True, eq=False)
class Search:
    """A strategy under way; it ends with a `result`, or with the `error` that the caller is to see."""

    problem: Problem
    strategy: Strategy
    scorers: Mapping[str, Scorer]
    sampling: Sampling
    budget: Budget
    seed: int
    deadline: float | None = None  # of time.monotonic()
    company: set[int] = field(default_factory=set)  # who has answered a row, of it or of those started with it
    cancelled: Callable[[], bool] = lambda: False
    request: Request | None = None
    result: SearchResult | None = None
    error: BaseException | None = None
    extensions: int = 0  # Extend requests so far: the first part of a row's place in the tree
    answers: list[Solution | None] = field(default_factory=list)  # of the open Extend request; None is under way
    under_way: int = 0
    told: list[tuple[Request, Reply]] = field(default_factory=list)  # what was asked and sent, for the tree
    samples: int = 0
    tokens: float = 0
    spends: list[Spend] = field(default_factory=list)
    policy_seconds: float = 0.0
    scorer_seconds: float = 0.0

    def __post_init__(self) -> None:
        check_limits(self.sampling, self.budget)
        check_kind(
            "strategy", self.strategy, Generator, "give a generator, which yields search.Extend and search.Score"
        )

    @property
    def over(self) -> bool:
        return self.result is not None or self.error is not None

    @property
    def late(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    @property
    def waits(self) -> bool:
        """Whether it still wants what it asks for: not once it is cancelled, and no samples once its time is up."""
        return not (self.cancelled() or (isinstance(self.request, Extend) and self.late))

    def start_clock(self) -> None:
        """Count the budget's seconds from now."""
        if self.budget.seconds is not None:
            self.deadline = time.monotonic() + self.budget.seconds

    def start(self) -> None:
        """Run the strategy to its first request."""
        self._advance(lambda: next(self.strategy))

    def fail(self, error: BaseException) -> None:
        """End the search with an error."""
        self.error, self.request = error, None
        self.told.clear()
        self.close()

    def close(self) -> None:
        """End the strategy; one that does not end in good order concerns nobody any more."""
        with contextlib.suppress(Exception):
            self.strategy.close()

    def send(self, reply: Reply) -> None:
        self._advance(lambda: self.strategy.send(reply), reply)

    def _advance(self, step: Callable[[], Request], reply: Reply = ()) -> None:
        # What no tree can have is not held: scores of whole solutions, and a live search draws many of those.
        if self.request is not None and grows(self.request) and (self.told or isinstance(self.request, Extend)):
            self.told.append((self.request, reply))
        if isinstance(self.request, Extend):
            self.extensions += 1
        self.answers = []
        try:
            try:
                self.request = step()
                self._check(self.request)
            except StopIteration as stop:
                self.request, self.result = None, self._charged(stop.value)
        except Exception as error:  # noqa: BLE001  (a strategy's own, for whoever waits for the search)
            self.fail(error)

    def _charged(self, result: Any) -> SearchResult:
        if not isinstance(result, SearchResult):
            raise TypeError(f"problem {self.problem.id!r}: a strategy returned {shown(result)}; return a SearchResult")
        spend = Spend.total(self.spends)
        timed = replace(spend, policy_seconds=self.policy_seconds, scorer_seconds=self.scorer_seconds)
        pool = self._listed("pool", result.pool)
        tree = self._listed("tree", result.tree) or grown(self.told, pool)
        self.told.clear()  # which nobody reads again
        return replace(result, pool=pool, spend=timed, tree=tree)

    def _listed(self, name: str, given: Any) -> tuple[Any, ...]:
        """A part of the result as a tuple: a generator can be read but once."""
        try:
            return tuple(given)
        except TypeError:
            raise TypeError(
                f"problem {self.problem.id!r}: the {name} returned is {shown(given)}; give a tuple"
            ) from None

    def _check(self, request: Any) -> None:
        if isinstance(request, Extend):
            n: Any = request.n
            if isinstance(n, bool) or not isinstance(n, Integral) or not 1 <= int(n) <= sys.maxsize:
                raise ValueError(f"problem {self.problem.id!r}: {n} samples were asked for; ask for 1 or more")
            if request.until not in get_args(Until):
                raise ValueError(f"problem {self.problem.id!r}: until is {request.until!r}; use 'step' or 'end'")
            self._check_solutions("prefixes", request.prefixes)
            if not request.prefixes:
                raise ValueError(
                    f"problem {self.problem.id!r}: no prefix was asked to be extended; the root is Solution()"
                )
        elif not isinstance(request, Score):
            raise TypeError(
                f"problem {self.problem.id!r}: a strategy yielded {shown(request)}; yield an Extend or a Score"
            )
        elif request.by not in self.scorers:
            raise NoScorerError(
                f"problem {self.problem.id!r}: a strategy asked for the scorer {request.by!r}; there are "
                f"{sorted(self.scorers)}"
            )
        else:
            self._check_solutions("solutions", request.solutions)

    def _check_solutions(self, name: str, given: Any) -> None:
        if not isinstance(given, tuple | list) or not all(isinstance(solution, Solution) for solution in given):
            raise TypeError(
                f"problem {self.problem.id!r}: the {name} asked for are {shown(given)}; give a tuple of Solution"
            )

    def grant(self) -> "list[Row]":
        """The rows of the open Extend request that the budget covers; the strategy is told where it covers none."""
        if not isinstance(self.request, Extend):
            return []
        late = self.late
        count = 0 if late else self._affordable(self.request)
        if not count:
            self._out_of_budget("seconds" if late else "samples" if self.samples == self.budget.samples else "tokens")
            return []
        start, n = len(self.answers), self.request.n
        self.answers += [None] * count
        self.under_way += count
        self.samples += count
        return [
            Row(
                self,
                place,
                self.request.prefixes[place // n],
                seed_at(self.seed, self.problem.id, self.extensions, *divmod(place, n)),
            )
            for place in range(start, start + count)
        ]

    def settle(self) -> None:
        """Send the reply once it is whole; a request of which the budget has covered a part goes on."""
        if not self.over and not self.under_way and isinstance(self.request, Extend):
            answered = tuple(s for s in self.answers if s is not None)
            if len(answered) == self.request.n * len(self.request.prefixes):
                self.send(answered)

    def _out_of_budget(self, limit: str) -> None:
        reason = f"the budget of {getattr(self.budget, limit)} {limit} ended the search"
        cut = OutOfBudget(reason, tuple(s for s in self.answers if s is not None))
        self._advance(lambda: self.strategy.throw(cut), cut.solutions)

    def _affordable(self, request: Extend) -> int:
        """How many further rows of the request the budget covers, each at its worst case."""
        start = len(self.answers)
        rows = request.n * len(request.prefixes) - start
        if self.budget.samples is not None:
            rows = min(rows, self.budget.samples - self.samples)
        if self.budget.tokens is None:
            return rows
        left = self.budget.tokens - self.tokens
        for i in range(rows):
            left -= _worst(self, request.prefixes[(start + i) // request.n])
            if left < 0:
                return i
        return rows


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One continuation that a search waits for."""

    search: Search
    place: int  # in the reply
    prefix: Solution
    seed: int

    def answer(self, solution: object, spend: object) -> None:
        """Give it to the search; one that is none ends the search, and no other."""
        search = self.search
        search.under_way -= 1
        if search.over:
            return
        if not (isinstance(solution, Solution) and isinstance(spend, Spend)):
            told = f"problem {search.problem.id!r}: the policy ended row {self.place} with {shown(solution)} and "
            search.fail(ValueError(f"{told}{shown(spend)}; give a verifiers.Solution and a verifiers.Spend"))
            return
        search.answers[self.place] = solution
        search.spends.append(spend)
        search.tokens += _worst(search, self.prefix) if math.isnan(spend.sampled_tokens) else spend.sampled_tokens

    def drop(self) -> None:
        """Leave it without an answer: its search waits for it no more."""
        self.search.under_way -= 1


def _worst(search: Search, prefix: Solution) -> int:
    """The most tokens that a row may sample: what it is held to have, where nobody says."""
    return max(1, search.sampling.max_tokens - prefix.token_count)
