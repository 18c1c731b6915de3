"""Words that lead up to an answer or comment on it."""

import pytest

from verifiers.grading.notation.prose import bare


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("approximately 8", "8"),
        ("Tom has twelve apples", "12 apples"),
        ("The largest n is 34", "34"),
        ("9 (rounded up from 8.4)", "9"),
        ("9 when x=3", "9"),
        ("9, attained at x=3", "9"),
        ("12 is the answer", "12"),
        (r"2\sqrt{5}cm", r"2\sqrt{5}"),
        ("Yes, because 3 > 2", "Yes"),
    ],
)
def test_what_is_left(text: str, left: str) -> None:
    assert bare(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "7 is wrong",
        "it is not 7",
        "9 when x=3 or 4",
        "9 when x=3, 4 when x=5",
        "2 if x=0",
        "at least 5",
        "twice 7",
        "between 7 and 8",
        "5 (mod 7)",
    ],
)
def test_what_stays(text: str) -> None:
    assert bare(text) == text
