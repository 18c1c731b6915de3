"""Where the final answer stands: golden cases, and adversarial texts in bounded time."""

import time

import pytest

from verifiers.grading.answers import EXACT, GSM8K, MATH
from verifiers.grading.extraction import (
    Extractor,
    after_answer_is,
    after_hashes,
    boxed,
    in_json,
    in_tags,
    last_line,
    last_option,
)
from verifiers.grading.last_value import first_number, last_number


@pytest.mark.parametrize(
    ("extractor", "text", "answer"),
    [
        (boxed, r"so \boxed{5}", "5"),
        (boxed, r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}"),
        (boxed, r"\boxed{\left\{ x : x > 0 \right\}}", r"\left\{ x : x > 0 \right\}"),
        (boxed, r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (boxed, r"\boxed{1} and then \boxed{2}", "2"),
        (boxed, r"\boxed{1}, as asked: in \boxed{}", "1"),
        (boxed, r"\boxed{\boxed{3}}", "3"),
        (boxed, r"\fbox{7}", "7"),
        (boxed, r"\boxed {8}", "8"),
        (boxed, r"\boxed{9} or \boxed{10", "9"),  # cut off
        (boxed, r"} \boxed{4}", "4"),
        (boxed, "no box", None),
        (boxed, r"the roots \boxed{2} and \boxed{5}", "2, 5"),
        (boxed, r"$\boxed{x=2}$ or $\boxed{x=-3}$", "x=2, x=-3"),
        (boxed, r"\boxed{2}, \boxed{5}, \boxed{7}", "2, 5, 7"),
        (boxed, r"\boxed{5}, or rather \boxed{6}", "6"),
        (boxed, r"\boxed{5}. I box it again: \boxed{5}", "5"),
        (boxed, r"\boxed 5", "5"),
        (boxed, r"\boxed5.", "5"),
        (boxed, r"so \boxed{12 and no more", "12 and no more"),
        (boxed, r"so \boxed{\frac{1}{2}", r"\frac{1}{2}"),
        (boxed, r"{\"answer\": \"\\boxed{\\frac{1}{2}}\"}", r"\frac{1}{2}"),
        (in_tags, "<answer> 1 </answer> or <answer>2</answer>", "2"),
        (in_tags, "<answer>The answer is 7.</answer>", "7"),
        (in_tags, "<Answer>3", "3"),
        (in_tags, "<answer></answer>", None),
        (in_tags, "no tags", None),
        (in_json, '{"steps": 3, "final_answer": "3/8"}', "3/8"),
        (in_json, '{"answer": 42, "sure": 7}', "42"),
        (in_json, r'{"answer": "\\frac{1}{2}"}', r"\frac{1}{2}"),
        (in_json, '{"answer": ""}', None),
        (last_option, "Option A is small, so I choose option (B).", "B"),
        (last_option, "an option Apple gives", None),
        (after_hashes, "6*3=18\n#### 18", "18"),
        (after_hashes, "####18\n", "18"),
        (after_hashes, "#### $1,200\nQuestion: ...", "$1,200"),
        (after_hashes, "#### Step 2: multiply\n5", None),
        (after_hashes, "#### Final Answer\n5", None),
        (after_hashes, "##### 5", None),
        (after_hashes, "#### 1\n#### 2", "2"),
        (after_answer_is, "The answer is $600.", "$600"),
        (after_answer_is, "The answer is 1.5.", "1.5"),
        (after_answer_is, "The answer is: 12", "12"),
        (after_answer_is, "the answer is 5. No, the answer is 6.", "6"),
        (after_answer_is, "**Answer:** 72", "72"),
        (after_answer_is, "The answer is **72**.", "72"),
        (after_answer_is, r"The final answer is $\frac{1}{2}$. I hope it is correct.", r"$\frac{1}{2}$"),
        (after_answer_is, "The answer is 12, because 3*4=12.", "12"),
        (after_answer_is, "The answer is $5 and $6.", "$5 and $6"),
        (after_answer_is, "The answer is C. Because ...", "C"),
        (after_answer_is, "The answer is:\n\n18", "18"),
        (after_answer_is, "The answer is", None),
        (after_answer_is, "my answers are 5", None),
        (after_answer_is, "The answers are 2 and 5.", "2 and 5"),
        (after_answer_is, "Final answer - 5", "5"),
        (after_answer_is, "Answer: -5", "-5"),
        (after_answer_is, "The correct option is C.", "C"),
        (after_answer_is, "The answer is, as shown, 47.", "47"),
        (after_answer_is, "The answer is therefore 47.", "47"),
        (after_answer_is, "## Final Answer\n\n$$x = 2$$", "$$x = 2$$"),
        (after_answer_is, "Final Answer\n------\n42 apples", "42 apples"),
        (after_answer_is, "**Answer**\n\n- 42", "42"),
        (after_answer_is, "Answer:\n\\[\n8\\pi\n\\]", "\\[\n8\\pi\n\\]"),
        (after_answer_is, "The answer is $x = 5$ and $y = 6$.", "$x = 5$ and $y = 6$"),
        (after_answer_is, r"The answer is 11,\! 100.", r"11,\! 100"),
        (after_answer_is, "答案是 36。所以", "36"),
        (after_answer_is, "Die Antwort lautet 14.", "14"),
        (after_answer_is, "La respuesta final es 14.", "14"),
    ],
)
def test_a_box_hashes_or_a_sentence_states_an_answer(extractor: Extractor, text: str, answer: str | None) -> None:
    assert extractor(text) == answer


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
