"""Units, currencies and count words."""

import pytest

from verifiers.grading.notation.units import is_unit, without_counter


@pytest.mark.parametrize("words", ["square inches", "more per week", "times", "km", "more than Tom", "each", "г"])
def test_words_that_only_say_what_was_counted(words: str) -> None:
    assert is_unit(words)


@pytest.mark.parametrize(
    "words", ["or", "pi", "a", "times a", "squared", "is wrong", "million", "more than a number", "ab"]
)
def test_words_that_change_the_number(words: str) -> None:
    assert not is_unit(words)


def test_count_words_of_the_east() -> None:
    assert [without_counter(text) for text in ("5个", "3万元", "5分之1")] == [("5", 1), ("3", 10_000), ("5分之1", 1)]
