"""What a strategy may ask for, and the generator that it is.

A strategy searches for one problem. It yields `Extend` or `Score`, is sent the answer, and returns
a `SearchResult`. It holds no model and no batch, so it can be tested by sending it replies.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from policies.policy import Until
from search.result import SearchResult
from verifiers.interface.scoring import Scores
from verifiers.interface.solution import Solution


@dataclass(frozen=True, slots=True)
class Extend:
    """Ask for `n` continuations of each prefix; answered with len(prefixes) x n solutions, prefix by prefix."""

    prefixes: tuple[Solution, ...]
    n: int
    until: Until


@dataclass(frozen=True, slots=True)
class Score:
    """Ask for the scores of solutions; `by` says whether the scorer of the search or the one of the final pick."""

    solutions: tuple[Solution, ...]
    by: Literal["search", "final"] = "search"


class OutOfBudget(Exception):  # noqa: N818  (thrown into strategies as a signal, not an error of anybody's)
    """Thrown into a strategy whose request the budget cannot cover; `solutions` holds the rows it still covered.

    The strategy may ask for scores after it, but for no more extensions.
    """

    def __init__(self, reason: str, solutions: tuple[Solution, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.solutions = solutions


Request: TypeAlias = Extend | Score
Reply: TypeAlias = tuple[Solution, ...] | Scores
Strategy: TypeAlias = Generator[Request, Reply, SearchResult]
"""The search for one problem: it yields requests, is sent the replies, and returns the result."""


def extend(
    prefixes: Sequence[Solution], n: int, until: Until
) -> Generator[Request, Reply, tuple[tuple[Solution, ...], str | None]]:
    """Ask for extensions inside a strategy: `solutions, out = yield from extend(...)`.

    `out` is None, or the reason why the budget cut the reply short.
    """
    try:
        reply = yield Extend(tuple(prefixes), n, until)
    except OutOfBudget as cut:
        return cut.solutions, cut.reason
    if isinstance(reply, Scores):
        raise TypeError("a strategy asked for extensions and was sent scores")
    return reply, None


def score(
    solutions: Sequence[Solution], by: Literal["search", "final"] = "search"
) -> Generator[Request, Reply, Scores]:
    """Ask for scores inside a strategy: `scores = yield from score(...)`."""
    reply = yield Score(tuple(solutions), by)
    if not isinstance(reply, Scores):
        raise TypeError("a strategy asked for scores and was sent solutions")
    return reply
