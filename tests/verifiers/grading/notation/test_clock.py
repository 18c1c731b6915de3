"""Times of day and days of the year."""

import pytest

from verifiers.grading.notation.clock import clock, date, hour, is_no_ratio


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("8:34 p.m.", "20:34"),
        ("12 am", "0:00"),
        ("noon", "12:00"),
        ("3 o'clock", "3:00"),
        ("half past 3", "3:30"),
        ("quarter to four", "3:45"),
        ("13 pm", None),
        ("3:75", None),
        ("half past x", None),
        ("3", None),
    ],
)
def test_a_time(text: str, time: str | None) -> None:
    assert clock(text) == time


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("5 January", "January 5"),
        ("Jan. 5th", "January 5"),
        ("the 5th of January, 2024", "January 5, 2024"),
        ("on Monday, May 05", "May 5"),
        ("January 32", None),
        ("5 marbles", None),
        ("may", None),
    ],
)
def test_a_day(text: str, day: str | None) -> None:
    assert date(text) == day


def test_what_says_that_it_is_a_time() -> None:
    assert [is_no_ratio(text) for text in ("3 pm", "3 o'clock", "half past 3", "3:20")] == [True, True, True, False]
    assert [hour(text) for text in ("7 pm", "7 o'clock", "7:30 pm", "7")] == ["7", "7", None, None]
