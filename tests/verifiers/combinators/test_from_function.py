"""What is said of functions, and of what they give, where these are no scorers."""

from typing import Any

import numpy as np
import pytest
import torch

import policies
from verifiers import MATH, Answers, AnswerVerifier, Problem, Solution, Stop, from_function, from_steps, split_steps
from verifiers.interface.errors import BadArgument, ScoresShapeError

P, S = Problem("p1", "2+2?"), Solution(split_steps("a\nb"), Stop.EOS)


def test_functions_take_what_they_are_given() -> None:
    for make, function, why in (
        (from_function, lambda solution: 1.0, "function .*: too many positional arguments; it is given a problem and"),
        (from_steps, lambda solution: [1.0], "it is given a problem and a solution"),
        (policies.Scripted, lambda problem: "4", "reply .*; it is given a problem, a prefix and a seed"),
        (lambda equal: Answers(str.strip, equal), lambda a, b: a == b, "equal .*'b'; it is given a list of pairs"),
        (lambda extract: Answers(extract, MATH.equal), lambda text, more: text, "extract .*; it is given a text"),
        (AnswerVerifier, "math", "answers 'math': give verifiers.MATH, GSM8K"),
    ):
        with pytest.raises(BadArgument, match=why):
            make(function)  # type: ignore[operator]
    assert from_function(max).score([P], [Solution()]).values().tolist() != []  # a function in C tells nothing


@pytest.mark.parametrize(
    ("make", "said", "why"),
    [
        (from_function, "0.5", "problem 'p1': .* gave '0.5'; scores are numbers"),
        (from_function, None, "problem 'p1': .* gave None; return a number"),
        (from_function, [1.0, 2.0], "return a number, or NaN"),
        (from_function, torch.ones(2, 2), r"gave tensor\(\[\[1., 1.\], \[1., 1.\]\]\); return a number"),
        (from_function, bytearray(b"1"), "scores are numbers"),
        (from_steps, {0.5}, "scores are numbers"),
        (from_steps, torch.ones(2, 1), "return a list of numbers, one for each step"),
        (from_steps, 0.5, "gave 0.5; return a list of numbers, one for each step"),
        (from_steps, ["a", "b"], "scores are numbers"),
        (from_steps, [0.5], "gave 1 scores for a solution of 2 steps"),
    ],
)
def test_what_is_no_score_is_told_with_problem_and_function(make: Any, said: object, why: str) -> None:
    with pytest.raises(ScoresShapeError, match=why) as caught:
        make(lambda problem, solution: said).score([P], [S])
    assert len(str(caught.value).splitlines()) == 1
    if why.startswith("problem"):
        with pytest.raises(ScoresShapeError, match="<lambda>"):
            make(lambda problem, solution: said).score([P], [S])


def test_a_reply_that_is_no_text() -> None:
    with pytest.raises(TypeError, match="problem 'p1': the reply is 3; return a text or a Solution"):
        policies.Scripted(lambda problem, prefix, seed: 3).extend(  # type: ignore[arg-type,return-value]
            [P], [Solution()], until="end", sampling=policies.Sampling(), seeds=[0]
        )


def test_none_among_steps_is_no_opinion() -> None:
    scores = from_steps(lambda problem, solution: [None, 1.0]).score([P], [S])  # type: ignore[arg-type,list-item,return-value]
    np.testing.assert_array_equal(scores.steps[0], np.array([np.nan, 1.0], np.float32))


@pytest.mark.parametrize(
    "said",
    [
        0.5,
        np.float32(0.5),
        [0.5],
        np.array([[0.5]]),
        torch.tensor(0.5),
        torch.tensor([0.5], dtype=torch.bfloat16),
        torch.tensor(0.5, dtype=torch.bfloat16, requires_grad=True),
    ],
)
def test_a_functions_number_may_be_of_any_kind(said: Any) -> None:
    assert from_function(lambda problem, solution: said).score([P], [S]).values().tolist() == [0.5]


@pytest.mark.parametrize(
    "make",
    [
        iter,
        np.array,
        torch.tensor,
        lambda numbers: map(float, numbers),
        lambda numbers: dict(enumerate(numbers)).values(),
        lambda numbers: torch.tensor(numbers, dtype=torch.bfloat16, requires_grad=True),
        lambda numbers: (torch.tensor(number, requires_grad=True) for number in numbers),
    ],
)
def test_numbers_of_steps_may_stand_in_anything(make: Any) -> None:
    scorer = from_steps(lambda problem, solution: make([0.25, 0.5]))
    assert scorer.score([P], [S]).steps[0].tolist() == [0.25, 0.5]
