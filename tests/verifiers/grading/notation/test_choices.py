"""Letters of choices, alone, with their text, and several."""

from verifiers.grading.notation.choices import same_letter


def test_a_small_letter_is_a_choice_beside_a_capital_only() -> None:
    assert (same_letter("b", "B"), same_letter("B", "b"), same_letter("x", "X")) == (True, False, False)
