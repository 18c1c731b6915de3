"""The rule-based verifier: is the final answer of a solution the gold one?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from verifiers.grading.answers import MATH, Answers, compared, extracted
from verifiers.interface.arguments import check_answers_argument, check_asked
from verifiers.interface.scoring import Scores, Spend, outcome_scores
from verifiers.interface.solution import Problem, Solution


@dataclass(frozen=True, slots=True)
class AnswerVerifier:
    r"""1.0 where a finished solution's answer equals the problem's, 0.0 where it does not or there is none.

    >>> from verifiers import Problem, Solution, Step, Stop
    >>> half = Problem("p1", "What is one divided by two?", r"\frac{1}{2}")
    >>> right = Solution((Step("I divide.\n"), Step("The answer is 0.5.")), Stop.EOS)
    >>> scores = AnswerVerifier().score([half, half], [right, Solution((Step("The answer is"),))])
    >>> [row.tolist() for row in scores.steps]
    [[nan, 1.0], [nan]]

    `answers` says how the task writes its answers: `verifiers.MATH`, `verifiers.GSM8K`,
    `verifiers.EXACT` or your own `verifiers.Answers`. An answer whose equality is unknown (it could not
    be compared in time, see docs/grading.md) is NaN with a reason, never 0. Each distinct (answer,
    gold) pair of a batch is graded once.

    Raises ValueError for a problem without a gold answer.
    """

    answers: Answers = MATH
    ends_only: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_answers_argument(self.answers)

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        problems, solutions = check_asked({"problems": problems, "solutions": solutions})
        golds = [_gold(problem) for problem in problems]
        pairs: list[tuple[str, str] | None] = []
        for solution, gold in zip(solutions, golds, strict=True):
            answer = extracted(self.answers, solution.text) if solution.finished else None
            pairs.append(None if answer is None else (answer, gold))
        distinct = list(dict.fromkeys(pair for pair in pairs if pair is not None))
        equal = dict(zip(distinct, compared(self.answers, distinct), strict=True)) if distinct else {}

        values: list[float] = []
        reasons: list[str | None] = []
        for problem, pair in zip(problems, pairs, strict=True):
            verdict = False if pair is None else equal[pair]
            values.append(float("nan") if verdict is None else float(verdict))
            reasons.append(_reason(problem, pair) if pair is not None and verdict is None else None)
        return outcome_scores(solutions, values, [Spend(scorer_calls=1)] * len(values), reasons)


def _gold(problem: Problem) -> str:
    if problem.answer is None or not problem.answer.strip():
        raise ValueError(
            f"problem {problem.id!r} has no gold answer, so that its solutions cannot be graded: set Problem.answer"
        )
    return problem.answer


def _reason(problem: Problem, pair: tuple[str, str]) -> str:
    answer, gold = (text if len(text) <= 80 else f"{text[:77]}..." for text in pair)
    return (
        f"unknown whether the answer {answer!r} to problem {problem.id!r} equals the gold {gold!r}: "
        "they could not be compared (too slow, too long, or the gold cannot be read)"
    )
