"""Scorers made from functions: of a finished solution, or of the steps of any."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from verifiers.interface.arguments import as_floats, check_asked, check_takes, shown
from verifiers.interface.errors import ScoresShapeError, note_problem
from verifiers.interface.scoring import FloatArray, Scorer, Scores, Spend, check_rows, silent_row
from verifiers.interface.solution import Problem, Solution


@dataclass(frozen=True, slots=True)
class _FromRows:
    """`row_of` gives one number a step by `function`; two of one name share their `name`, which a run writes down."""

    name: str
    function: Callable[[Problem, Solution], Any]
    row_of: Callable[[Callable[[Problem, Solution], Any], Problem, Solution], FloatArray]

    @property
    def ends_only(self) -> bool:
        """Whether it judges finished solutions alone."""
        return self.row_of is _outcome_row

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        problems, solutions = check_asked({"problems": problems, "solutions": solutions})
        rows = tuple(self._row(*pair) for pair in zip(problems, solutions, strict=True))
        return check_rows(self, problems, solutions, Scores(rows, (Spend(scorer_calls=1),) * len(rows)))

    def _row(self, problem: Problem, solution: Solution) -> FloatArray:
        try:
            return self.row_of(self.function, problem, solution)
        except Exception as error:
            note_problem(error, f"{self.name} was asked about a solution of", problem.id)
            raise


def from_function(function: Callable[[Problem, Solution], float]) -> Scorer:
    """An outcome verifier from a function of one finished solution; it is not called on others.

    >>> from verifiers import Problem, Solution, Step, Stop
    >>> short = from_function(lambda problem, solution: -len(solution.text))
    >>> short.score([Problem("p1", "?")], [Solution((Step("four"),), Stop.EOS)]).values().tolist()
    [-4.0]

    Raises BadArgument for a function that does not take both; scoring raises ScoresShapeError for what is no number.
    """
    check_takes("function", function, 2, "it is given a problem and a finished solution, and returns a number")
    return _FromRows(f"from_function({_name_of(function)})", function, _outcome_row)


def from_steps(function: Callable[[Problem, Solution], Sequence[float]]) -> Scorer:
    r"""A process scorer from a function that gives one number for each step of a solution, finished or not.

    >>> from verifiers import Problem, Solution, split_steps
    >>> sums = from_steps(lambda problem, solution: [float("+" in step.text) for step in solution.steps])
    >>> sums.score([Problem("p1", "?")], [Solution(split_steps("2+2\n4\n"))]).steps[0].tolist()
    [1.0, 0.0]

    NaN is no opinion on a step. Where numbers depend on earlier steps only, beam search compares prefixes as they
    would be compared in longer solutions. The last step's number is the solution's; for another reducer write a class
    whose `score` returns `Scores(rows, reduce="min")`, or take `stepbeam rerank --reduce`.

    Raises BadArgument for a function that does not take both; scoring raises ScoresShapeError for another count of
    numbers than of steps.
    """
    check_takes("function", function, 2, "it is given a problem and a solution, and returns one number for each step")
    return _FromRows(f"from_steps({_name_of(function)})", function, _step_row)


def _outcome_row(function: Callable[[Problem, Solution], float], problem: Problem, solution: Solution) -> FloatArray:
    row = silent_row(len(solution.steps))
    if solution.finished:
        row[-1:] = _said(
            function, problem, solution, lambda said: said.size == 1, "return a number, or NaN for no opinion"
        )
    return row


def _step_row(function: Callable[[Problem, Solution], Any], problem: Problem, solution: Solution) -> FloatArray:
    write = "return a list of numbers, one for each step"
    return _said(function, problem, solution, lambda said: said.ndim == 1, write)


def _said(
    function: Callable[[Problem, Solution], Any],
    problem: Problem,
    solution: Solution,
    fits: Callable[[npt.NDArray[Any]], bool],
    write: str,
) -> FloatArray:
    said = function(problem, solution)
    numbers = as_floats(said)
    if numbers is None or not fits(numbers):
        told = write if numbers is not None or said is None else "scores are numbers"
        raise ScoresShapeError(f"problem {problem.id!r}: {_name_of(function)} gave {shown(said)}; {told}")
    return numbers.astype(np.float32, copy=False)


def _name_of(function: object) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))
