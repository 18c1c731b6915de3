"""What of a text counts: behind its thoughts, before an end mark and the next question, without programs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifiers.grading.answers import EXACT, GSM8K, MATH
from verifiers.grading.extraction import boxed, first_of, last_line
from verifiers.grading.final_text import final, final_text
from verifiers.grading.last_value import last_number
from verifiers.grading.thinking import THINKING, said, thought_steps


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        (r"<think>\boxed{41}?</think> 42", "42"),
        (r"\boxed{41}?</think> 42", "42"),  # the template had opened the thought
        (r"<think>\boxed{41}", ""),
        ("It is 7. <think> or 8", "It is 7."),
        ("<think>1</think> 2 <think>3</think> 4", "4"),
        ("<think>1</think> 2 <think>3", "2"),
        ("<|channel|>analysis<|message|>5<|end|><|start|>assistant<|channel|>final<|message|>7<|return|>", "7"),
        ("<|channel|>analysis<|message|>5", ""),
        ("[THINK]5[/THINK]6", "6"),
        ("◁think▷5◁/think▷6", "6"),
        ("18<|im_end|>", "18"),
        ("18<|im_end|>\n<|im_start|>user\n19", "18"),
        ("<s> 18 </s>", "18"),
        ("18<end_of_turn>\n", "18"),
        ("</s>", ""),
        ("#### 18\n\nQ: 5+5?\nA: 10\n#### 10", "#### 18"),
        ("The answer is 18.\nQuestion: 5+5?\nThe answer is 10.", "The answer is 18."),
        (r"\boxed{18}" + "\n\nHuman: thanks, and 5+5?", r"\boxed{18}"),
        ("Question: 5+5?\nThe answer is 10.", "Question: 5+5?\nThe answer is 10."),  # it repeats its own
        ("```python\nprint(41)\n```\nIt prints 42.", "\nIt prints 42."),
        ("```\n42\n```", "\n42\n\n"),
        ("```python\nx = 5\n```", "```python\nx = 5\n```"),  # there is nothing else
        ("It is `42`.", "It is `42`."),
        ("<b>The answer is 20%.</b>", "The answer is 20%."),
        ("1 < 2 > 0", "1 < 2 > 0"),
    ],
)
def test_what_counts(text: str, counts: str) -> None:
    assert final_text(text).rstrip() == counts.rstrip()


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("La réponse est 3,5.", "3.5"),
        ("Also ist die Länge 2,75 m.", "2.75"),
        ("Il y a donc 1.234,5 euros.", "1234.5"),
        (r"La réponse est $\boxed{3{,}5}$.", "3.5"),
        ("Le point est (3,5).", "(3,5)"),
        (r"Die Menge ist $\{3,5\}$.", r"\{3,5\}"),
        ("So the total is 1,234.", "1,234"),
        ("The answer is 3,5.", "3,5"),
    ],
)
def test_decimal_commas_where_the_text_is_in_such_a_language(text: str, answer: str) -> None:
    found = MATH.extract(text)
    assert found is not None
    assert found.strip("$") == answer


@pytest.mark.parametrize(("begin", "end"), THINKING)
def test_every_mark_of_thinking(begin: str, end: str) -> None:
    assert final_text(f"{begin}\n\\boxed{{1}}\n{end}\nThe answer is 2.") == "The answer is 2."
    for answers in (MATH, GSM8K, EXACT):
        assert answers.extract(f"{begin}\n\\boxed{{1}}\n") is None


def test_marks_of_ones_own() -> None:
    mine = final(first_of(boxed, last_number), thinking=[("((", "))")])
    assert mine("(( 1 )) 2") == "2"
    assert mine("<think> 1") == "1"


def test_a_texts_own_words_are_no_thoughts_of_other_marks() -> None:
    text = "I think. So 5 and [6]."
    assert final_text(text) == text


@given(st.lists(st.sampled_from(["<think>", "</think>", "a", "7", " ", "\n"]), max_size=12).map("".join))
def test_what_is_said_is_a_part_without_marks(text: str) -> None:
    start, end = said(text)
    assert 0 <= start <= end <= len(text)
    assert not any(mark in text[start:end] for marks in THINKING for mark in marks)


@pytest.mark.parametrize(
    ("steps", "thought"),
    [
        (["<think>\n", "1\n", "</think>\n", "2\n"], 3),
        (["<think>\n", "1\n", "</think> 2\n", "3\n"], 2),
        (["<think>\n", "1\n"], 2),
        (["1\n", "2\n"], 0),
        ([], 0),
    ],
)
def test_steps_of_thinking(steps: list[str], thought: int) -> None:
    assert thought_steps(steps) == thought


def test_the_last_line_of_a_text_is_behind_its_thoughts() -> None:
    assert EXACT.extract("<think>\nno\n</think>\nyes<|im_end|>") == "yes"
    assert final(last_line)("a") == "a"
