"""Numbers in words."""

import pytest

from verifiers.grading.notation.number_words import digits_for_words


@pytest.mark.parametrize(
    "text", ["third", "one of them", "half of 10", "two plus two", "seventh", "twenty twenty", "one x^2", "ten or so"]
)
def test_words_that_are_none_or_more(text: str) -> None:
    assert digits_for_words(text) == text
