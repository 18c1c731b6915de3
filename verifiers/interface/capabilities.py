"""What scorers (and policies) may have beside their one method: attributes that may be absent, all asked for here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

from verifiers.interface.scoring import Scorer, Scores, check_rows
from verifiers.interface.solution import Problem, Solution

RootValues: TypeAlias = Callable[[Sequence[Problem]], Scores]
Advantages: TypeAlias = Callable[[Sequence[Problem], Sequence[Solution]], Scores]
T = TypeVar("T")


class Incremental(Protocol):
    """A causal scorer that can remember prefixes, so that a longer one costs its new tokens only."""

    def remembering(self) -> Scorer:
        """A scorer with the same scores (up to float noise) and a memory of what it has scored; for one search."""
        ...


class ValueScorer(Protocol):
    """A process scorer that also knows the value of a problem before its first step, as advantages need.

    For type annotations: whether a scorer at hand is one is asked with `root_values_of`.
    """

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores: ...

    def root_values(self, problems: Sequence[Problem]) -> Scores:
        """The value of each problem's empty prefix; `steps[i]` has shape (1,)."""
        ...


def remembering(model: T) -> T:
    """A scorer or a policy for one search that grows prefixes: with a memory where it can have one, else itself.

    The memory ends with the search, so that what a search says and costs never depends on what ran before it.
    Its calls come one after the other: a search in another thread has a memory of its own.

    >>> from verifiers import from_steps
    >>> silent = from_steps(lambda problem, solution: [float("nan")] * len(solution.steps))
    >>> remembering(silent) is silent
    True
    """
    make: Callable[[], T] | None = getattr(model, "remembering", None)
    return model if make is None else make()


def root_values_of(scorer: object) -> RootValues | None:
    """How to ask for the value of problems before their first step, None where the scorer does not know it.

    >>> from prms import PRM
    >>> ask = root_values_of(PRM.load("tiny:prm_error"))
    >>> None if ask is None else ask([Problem("p1", "C 7-9*3\\n")]).values().tolist()
    [1.0]

    What is asked raises ScoresShapeError where the scorer gives other than one number a problem.
    """
    root_values: RootValues | None = getattr(scorer, "root_values", None)
    if root_values is None:
        return None

    def ask(problems: Sequence[Problem]) -> Scores:
        return check_rows(scorer, problems, None, root_values(problems))

    return ask


def advantages_of(scorer: object) -> Advantages | None:
    """How to ask for each step's gain alone, as a PAV knows it; None where the scorer does not."""
    advantages: Advantages | None = getattr(scorer, "advantages", None)
    return advantages


def judges_ends_only(scorer: object) -> bool:
    """Whether a scorer says that it has no opinion of unfinished solutions, as outcome verifiers do.

    >>> from verifiers import from_function, weighted
    >>> outcome = from_function(lambda problem, solution: 1.0)
    >>> judges_ends_only(outcome), judges_ends_only(weighted({outcome: 1.0}))
    (True, True)
    """
    kinds = type(scorer).__mro__
    judging = next((kind for kind in kinds if {"ends_only", "score"} & vars(kind).keys()), object)
    if "ends_only" not in vars(judging) and any("ends_only" in vars(kind) for kind in kinds):
        return False  # it is said by a class whose `score` was replaced
    return bool(getattr(scorer, "ends_only", False))


def separator_of(scorer: object) -> str | None:
    """What ended the steps that the scorer was trained on, None where it does not say."""
    separator: str | None = getattr(scorer, "separator", None)
    return separator


class OfParts:
    r"""A wrapper's `separator` or `target`, which is that of its parts: None where none of them says or they differ.

    >>> class Pair:
    ...     separator = OfParts(lambda pair: [pair.first, pair.second])
    ...     def __init__(self, first, second):
    ...         self.first, self.second = first, second
    >>> from prms import MATH_SHEPHERD, QWEN_MATH_PRM
    >>> separator_of(Pair(MATH_SHEPHERD, None)), separator_of(Pair(MATH_SHEPHERD, QWEN_MATH_PRM))
    ('\n', None)
    """

    def __init__(self, parts: Callable[[Any], Iterable[object]]) -> None:
        self.parts = parts

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, wrapper: object, owner: type | None = None) -> str | None:
        parts = [] if wrapper is None else self.parts(wrapper)
        said: set[str] = {value for part in parts if (value := getattr(part, self.name, None)) is not None}
        return said.pop() if len(said) == 1 else None
