"""The rule-based verifier: when it speaks, what it says, and what it asks of the grader."""

import math
import threading
from collections.abc import Sequence
from functools import partial

import pytest

from verifiers import EXACT, GSM8K, MATH, Answers, AnswerVerifier, Spend, check_scorer
from verifiers.grading.answers import equal_mathematics
from verifiers.grading.equivalence import EquivalencePool
from verifiers.interface.solution import Problem, Solution, Step, Stop, failed, split_steps


def solution(text: str, stop: Stop = Stop.EOS) -> Solution:
    return Solution(split_steps(text), stop)


HALF = Problem("half", "1/2?", r"\frac{1}{2}")
TWELVE = Problem("twelve", "3*4?", "12")


def test_it_speaks_at_the_last_step_of_a_finished_solution_only() -> None:
    cases = [
        (solution("Divide.\nThe answer is 0.5."), [math.nan, 1.0]),
        (solution("Divide.\nThe answer is 2."), [math.nan, 0.0]),
        (solution("no number here"), [0.0]),
        (solution("The answer is 0.5.", Stop.OPEN), [math.nan]),
        (solution("The answer is 0.5.", Stop.LENGTH), [math.nan]),
        (failed("HTTP 500", [Step("The answer is 0.5.")]), [math.nan]),
        (Solution((), Stop.EOS), []),
        (Solution(), []),
    ]
    scores = AnswerVerifier().score([HALF] * len(cases), [s for s, _ in cases])
    for row, (_, expected) in zip(scores.steps, cases, strict=True):
        assert row.tolist() == pytest.approx(expected, nan_ok=True)
    assert scores.reasons == (None,) * len(cases)
    assert scores.spend == (Spend(scorer_calls=1),) * len(cases)


@pytest.mark.parametrize("answers", [MATH, GSM8K, EXACT])
def test_it_keeps_the_laws(answers: Answers) -> None:
    right = {"half": "Think.\n1/2", "twelve": "Multiply.\n12"}
    exact = {"half": "Think.\n\\frac{1}{2}", "twelve": "Multiply.\n12"}
    gold = [(problem, solution((exact if answers is EXACT else right)[problem.id])) for problem in (HALF, TWELVE)]
    others = [
        (HALF, solution("The answer is 3.\n")),
        (TWELVE, solution("a\nb\nThe answer is $12.00.")),
        (TWELVE, solution("no idea")),
        (TWELVE, solution("12", Stop.LENGTH)),
        (HALF, Solution()),
    ]
    check_scorer(AnswerVerifier(answers), gold + others, gold=gold, causal=True)


def test_unknown_is_nan_with_a_reason() -> None:
    tower = solution(r"\boxed{9^{9^{9^{9}}}}")
    long = solution(r"\boxed{" + "9" * 100_000 + "}")
    with EquivalencePool(workers=1, seconds=1.0) as pool:
        hasty = Answers(MATH.extract, partial(equal_mathematics, pool=pool), MATH.canonical)
        scores = AnswerVerifier(hasty).score([HALF] * 3, [tower, long, solution(r"\boxed{0.5}")])
    assert scores.values().tolist() == pytest.approx([math.nan, math.nan, 1.0], nan_ok=True)
    assert "9^{9^{9^{9}}}" in (scores.reasons[0] or "")
    assert "'half'" in (scores.reasons[0] or "")
    assert len(scores.reasons[1] or "") < 400
    assert scores.reasons[2] is None


def test_a_problem_without_gold_is_named() -> None:
    for answer in (None, " "):
        with pytest.raises(ValueError, match="problem 'p7' has no gold answer"):
            AnswerVerifier().score([HALF, Problem("p7", "?", answer)], [solution("1"), Solution()])


def test_each_distinct_pair_is_graded_once_in_one_call() -> None:
    calls: list[list[tuple[str, str]]] = []

    def equal(pairs: Sequence[tuple[str, str]]) -> list[bool | None]:
        calls.append(list(pairs))
        return [a == b for a, b in pairs]

    verifier = AnswerVerifier(Answers(lambda text: text or None, equal))
    ends = [solution("12"), solution("13"), solution("12"), solution("12", Stop.OPEN), Solution((), Stop.EOS)]
    assert verifier.score([TWELVE] * 5, ends).values().tolist()[:3] == [1.0, 0.0, 1.0]
    assert calls == [[("12", "12"), ("13", "12")]]
    verifier.score([TWELVE], [solution("12", Stop.LENGTH)])
    assert len(calls) == 1  # nothing finished, nothing graded


def test_it_grades_in_any_thread() -> None:
    values: list[float] = []
    thread = threading.Thread(
        target=lambda: values.extend(AnswerVerifier().score([HALF], [solution(r"\boxed{\frac{2}{4}+0}")]).values())
    )
    thread.start()
    thread.join(timeout=60)
    assert values == [1.0]
