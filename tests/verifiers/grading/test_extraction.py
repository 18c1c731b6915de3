"""Where the final answer stands: golden cases, and adversarial texts in bounded time."""

import random
import time

import pytest

from verifiers.grading.answers import EXACT, GSM8K, MATH
from verifiers.grading.extraction import _ANSWER_IS, _statements, last_line


def test_last_line() -> None:
    assert last_line("thinking\n yes \n\n") == "yes"
    assert last_line(" \n") is None


def test_statements_are_looked_for_where_they_can_be() -> None:
    words = ["answer", "Answer", "the answers", "final ", "Final ", "final results", " is ", " are ", ": ", " - "]
    words += [
        "\n",
        "\n",
        "\n\n",
        "**",
        "#",
        "_",
        " ",
        "5",
        "x",
        "(A)",
        "correct ",
        "option",
        "best one",
        "would be",
        "---",
    ]
    words += [
        "Réponse",
        " est ",
        "odpowiedź ",
        "选",
        "答案",
        "是",
        "ОТВЕТ",
        "đáp số",
        "คำตอบ",
        "İ",
        "anſwer",
        "antwort",
        "jibu ni",
    ]
    rng, found = random.Random(0), 0
    for _ in range(5_000):
        text = "".join(rng.choices(words, k=rng.randint(2, 12)))
        marks = [mark.span() for mark in _ANSWER_IS.finditer(text)]
        assert [mark.span() for mark in _statements(text)] == marks, text
        found += len(marks)
    assert found > 500


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
    start = time.thread_time()  # not what the machine does beside it
    for answers in (MATH, GSM8K, EXACT):
        answers.extract(text)
    assert time.thread_time() - start < 2.0
