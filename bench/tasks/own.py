"""A task of one's own by `module:name`: a `Task`, problems or rows, or a function that gives these."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from bench.inputs.rows import Row
from bench.inputs.task import Task
from bench.tasks.rows import problems_of
from verifiers.grading.answer_verifier import AnswerVerifier
from verifiers.grading.answers import MATH, Answers
from verifiers.interface.errors import BadArgument, BadInput, first_line
from verifiers.interface.own import value_named
from verifiers.interface.solution import Problem

_FORMS = 'a Task, a list of Problems or of rows such as {"prompt": "2+2?", "answer": 4}, or a function that gives one'


def own_task(spec: str, *, limit: int | None, columns: Mapping[str, str]) -> Task | None:
    """The task that `module:name` names; None where there is no such module.

    Raises BadArgument for what cannot be imported, or holds no problems.
    """
    value = _value(spec)
    if value is None:
        return None
    if isinstance(value, Task):
        _check_no_columns(columns, f"{spec} is a Task, which has")
        task = Task(value.name, value.problems[:limit], value.answers, value.verifier, value.sampling)
    else:
        name = spec.rpartition(":")[2]
        task = Task(name, tuple(islice(_problems(spec, name, value, columns), limit)))
    _check(spec, task)
    return task


def own_answers(spec: str) -> Answers | None:
    """How the task that `module:name` names reads answers; None where there is no such module."""
    value = _value(spec)
    return None if value is None else value.answers if isinstance(value, Task) else MATH


def _value(spec: str) -> Any:
    """What `module:name` names or, where that is a function, what it gives; None where there is no such module."""
    try:
        value = value_named(spec)
        return value() if inspect.isroutine(value) else value
    except BadInput:
        raise
    except ValueError as error:
        raise BadArgument("task", spec, first_line(error)) from error
    except Exception as error:  # whatever a function of one's own raises
        raise BadArgument("task", spec, f"{type(error).__name__}: {first_line(error)}") from error


def _problems(spec: str, name: str, value: object, columns: Mapping[str, str]) -> Iterator[Problem]:
    given = iter(value) if isinstance(value, Iterable) and not isinstance(value, str | dict) else None
    first = None if given is None else next(given, None)
    if given is None or not isinstance(first, Problem | dict):
        what = "holds nothing" if given is not None and first is None else f"is a {type(value).__name__}"
        raise BadArgument("task", spec, f"it {what}; give {_FORMS}")
    if isinstance(first, Problem):
        _check_no_columns(columns, f"{spec} has Problems, which have")
        for problem in (first, *given):
            if not isinstance(problem, Problem):
                raise BadArgument("task", spec, f"a {type(problem).__name__} stands among its problems")
            yield problem
        return
    for problem, _ in problems_of(_rows(spec, [first, *given]), name, ("prompt",), columns):
        yield problem


def _check_no_columns(columns: Mapping[str, str], what: str) -> None:
    if columns:
        raise BadArgument("columns", next(iter(columns)), f"{what} no rows; leave this out")


def _rows(spec: str, rows: Iterable[object]) -> Iterator[tuple[str, Row]]:
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise BadArgument("task", spec, f"its row {number} is a {type(row).__name__}; give an object, as {_FORMS}")
        yield f"{spec}[{number}]", row


def _check(spec: str, task: Task) -> None:
    """Raise BadArgument for a problem that cannot be graded, and for ids that occur twice."""
    if not task.problems:
        raise BadArgument("task", spec, "no problems in it")
    seen: set[str] = set()
    for problem in task.problems:
        if problem.id in seen:
            raise BadArgument("task", spec, f"two problems have the id {problem.id!r}; ids must be unique")
        seen.add(problem.id)
        if isinstance(task.verifier, AnswerVerifier) and not (problem.answer or "").strip():
            raise BadArgument(
                "task", spec, f"problem {problem.id!r} has no answer to grade by; give one, or a Task with a verifier"
            )
