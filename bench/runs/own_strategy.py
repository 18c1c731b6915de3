"""Strategies of one's own by `module:name`: a generator function of a problem, N and how answers are compared."""

import inspect
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeAlias

import search
from policies.policy import Policy, Sampling
from search.searching import NoScorerError
from verifiers.grading.answers import Answers
from verifiers.interface.errors import BadArgument, BadInput, EngineStoppedError, first_line
from verifiers.interface.own import value_named
from verifiers.interface.scoring import Scorer, Scores
from verifiers.interface.solution import Problem, Solution

Make: TypeAlias = Callable[[Problem, int, Answers], search.Strategy]

_DRIVER = Path(search.__file__).parent
_FORM = "write def NAME(problem, n, answers), which asks by search.requests and returns a search.SearchResult"


def load_strategy(spec: str) -> Make:
    """The strategy that `module:name` names; raises BadArgument for what is none."""
    try:
        value = value_named(spec)
    except ValueError as error:
        raise BadArgument("strategies", spec, first_line(error)) from error
    if value is None:
        module = spec.partition(":")[0]
        raise BadArgument("strategies", spec, f"there is no {module}.py in this folder, and no package of that name")
    if not callable(value):
        raise BadArgument("strategies", spec, f"it is a {type(value).__name__}; {_FORM}")
    try:
        inspect.signature(value).bind(Problem("p", ""), 1, None)
    except TypeError as error:
        raise BadArgument("strategies", spec, f"{first_line(error)}; {_FORM}") from None
    return value  # type: ignore[no-any-return]


def run_strategy(
    spec: str,
    problems: Sequence[Problem],
    n: int,
    policy: Policy,
    scorer: Scorer | None,
    *,
    answers: Answers,
    sampling: Sampling,
    seed: int,
) -> list[search.SearchResult]:
    """What a strategy finds for each problem; raises BadArgument for what it does wrong, with the place in its code."""
    make = load_strategy(spec)
    scorers = {} if scorer is None else {"search": scorer, "final": scorer}
    try:
        searches = [(problem, make(problem, n, answers)) for problem in problems]
        for _, strategy in searches:
            if not inspect.isgenerator(strategy):
                raise BadArgument("strategies", spec, f"it gives a {type(strategy).__name__} and no generator; {_FORM}")
        results = search.drive(searches, policy, scorers, sampling=sampling, seed=seed)
    except (BadInput, EngineStoppedError):
        raise
    except Exception as error:
        if scorer is None and isinstance(error, NoScorerError):
            told = f"it asks for scores; name the scorer behind it, {spec}:NAME, and give that with --scorer"
            raise BadArgument("strategies", spec, told) from None
        raise BadArgument("strategies", spec, f"{type(error).__name__}: {first_line(error)}{_place(error)}") from error
    for result in results:
        _check(spec, result)
    return [
        replace(result, tree=tuple(replace(n, fate=search.Fate(n.fate)) for n in result.tree)) for result in results
    ]


def _place(error: Exception) -> str:
    """Where an error was raised; nothing where it was by our own driver, of what a strategy yielded or returned."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return "" if Path(place.filename).parent == _DRIVER else f" ({place.filename}, line {place.lineno})"


def _check(spec: str, result: Any) -> None:
    where = f"problem {result.problem.id!r}"
    if result.solution is not None and not any(result.solution is one for one in result.pool):
        raise BadArgument("strategies", spec, f"{where}: the solution that it returned is not one of its pool")
    for name, value in (("answer", result.answer), ("reason", result.reason)):
        if not isinstance(value, str | None):
            raise BadArgument("strategies", spec, f"{where}: the {name} that it returned is {value!r}; give a text")
    if not isinstance(result.scores, Scores):
        kind = type(result.scores).__name__
        raise BadArgument("strategies", spec, f"{where}: its scores are a {kind}; give verifiers.interface.Scores")
    if len(result.scores.steps) != len(result.pool):
        told = f"{len(result.scores.steps)} rows of scores for a pool of {len(result.pool)}; give one each"
        raise BadArgument("strategies", spec, f"{where}: {told}")
    for place, node in enumerate(result.tree):
        if wrong := _wrong(result.tree, place, node):
            raise BadArgument("strategies", spec, f"{where}: place {place} of its tree {wrong}")


def _wrong(tree: Sequence[search.Node], place: int, given: object) -> str | None:
    """What is wrong with a node, of which all before it are right."""
    if not isinstance(given, search.Node):
        return f"holds a {type(given).__name__}; give a search.Node"
    node: Any = given  # a dataclass takes anything into its fields
    if not isinstance(node.solution, Solution):
        return f"has the solution {node.solution!r}; give a verifiers.Solution"
    if not isinstance(node.value, Real):
        return f"has the value {node.value!r}; give a number, or NaN for none"
    if node.fate not in list(search.Fate):
        return f"has the fate {node.fate!r}; give a search.Fate, such as {search.Fate.KEPT.value!r}"
    seen = f"has the parent {node.parent!r} and the depth {node.depth!r}"
    if not all(isinstance(number, Integral) for number in (node.parent, node.depth)) or not -1 <= node.parent < place:
        return f"{seen}; a parent comes before its children, which begin with parent -1 and depth 0"
    if node.depth != (depth := tree[node.parent].depth + 1 if node.parent >= 0 else 0):
        return f"{seen}, which is {depth} there"
    return None
