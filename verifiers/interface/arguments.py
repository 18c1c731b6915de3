"""What a function of ours was given instead of what it takes: said once, with what to write."""

from __future__ import annotations

import inspect
import operator
import os
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import suppress
from numbers import Integral
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from verifiers.interface.errors import BadArgument, BadInput, in_one_line
from verifiers.interface.seeds import check_unique_ids
from verifiers.interface.solution import Problem, Solution

Row = TypeVar("Row")


def check_problems(problems: Any) -> list[Problem]:
    """The problems as a list; raises BadArgument for what is no list of problems, ValueError for ids that occur twice.

    >>> check_problems(Problem("p1", "1+1?"))
    Traceback (most recent call last):
    verifiers.interface.errors.BadArgument: problems Problem('p1'): it is one problem; give a list, [problem]
    """
    if isinstance(problems, Problem):
        raise BadArgument("problems", shown(problems), "it is one problem; give a list, [problem]")
    if isinstance(problems, str | bytes | Mapping) or not isinstance(problems, Iterable):
        raise BadArgument("problems", shown(problems), 'give a list of verifiers.Problem("id", "prompt")')
    rows = list(problems)
    for i, row in enumerate(rows):
        check_problem(row, name=f"problems[{i}]")
    check_unique_ids(row.id for row in rows)
    return rows


def check_problem(problem: object, *, name: str = "problem") -> None:
    """Raise BadArgument, with what to write, for what is no problem."""
    if not isinstance(problem, Problem):
        raise BadArgument(name, shown(problem), 'give a verifiers.Problem("id", "prompt")')


def check_pools(pools: Any) -> list[tuple[Problem, tuple[Solution, ...]]]:
    """Pools as a list of a problem with its solutions; raises BadArgument for what is none."""
    if isinstance(pools, str | bytes | Problem) or not isinstance(pools, Iterable):
        raise BadArgument("pools", shown(pools), "give a list of pairs, (problem, solutions)")
    if isinstance(pools, Mapping):
        raise BadArgument("pools", shown(pools), "give its items(), pairs of a problem and its solutions")
    rows: list[tuple[Problem, tuple[Solution, ...]]] = []
    for i, pool in enumerate(pools):
        if not (isinstance(pool, tuple | list) and len(pool) == 2 and isinstance(pool[0], Problem)):
            what = "it is one pool; give a list, [(problem, solutions)]" if isinstance(pool, Problem) else None
            raise BadArgument(f"pools[{i}]", shown(pool), what or "give a pair, (problem, solutions)")
        problem, solutions = pool
        if isinstance(solutions, Solution | str | Mapping) or not isinstance(solutions, Iterable):
            raise BadArgument(f"pools[{i}]", shown(solutions), "give a list of verifiers.Solution behind the problem")
        solutions = tuple(solutions)
        for solution in solutions:
            if not isinstance(solution, Solution):
                write = "verifiers.Solution(verifiers.split_steps(text), verifiers.Stop.EOS)"
                raise BadArgument(f"pools[{i}]", shown(solution), f"it is no solution; make one of a text by {write}")
        rows.append((problem, solutions))
    check_unique_ids(problem.id for problem, _ in rows)
    return rows


def check_pairs(pairs: Any, told: str, *, name: str) -> list[tuple[Any, Any]]:
    """The pairs as a list; raises BadArgument, which tells what to write, for what is no list of pairs.

    >>> check_pairs([(1, 2), 3], "give a list of pairs, (problem, solution)", name="cases")
    Traceback (most recent call last):
    verifiers.interface.errors.BadArgument: cases[1] 3: give a list of pairs, (problem, solution)
    """
    found: list[tuple[Any, Any]] = []
    for i, row in enumerate(check_rows(pairs, object, told, name=name)):
        if not (isinstance(row, tuple | list) and len(row) == 2):
            raise BadArgument(f"{name}[{i}]", shown(row), told)
        found.append((row[0], row[1]))
    return found


def path_argument(name: str, value: object, told: str = "give a folder's path") -> Path:
    """The path that an argument is, a text's or an os.PathLike's; raises BadArgument for what is none.

    >>> path_argument("out", 3)
    Traceback (most recent call last):
    verifiers.interface.errors.BadArgument: out 3: give a folder's path
    """
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(path, str):
        raise BadArgument(name, shown(value), told)
    return Path(path)


