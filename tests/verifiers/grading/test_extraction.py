"""Where the final answer stands: golden cases, and adversarial texts in bounded time."""

import time

import pytest

from verifiers.grading.answers import EXACT, GSM8K, MATH
from verifiers.grading.extraction import (
    last_line,
)
from verifiers.grading.last_value import first_number, last_number


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("he pays $1,200.50.", "$1,200.50", "$1,200.50"),
        ("from 3 to -4", "3", "-4"),
        ("10-2", "10", "2"),  # a subtraction, not a sign
        ("a = -3.", "-3", "-3"),
        ("-$60", "-$60", "-$60"),
        ("3/4 of it", "3/4", "3/4"),
        (r"it is \frac{1}{2}", r"\frac{1}{2}", r"\frac{1}{2}"),
        ("12%", "12%", "12%"),
        ("3 400 people", "3 400", "3 400"),
        ("1,2,3", "1", "3"),
        ("v2 of a1b2", None, None),
        ("none", None, None),
    ],
)
def test_first_and_last_number(text: str, first: str | None, last: str | None) -> None:
    assert (first_number(text), last_number(text)) == (first, last)


def test_last_line() -> None:
    assert last_line("thinking\n yes \n\n") == "yes"
    assert last_line(" \n") is None


@pytest.mark.parametrize(
    ("text", "maths", "gsm8k"),
    [
        (r"#### 1, the answer is 2, \boxed{3} 4", "3", "1"),
        ("#### 1\nThe answer is 2.", "1", "1"),
        ("The answer is 2 (of 4).", "2 (of 4)", "2"),
        ("The answer is 225 or $225.", "225 or $225", "225"),
        ("The answer is 5 + 3 = 8.", "5 + 3 = 8", "8"),
        ("The answer is 26 cups and 8 teaspoons.", "26 cups and 8 teaspoons", "26"),
        ("so it is 12.", "12", "12"),
        (r"the set \boxed{\{1,2\}}", r"\{1,2\}", r"\{1,2\}"),  # a part of it is not the answer
        ("I do not know.", None, None),
        ("", None, None),
    ],
)
def test_each_task_looks_in_its_own_order(text: str, maths: str | None, gsm8k: str | None) -> None:
    assert MATH.extract(text) == maths
    assert GSM8K.extract(text) == gsm8k


@pytest.mark.alone
@pytest.mark.parametrize(
    "text",
    [
        "9" * 100_000,
        "\\boxed{" * 20_000,
        "{" * 100_000,
        "answer is " * 10_000,
        "answer is" + " " * 100_000,
        "#### " * 20_000,
        "1," * 50_000,
        "1 000" * 20_000,
        "\\frac{1}" * 20_000,
        "-$" * 50_000,
        "<think>" * 20_000,
        "</s>" * 20_000,
        "</s>" * 20_000 + "5",
        "the answer is 5\nQ: " * 5_000,
        "```" * 20_000,
        "```x\n" * 20_000,
        "<answer>" * 20_000,
        '{"answer": "' * 10_000,
        "$x$ and " * 20_000,
        "\\boxed{1} and " * 10_000,
        "\\boxed " * 20_000,
        "[1] " * 20_000,
        "\\begin{align}" * 10_000,
        "\\[" * 30_000,
        "*" * 100_000,
        "\n" * 100_000,
        "final answer\n" * 10_000,
        "option (" * 20_000,
        "<b " * 30_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_no_text_takes_long(text: str) -> None:
    start = time.perf_counter()
    for answers in (MATH, GSM8K, EXACT):
        answers.extract(text)
    assert time.perf_counter() - start < 2.0
