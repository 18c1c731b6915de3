"""Every law of `check_scorer` catches a scorer made to break it, and its message says which law and where."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from verifiers import BrokenLawError, Problem, Scores, Solution, Step, Stop, check_scorer, from_function, outcome_scores

Rows = Sequence[Solution]

CASES = [
    (Problem("p0", "?", "4"), Solution((Step("2+2\n"), Step("=4")), Stop.EOS)),
    (Problem("p1", "?", "4"), Solution((Step("=5"),), Stop.EOS)),
    (Problem("p2", "?", "4"), Solution((Step("a\n"), Step("b\n"), Step("=4")), Stop.EOS)),
    (Problem("p3", "?", "4"), Solution((Step("2+2\n"),))),
    (Problem("p4", "?", "4"), Solution()),
]


class From:
    """A scorer from a function of the rows; it stands for a user's own, with its mistake."""

    def __init__(self, score: Callable[[Rows], Scores]) -> None:
        self.function = score

    def score(self, problems: Sequence[Problem], solutions: Rows) -> Scores:
        return self.function(solutions)


def process(value: Callable[[Solution, int], float]) -> Callable[[Rows], Scores]:
    """Scores for every step, from a function of the solution and the step's index."""
    return lambda rows: Scores(tuple(np.array([value(s, i) for i in range(len(s.steps))]) for s in rows))


def outcome(value: Callable[[Rows, int], float]) -> Callable[[Rows], Scores]:
    return lambda rows: outcome_scores(rows, [value(rows, i) for i in range(len(rows))])


def too_short(rows: Rows) -> Scores:
    return Scores(tuple(np.zeros(max(len(s.steps) - 1, 0)) for s in rows))


def row_dropped(rows: Rows) -> Scores:
    return Scores(tuple(np.zeros(len(s.steps)) for s in rows[:-1]))


def speaks_when_open(rows: Rows) -> Scores:
    return Scores(tuple(np.array([np.nan] * (len(s.steps) - 1) + [1.0] * (len(s.steps) > 0)) for s in rows))


def speaks_when_cut(rows: Rows) -> Scores:
    judged = (Stop.EOS, Stop.LENGTH)
    return Scores(
        tuple(
            np.array([np.nan] * (len(s.steps) - 1) + [float(s.stop in judged) or np.nan] * (len(s.steps) > 0))
            for s in rows
        )
    )


def length_of_first(rows: Rows, i: int) -> float:
    return float(len(rows[0].text))


def place_in_batch(rows: Rows, i: int) -> float:
    return i / 10 if len(rows) > 1 else len(rows[0].steps) and _place[rows[0].text] / 10


_place = {solution.text: i for i, (_, solution) in enumerate(CASES)}
counter = itertools.count()


@pytest.mark.parametrize(
    ("scorer", "law", "problem"),
    [
        (too_short, "one score a step", "'p0': From gave 1 scores for a solution of 2 steps"),
        (row_dropped, "one score a step", "From answered 4 rows where 5 were asked for"),
        (outcome(length_of_first), "a batch equals its singles", "'p1'"),
        (outcome(lambda rows, i: float(len(rows))), "a batch equals its singles", "'p0' got [nan, 5.0] and then"),
        (outcome(place_in_batch), "permuting the rows permutes the scores", "problem 'p"),
        (outcome(lambda rows, i: float(next(counter))), "the same call twice gives the same scores", "'p0'"),
        (speaks_when_open, "an outcome scorer is silent on unfinished solutions", "'p0' got [nan, 1.0]"),
        (speaks_when_cut, "an outcome scorer is silent on unfinished solutions", "stop 'length'"),
    ],
    ids=["wrong length", "row missing", "first row", "batch size", "order", "random", "open", "length"],
)
def test_a_broken_scorer_is_caught(scorer: Callable[[Rows], Scores], law: str, problem: str) -> None:
    with pytest.raises(BrokenLawError) as caught:
        check_scorer(From(scorer), CASES)
    assert str(caught.value).startswith(law + ": ")
    assert problem in str(caught.value)


def test_a_scorer_that_looks_ahead_is_caught_only_where_causality_is_claimed() -> None:
    looks_ahead = From(process(lambda solution, i: float(len(solution.steps))))
    check_scorer(looks_ahead, CASES)
    with pytest.raises(
        BrokenLawError, match=r"does not depend on later steps: problem 'p0' got \[1\.0\] for its first 1"
    ):
        check_scorer(looks_ahead, CASES, causal=True)
    check_scorer(From(process(lambda solution, i: float(i))), CASES, causal=True)


def test_a_right_solution_scores_exactly_one() -> None:
    strict = from_function(lambda problem, solution: float(solution.text.endswith(f"={problem.answer}")))
    check_scorer(strict, CASES, gold=[CASES[0], CASES[2]])
    with pytest.raises(BrokenLawError, match=r"a right solution scores 1\.0: problem 'p1' got 0\.0 for '=5'"):
        check_scorer(strict, CASES, gold=[CASES[0], CASES[1]])
    almost = from_function(lambda problem, solution: 0.999)
    with pytest.raises(BrokenLawError, match=r"problem 'p0' got 0\.99"):
        check_scorer(almost, CASES, gold=[CASES[0]])


def test_float_noise_between_batch_sizes_is_allowed_up_to_atol() -> None:
    noisy = From(outcome(lambda rows, i: 0.5 + 1e-4 * len(rows)))
    with pytest.raises(BrokenLawError, match="a batch equals its singles"):
        check_scorer(noisy, CASES)
    check_scorer(noisy, CASES, atol=1e-3)


def test_one_case_tests_nothing() -> None:
    with pytest.raises(ValueError, match="got 1 cases: give at least two"):
        check_scorer(from_function(lambda problem, solution: 1.0), CASES[:1])