def check_policy_argument(policy: object, *, name: str = "policy") -> None:
    """Raise BadArgument, with what to write, for what is no policy: it has no `extend`."""
    if callable(getattr(policy, "extend", None)) and not isinstance(policy, type | list):
        return
    if isinstance(policy, type) and callable(getattr(policy, "extend", None)):
        told = f"it is a class; give an object of it, {policy.__name__}(...)"
    elif isinstance(policy, str):
        told = f"it is a text; load what it names by policies.load({policy!r})"
    elif hasattr(policy, "score"):
        told = "it is a scorer; give the policy here, and the scorer behind it"
    elif _is_function(policy):
        told = "it is a function; make a policy of it by policies.Scripted(function)"
    elif hasattr(policy, "generate"):
        told = "it is a model; make a policy of it by policies.Transformers(model, tokenizer)"
    else:
        told = (
            "a policy has a method extend(problems, prefixes, *, until, sampling, seeds), such as policies.Transformers"
        )
    raise BadArgument(name, shown(policy), told)


def check_scorer_argument(scorer: object, *, name: str = "scorer") -> None:
    """Raise BadArgument, with what to write, for what is no scorer: it has no `score`.

    >>> check_scorer_argument(len)
    Traceback (most recent call last):
    verifiers.interface.errors.BadArgument: scorer len: it is a function; make a scorer of it by ...
    """
    if callable(getattr(scorer, "score", None)) and not isinstance(scorer, type):
        return
    if isinstance(scorer, type) and callable(getattr(scorer, "score", None)):
        told = f"it is a class; give an object of it, {scorer.__name__}(...)"
    elif isinstance(scorer, str):
        told = f"it is a text; load what it names by prms.load({scorer!r})"
    elif isinstance(scorer, list | tuple | Mapping):
        told = "these are several; give one, such as verifiers.weighted({scorer: weight, ...})"
    elif hasattr(scorer, "extend"):
        told = "it is a policy; give a scorer here, such as prms.RolloutValue(verifier, policy, k=8)"
    elif _is_function(scorer):
        told = "it is a function; make a scorer of it by verifiers.from_function(...) or verifiers.from_steps(...)"
    else:
        told = "a scorer has a method score(problems, solutions), such as verifiers.AnswerVerifier(verifiers.MATH)"
    raise BadArgument(name, shown(scorer), told)


def check_config(config: object, kind: type) -> None:
    """Raise BadArgument, with what to write, for options that are none of this kind.

    >>> check_config({"steps": 2}, Problem)
    Traceback (most recent call last):
    verifiers.interface.errors.BadArgument: config {'steps': 2}: give a Problem(...)
    """
    check_kind("config", config, kind, f"give a {kind.__name__}(...)")


def check_rows(rows: Any, kind: type[Row] | tuple[type[Row], ...], told: str, *, name: str = "rows") -> list[Row]:
    """The rows as a list; raises BadArgument, which tells what to write, for what is no list of rows of this kind.

    >>> check_rows([{"prompt": "1+1?"}], Solution, "give a list of verifiers.Solution")
    Traceback (most recent call last):
    verifiers.interface.errors.BadArgument: rows[0] {'prompt': '1+1?'}: give a list of verifiers.Solution
    """
    if isinstance(rows, str | bytes | Path | Mapping) or not isinstance(rows, Iterable):
        raise BadArgument(name, shown(rows), told)
    found = list(rows)
    # The types are few, however many the rows: to look at each row's alone would take ten times as long.
    odd = {of for of in {*map(type, found)} if not issubclass(of, kind) or (of is bool and kind is Integral)}
    for i, row in enumerate(found if odd else ()):
        if type(row) in odd and not (_is_whole(row) if kind is Integral else isinstance(row, kind)):
            raise BadArgument(f"{name}[{i}]", shown(row), told)
    return found


def _is_whole(row: Any) -> bool:
    """Whether Python can count with it, as with a number of torch's; of such, `int` makes its own."""
    try:
        return not isinstance(row, bool) and operator.index(row) is not None
    except (TypeError, ValueError, RuntimeError):
        return False


_ROWS: dict[str, tuple[type, str]] = {
    "problems": (Problem, 'give a list of verifiers.Problem("id", "prompt")'),
    "solutions": (Solution, "give a list of verifiers.Solution"),
    "prefixes": (Solution, "give a list of verifiers.Solution, of which the empty one is the root"),
    "seeds": (Integral, "give a list of whole numbers"),
    "tokens": (Integral, "give a list of token ids"),
}


