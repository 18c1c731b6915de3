"""Two expressions that certainly differ."""

import pytest

from verifiers.grading.notation.arithmetic import differ


@pytest.mark.parametrize(
    ("left", "right", "apart"),
    [
        ("2x+1", "2x", True),
        (r"\frac{x}{2}", "2x", True),
        ("x^{-1}", "x", True),
        ("(x+1)(x-1)", "x^2-1", False),
        (r"\frac{2x}{4}", "x/2", False),
        ("1/2x", "x/2", False),  # two readings
        ("f(x)", "x", False),
        ("x2", "2x", False),
        ("e", "i", False),
        ("1/0", "1", False),
    ],
)
def test_a_proof_that_they_differ(left: str, right: str, apart: bool) -> None:
    assert differ(left, right) is differ(right, left) is apart
