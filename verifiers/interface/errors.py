"""What is raised here beside Python's own errors, by whom, and what to catch.

    ValueError
      BadInput              whatever reads a person's files, rows, folders and options
        BadArgument         that of one argument, which the command line knows as its option
        MissingInput        a file or a folder that is not there; a FileNotFoundError too
      NoOpinionError        search.beam_search, where a scorer says nothing of what it has to rank
      ScoresShapeError      whoever asks a scorer that gives other than one number a step
    AssertionError
      BrokenLawError        the laws: verifiers.check_scorer, policies.check_policy
    RuntimeError
      EngineStoppedError    a policy or a scorer whose engine can answer no call any more

    Exception
      search.OutOfBudget    thrown into a strategy whose budget is spent, to be answered with what it has

Catch ValueError for what one call was given (a policy's answer of another length too), and EngineStoppedError to
start an engine again. Of a policy's or a scorer's other errors a search makes the reason of the row that they were
for, unless no row can be their cause: a NameError, ImportError, SyntaxError or NotImplementedError is raised, but not
that of a text that was run or read as code (eval, exec, ast), or of what a library cannot do. The commands end with one
line on BadInput, EngineStoppedError and OSError (a full disk); all else is a fault of the program and keeps its
traceback.
"""

import math
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np


class BadInput(ValueError):  # noqa: N818  (it names the input, not a fault of the program)
    """One line that names the file, row, folder or option, what was seen and what to do."""


class BadArgument(BadInput):
    """The value of an argument, and what is wrong with it.

    >>> error = BadArgument("max_steps", 0, "it must be 1 or more")
    >>> str(error), error.as_option()
    ('max_steps 0: it must be 1 or more', '--max-steps 0: it must be 1 or more')
    """

    def __init__(self, argument: str, value: object, complaint: str) -> None:
        super().__init__(argument, value, complaint)

    def __str__(self) -> str:
        argument, value, complaint = self.args
        return f"{argument} {value}: {complaint}"

    def as_option(self) -> str:
        """What the command line says of it."""
        argument, value, complaint = self.args
        return f"--{argument.replace('_', '-')} {value}: {complaint}"


class MissingInput(BadInput, FileNotFoundError):  # noqa: N818
    """A file or a folder that is not there, or lacks what it should hold."""


class NoOpinionError(ValueError):
    """Beam search was given a scorer that says nothing of unfinished solutions."""


class BrokenLawError(AssertionError):
    """A scorer or a policy broke one of its laws; the message names the law, the problem and what was seen."""


class EngineStoppedError(RuntimeError):
    """An engine that can answer no call any more: it was closed, it was interrupted, or it died.

    Every strategy raises it, where another error of a policy or a scorer is the reason of the row that it was for.
    """


class ScoresShapeError(ValueError):
    """A scorer gave other than one row a solution and one number a step: a mistake in the scorer, raised through."""


NO_ROWS_FAULT = (EngineStoppedError, ScoresShapeError, NameError, ImportError, SyntaxError, NotImplementedError)
"""What no row can be the cause of: nothing answers any more, or the code is wrong whatever it is given."""


def is_a_rows(error: BaseException) -> bool:
    """Whether a row can be an error's cause: any but `NO_ROWS_FAULT`, and of these what depends on what is given.

    That is code that is in no file, but in the row's own text, and what an installed library (sympy, say) cannot do.

    >>> try:
    ...     eval("four apples")  # as a scorer reads a solution
    ... except SyntaxError as error:
    ...     is_a_rows(error), is_a_rows(NotImplementedError())
    (True, False)
    """
    if not isinstance(error, NO_ROWS_FAULT):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    place = error.filename if isinstance(error, SyntaxError) else frames[-1].filename if frames else None
    if place is None or isinstance(error, EngineStoppedError | ScoresShapeError):
        return False
    if isinstance(error, NotImplementedError):
        return "site-packages" in Path(place).parts
    return not Path(place).is_file()


def check_least(least: int, values: Mapping[str, int], *, who: str = "") -> None:
    """Raise BadInput where one of the arguments (of `who`) is no whole number, or below the least that it may be."""
    check_whole(values, who=who)
    for name, value in values.items():
        if value < least:
            raise BadInput(f"{_given(name, value, who)}: it must be {least} or more")


