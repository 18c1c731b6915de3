"""Numbers in words."""

import pytest

from verifiers.grading.notation.number_words import digits_for_words


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("a hundred and one", "101"),
        ("twenty-one apples", "21 apples"),
        ("two thousand three hundred", "2300"),
        ("three-fourths", "3/4"),
        ("three and a half", "7/2"),
        ("minus one half", "-1/2"),
        ("two point five", "5/2"),
        ("a dozen", "12"),
    ],
)
def test_words_that_are_a_number(text: str, digits: str) -> None:
    assert digits_for_words(text) == digits


@pytest.mark.parametrize(
    "text", ["third", "one of them", "half of 10", "two plus two", "seventh", "twenty twenty", "one x^2", "ten or so"]
)
def test_words_that_are_none_or_more(text: str) -> None:
    assert digits_for_words(text) == text
