"""Sets in words and in inequalities."""

import pytest

from verifiers.grading.notation.intervals import as_intervals, named_set


@pytest.mark.parametrize(
    ("text", "union"),
    [
        (r"x<2 or x\ge 3", r"(-\infty,2)\cup[3,\infty)"),
        ("x>2 and x<3", "(2,3)"),
        (r"\{x | 1<x\le 5\}", "(1,5]"),
        ("]2,3[", "(2,3)"),
        ("x<2 or y>3", "x<2 or y>3"),
        ("(1,2) or (3,4)", "(1,2) or (3,4)"),
        ("x=2 or x=3", "x=2 or x=3"),
    ],
)
def test_a_union(text: str, union: str) -> None:
    assert as_intervals(text) == union


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("All real numbers", r"(-\infty,\infty)"),
        ("no solution", r"\emptyset"),
        ("DNE", "does not exist"),
        ("all integers", r"\mathbb{Z}"),
        ("all real numbers except 0", "all real numbers except 0"),
        ("all", "all"),
    ],
)
def test_a_name(text: str, name: str) -> None:
    assert named_set(text) == name
