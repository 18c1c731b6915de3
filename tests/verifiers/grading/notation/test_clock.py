"""Times of day and days of the year."""

from verifiers.grading.notation.clock import hour, is_no_ratio


def test_what_says_that_it_is_a_time() -> None:
    assert [is_no_ratio(text) for text in ("3 pm", "3 o'clock", "half past 3", "3:20")] == [True, True, True, False]
    assert [hour(text) for text in ("7 pm", "7 o'clock", "7:30 pm", "7")] == ["7", "7", None, None]