def check_whole(values: Mapping[str, Any], *, who: str = "") -> None:
    """Raise BadInput where one of the arguments (of `who`) is no whole number.

    >>> check_whole({"seed": 1.5})
    Traceback (most recent call last):
    verifiers.interface.errors.BadInput: seed is 1.5: it must be a whole number
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise BadInput(f"{_given(name, value, who)}: it must be a whole number")


def check_flags(values: Mapping[str, object]) -> None:
    """Raise BadInput where one of the arguments is neither True nor False."""
    for name, value in values.items():
        if not isinstance(value, bool | np.bool_):
            raise BadInput(f"{_given(name, value)}: it must be True or False")


def check_finite(values: Mapping[str, Any], *, who: str = "") -> None:
    """Raise BadInput where one of the arguments (of `who`) is no finite number."""
    for name, value in values.items():
        if not math.isfinite(_as_float(value)):
            raise BadInput(f"{_given(name, value, who)}: it must be a finite number")


def check_kinds(options: object) -> None:
    """Raise BadInput for a field of a dataclass that is not of its type; a whole number is a float too.

    >>> from dataclasses import make_dataclass
    >>> check_kinds(make_dataclass("Options", [("steps", int | None)])("3"))
    Traceback (most recent call last):
    verifiers.interface.errors.BadInput: steps is '3': it must be a whole number
    """
    of: type = type(options)
    for name, hint in _hints(of).items():
        value, kinds = getattr(options, name), get_args(hint) if isinstance(hint, UnionType) else (hint,)
        if value is None and type(None) in kinds:
            continue
        words = [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
        if words and value not in words:
            raise BadInput(f"{_given(name, value)}: use one of {', '.join(map(repr, words))}")
        if int in kinds:
            check_whole({name: value})
        if float in kinds and (isinstance(value, bool) or not isinstance(value, Real)):
            raise BadInput(f"{_given(name, value)}: it must be a number")
        if isinstance(value, Integral) and abs(int(value)) >= 1 << 63:
            said = str(value) if abs(int(value)) < 10**40 else f"about 1e{int(math.log10(abs(int(value))))}"
            raise BadInput(f"{name} is {said}: out of range")
        for kind in {get_origin(kind) or kind for kind in kinds} - {int, float, type(None), Literal}:
            if not isinstance(value, kind):
                raise BadInput(f"{_given(name, value)}: it must be {_WORDS.get(kind, f'a {kind.__name__}')}")


@cache
def _hints(of: type) -> dict[str, Any]:
    """The types of a class's fields, read once for all of its rows."""
    return get_type_hints(of)


_WORDS = {bool: "True or False", str: "a text"}


def _as_float(value: object) -> float:
    """A number as a float, NaN for what is none."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:  # a whole number of more than 308 digits
        return math.inf


def _given(name: str, value: object, who: str = "") -> str:
    return f"{who}({name}={in_one_line(value)})" if who else f"{name} is {in_one_line(value)}"


def in_one_line(value: object) -> str:
    """What Python shows of a value, which of an array or a column has several lines."""
    return " ".join(line.strip() for line in repr(value).splitlines())


def check_ranges(
    options: object,
    *,
    positive: Sequence[str],
    not_negative: Sequence[str],
    limits: Sequence[str],
    others: Mapping[str, bool],
) -> None:
    """Raise BadInput for an option that is out of range; `limits` may be None, `others` are told."""
    fine = {name: getattr(options, name) > 0 for name in positive}
    fine |= {name: (value := getattr(options, name)) is None or value > 0 for name in limits}
    fine |= {name: getattr(options, name) >= 0 for name in not_negative}
    for name, is_fine in (*fine.items(), *others.items()):  # one name may be in several
        if not is_fine:
            raise BadInput(f"{_given(name, getattr(options, name))}: out of range")


def reason_of(error: BaseException) -> str:
    """What a row says of an error that it met; a mistake in somebody's code with the place, since its text says little.

    >>> def lookup(problem):
    ...     return {}["level"]
    >>> try:
    ...     lookup("p1")
    ... except KeyError as error:
    ...     reason_of(error)[:18], reason_of(OSError("no route"))
    ("KeyError: 'level' ", 'OSError: no route')
    """
    said = f"{type(error).__name__}: {error}"
    if not isinstance(error, _MISTAKES) or error.__traceback__ is None:
        return said
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{said} ({Path(place.filename).name}, line {place.lineno})"


_MISTAKES = (LookupError, AttributeError, NameError, TypeError, ArithmeticError, AssertionError)


def note_problem(error: BaseException, told: str, problem_id: str) -> None:
    """Add to an error what is told of a problem, in place of what was told so before: one object may be raised often.

    >>> error = ValueError("too long")
    >>> for problem_id in ("p1", "p2"):
    ...     note_problem(error, "the policy failed on", problem_id)
    >>> error.__notes__
    ["the policy failed on problem 'p2'"]
    """
    others = [note for note in getattr(error, "__notes__", ()) if not note.startswith(told)]
    error.__notes__ = [*others, f"{told} problem {problem_id!r}"]


def first_line(error: BaseException) -> str:
    r"""What an error of another library says, in one line.

    >>> first_line(OSError("no route\nand much more")), first_line(MemoryError())
    ('no route', 'MemoryError')
    """
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
