"""Numbers that are given: in what they may stand, and which are no counts."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import policies
import prms
import verifiers
from tests.verifiers.interface.test_arguments import DONE
from verifiers import outcome_scores


@pytest.mark.parametrize(
    "values",
    [
        torch.tensor([0.5, 1.0], dtype=torch.bfloat16),
        torch.tensor([0.5, 1.0], requires_grad=True),
        [torch.tensor(0.5, dtype=torch.bfloat16), torch.tensor(1.0, requires_grad=True)],
        (value for value in (0.5, 1.0)),
        map(float, ("0.5", "1")),
        {"a": 0.5, "b": 1}.values(),
        np.array([[0.5], [1.0]]),
        torch.tensor([[0.5], [1.0]], dtype=torch.bfloat16),
        (torch.tensor([value], requires_grad=True) for value in (0.5, 1.0)),
    ],
)
def test_values_are_whatever_holds_numbers(values: Any) -> None:
    assert outcome_scores([DONE, DONE], values).values().tolist() == [0.5, 1.0]


@pytest.mark.parametrize("kind", [{}, {"dtype": torch.bfloat16}, {"requires_grad": True}])
def test_scores_to_calibrate_are_tensors_of_any_shape(kind: Any) -> None:
    for curve in (verifiers.Isotonic((0.0, 1.0), (0.0, 1.0)), verifiers.Platt(0.0, 0.0)):
        for scores in (0.5, [[0.5, 0.5], [0.5, 0.5]]):
            assert curve(torch.tensor(scores, **kind)).tolist() == scores


def test_knots_are_kept_as_numbers() -> None:
    curve = verifiers.Isotonic((0.0, 1.0), (0.2, 0.6))
    for scores in ((knot for knot in (0, 1)), np.arange(2), [0, 1]):
        given: Any = scores
        assert hash(verifiers.Isotonic(given, np.array([0.2, 0.6]))) == hash(curve)  # type: ignore[arg-type]
    assert verifiers.Isotonic(iter((0.0, 1.0)), iter((0.2, 0.6)))(0.5) == 0.4  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: prms.best_of_k_value([0.5], [4], 1), "are counts: give whole numbers"),
        (lambda: prms.best_of_k_value([1], [math.inf], 1), "are counts: give whole numbers"),
        (lambda: policies.gated_advantages([0.0], None, [[1]], roots=[]), r"roots of shape \(0,\) for 1 solutions"),
        (lambda: policies.gated_advantages([0.0], None, [[1]], roots=0.5), r"roots of shape \(\) for 1 solutions"),
        (lambda: policies.gated_advantages([0.0], None, [[1]], roots=[[1.0]]), r"roots of shape \(1, 1\) for 1"),
        (lambda: policies.gated_advantages([0.0], None, [[1]], roots=[math.inf]), "roots are .* finite, or NaN"),
    ],
)
def test_numbers_that_are_no_counts(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
