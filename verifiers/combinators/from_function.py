"""Scorers made from other things."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from verifiers.interface.scoring import Scorer, Scores, Spend, outcome_scores
from verifiers.interface.solution import Problem, Solution


@dataclass(frozen=True, slots=True)
class _FromFunction:
    function: Callable[[Problem, Solution], float]

    @property
    def name(self) -> str:
        """What a run writes down; two functions of one name share it."""
        return f"from_function({getattr(self.function, '__qualname__', type(self.function).__name__)})"

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        values = [
            self.function(problem, solution) if solution.finished else float("nan")
            for problem, solution in zip(problems, solutions, strict=True)
        ]
        return outcome_scores(solutions, values, [Spend(scorer_calls=1)] * len(values))


def from_function(function: Callable[[Problem, Solution], float]) -> Scorer:
    """An outcome verifier from a function of one finished solution; it is not called on others.

    >>> from verifiers import Problem, Solution, Step, Stop
    >>> short = from_function(lambda problem, solution: -len(solution.text))
    >>> short.score([Problem("p1", "?")], [Solution((Step("four"),), Stop.EOS)]).values().tolist()
    [-4.0]
    """
    return _FromFunction(function)
