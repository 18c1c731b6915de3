"""Answers of several parts."""

import pytest

from verifiers.grading.notation.shapes import shape


@pytest.mark.parametrize(
    ("text", "opening", "parts"),
    [
        ("(1, x)", "(", ("1", "x")),
        (r"\{2,1\}", r"\{", ("2", "1")),
        (r"\{(1,2)\}", "(", ("1", "2")),
        ("(x,y)=(1,2)", "(", ("1", "2")),
        ("3, 4 and 5", "", ("3", "4", "5")),
        (r"\{1\},\{2\}", "", (r"\{1\}", r"\{2\}")),
    ],
)
def test_a_shape(text: str, opening: str, parts: tuple[str, ...]) -> None:
    found = shape(text)
    assert found is not None
    assert (found.opening, found.parts) == (opening, parts)


@pytest.mark.parametrize("text", ["5", "(5)", "f(1,2)+3", "(1,2", r"\{5\}", "1,,2"])
def test_what_has_one_part_or_none(text: str) -> None:
    assert shape(text) is None