def check_asked(rows: Mapping[str, Sequence[object]]) -> list[list[Any]]:
    """What a scorer or a policy is asked about, by its arguments' names, as lists; BadArgument for what it cannot be.

    Callers go on with the lists, as the rows of a column (pandas) are read by labels, and not by their places.

    >>> check_asked({"problems": [Problem("p1", "1+1?")], "solutions": ["2"]})
    Traceback (most recent call last):
    verifiers.interface.errors.BadArgument: solutions[0] '2': give a list of verifiers.Solution
    >>> check_asked({"problems": [Problem("p1", "1+1?")], "solutions": []})
    Traceback (most recent call last):
    verifiers.interface.errors.BadInput: 1 problems and 0 solutions: give one a row
    """
    found: dict[str, list[Any]] = {}
    for name, given in rows.items():
        kind, told = _ROWS[name]
        if not hasattr(given, "__getitem__"):  # which can be read but once
            raise BadArgument(name, shown(given), told)
        found[name] = check_rows(given, kind, told, name=name)
    if len({*map(len, found.values())}) > 1:
        *first, last = (f"{len(given)} {name}" for name, given in found.items())
        raise BadInput(f"{', '.join(first)} and {last}: give one a row")
    return [*found.values()]


def numbers_argument(name: str, given: Any, told: str = "give numbers") -> npt.NDArray[np.float64]:
    """Numbers as an array; raises BadArgument, which tells what to write, for what holds anything else.

    >>> numbers_argument("rewards", [1, "0.5"], "give a number a solution")
    Traceback (most recent call last):
    verifiers.interface.errors.BadArgument: rewards [1, '0.5']: give a number a solution
    """
    array = as_floats(given)
    if array is None:
        raise BadArgument(name, shown(given), told)
    return array.astype(np.float64, copy=False)


def as_floats(given: Any) -> npt.NDArray[Any] | None:
    """Real numbers as an array of them; None for texts and complex numbers, which numpy would turn into some.

    >>> as_floats([1, True]), as_floats(["1"]), as_floats([[1], [2, 3]])
    (array([1, 1]), None, None)
    """
    if given is None:
        return None
    try:
        return _at_once(given)
    except Exception:  # noqa: BLE001  (a library's own, such as torch's of a tensor in bfloat16 or with a gradient)
        with suppress(Exception):
            return None if isinstance(given, Mapping | Set) else _at_once(_plain(given))
        return None


_BYTES = {bytearray, memoryview}  # which numpy would read as numbers, byte by byte


def _at_once(given: Any) -> npt.NDArray[Any] | None:
    array = given
    if not isinstance(given, np.ndarray):
        if not _BYTES.isdisjoint(map(type, given if isinstance(given, list | tuple) else [given])):
            return None
        array = np.asarray(given)
    if array.dtype.kind == "O" and {np.asarray(part).dtype.kind for part in array.flat} <= set("fiubO"):
        array = array.astype(np.float64)  # of fractions, say
    return array if array.dtype.kind in "fiub" else None


def _plain(given: Any) -> Any:
    """Python's own numbers, of a tensor that numpy does not read, of several, or of a generator."""
    if hasattr(given, "detach"):
        return given.tolist()
    return [row.tolist() if hasattr(row, "detach") else row for row in given]


def check_answers_argument(answers: object) -> None:
    """Raise BadArgument, with what to write, for what reads and compares no answers.

    >>> check_answers_argument("math")
    Traceback (most recent call last):
    verifiers.interface.errors.BadArgument: answers 'math': give verifiers.MATH, GSM8K, EXACT or an Answers of your own
    """
    if not callable(getattr(answers, "extract", None)) or isinstance(answers, type):
        raise BadArgument("answers", shown(answers), "give verifiers.MATH, GSM8K, EXACT or an Answers of your own")


def check_kind(name: str, value: object, kind: type | UnionType, told: str) -> None:
    """Raise BadArgument, with what to write, for an argument that is of another kind."""
    if not isinstance(value, kind):
        raise BadArgument(name, shown(value), told)


def check_takes(name: str, function: object, count: int, told: str) -> None:
    """Raise BadArgument, with what it is given, for a function that cannot be called with `count` arguments.

    >>> check_takes("equal", lambda answer, gold: answer == gold, 1, "it is given a list of pairs")
    Traceback (most recent call last):
    verifiers.interface.errors.BadArgument: equal <lambda>: missing a required argument: 'gold'; it is given a list ...
    """
    if not callable(function):
        raise BadArgument(name, shown(function), f"it is no function; {told}")
    try:
        signature = inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):  # of what is written in C, which tells nothing
        return
    try:
        signature.bind(*range(count))
    except TypeError as error:
        raise BadArgument(name, shown(function), f"{error}; {told}") from None


def _is_function(value: object) -> bool:
    return callable(value) and not isinstance(value, type) and hasattr(value, "__name__")


def shown(value: object) -> str:
    """A value in the words of an error: in one line, cut where it is long."""
    if isinstance(value, Problem):
        return f"Problem({value.id!r})"
    if isinstance(value, type) or _is_function(value):
        return str(getattr(value, "__name__", value))
    text = in_one_line(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
