"""Units, currencies and count words."""

import pytest

from verifiers.grading.notation.units import is_unit, without_counter, without_currency, without_unit


@pytest.mark.parametrize("words", ["square inches", "more per week", "times", "km", "more than Tom", "each", "г"])
def test_words_that_only_say_what_was_counted(words: str) -> None:
    assert is_unit(words)


@pytest.mark.parametrize(
    "words", ["or", "pi", "a", "times a", "squared", "is wrong", "million", "more than a number", "ab"]
)
def test_words_that_change_the_number(words: str) -> None:
    assert not is_unit(words)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("9.8 m/s^2", "9.8"),
        ("3.0 eV", "3.0"),
        (r"10 J/(kg K)", "10"),
        (r"2\sqrt{5}cm", r"2\sqrt{5}"),
        (r"6\pi cm^2", r"6\pi"),
        ("12/hour", "12"),
        (r"5\text{ kg}", "5"),
        ("3 m", "3 m"),
        ("3x", "3x"),
        ("1/xy", "1/xy"),
    ],
)
def test_what_is_left_without_a_unit(text: str, left: str) -> None:
    assert without_unit(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("-€20", "-20"),
        ("500 Rs", "500"),
        ("12,50 €", "12.50"),
        ("R 1.500,00", "1500.00"),
        ("1.500 reais", "1500.0"),
        ("€1.200", "1200.0"),
        ("1.500", "1.500"),
        ("£1.500", "1.500"),
        ("1.50 euros", "1.50 euros"),
        ("1.234.567", "1234567"),
    ],
)
def test_money(text: str, left: str) -> None:
    assert without_currency(text) == left


def test_count_words_of_the_east() -> None:
    assert [without_counter(text) for text in ("5个", "3万元", "5分之1")] == [("5", 1), ("3", 10_000), ("5分之1", 1)]
