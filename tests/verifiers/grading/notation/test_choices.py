"""Letters of choices, alone, with their text, and several."""

import pytest

from verifiers.grading.notation.choices import Choice, choice, letters, same_letter


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"\textbf{(E)}\ 24", Choice("E", "24")),
        ("(b) 40 metres", Choice("b", "40 metres")),
        ("Option C", Choice("C", "")),
        ("C is correct", Choice("C", "")),
        ("A: 3, B: 5", None),
        ("(a+b)", None),
        ("(A)(B)", None),
        ("K", None),
    ],
)
def test_a_choice(text: str, found: Choice | None) -> None:
    assert choice(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A, C and D", "ACD"),
        ("both A and B", "AB"),
        ("(A), (C)", "AC"),
        ("A & C", "AC"),
        ("C, A", "AC"),
        ("CA", "AC"),
        ("ACD", "ACD"),
        ("CDA", None),  # a triangle
        ("AAB", None),
        ("A", None),
        ("X, Y", None),
    ],
)
def test_several_choices(text: str, found: str | None) -> None:
    assert letters(text) == (found and frozenset(found))


def test_a_small_letter_is_a_choice_beside_a_capital_only() -> None:
    assert (same_letter("b", "B"), same_letter("B", "b"), same_letter("x", "X")) == (True, False, False)
