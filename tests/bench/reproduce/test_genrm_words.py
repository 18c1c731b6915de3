"""The word tasks in words: true to the rule, read back by the format, one kind of line at every length."""

import random

import pytest

from bench.reproduce.genrm.words import FORMAT, problem_in_words, rationales_in_words, solution_in_words
from bench.tiny.worlds.worlds import WORLDS, draw_prompts
from tests.worked import right_and_made_up
from verifiers.genrm.critiqued import read_verdict

TASKS = ("last_letter", "word_sort")


@pytest.mark.parametrize("task", TASKS)
def test_every_rationale_comes_to_the_rule_s_verdict(task):
    seen = set()
    for prompt, text, right in right_and_made_up(task):
        for rationale in rationales_in_words(prompt, text, right=right):
            seen.add(right)
            assert read_verdict(rationale, FORMAT) == (rationale.removesuffix(" Yes").removesuffix(" No"), right)
            assert rationale.count("wrong") == (not right)
    assert seen == {True, False}


@pytest.mark.parametrize("task", TASKS)
def test_right_solutions_have_both_kinds(task):
    world, rng = WORLDS[task], random.Random(1)
    for prompt in draw_prompts(world, 20, 4, "train"):
        written = rationales_in_words(prompt, world.demonstrate(prompt, rng, slips=False), right=True)
        assert len(set(written)) == 2
        assert all(r.endswith(FORMAT.verdict + FORMAT.yes) for r in written)


def test_a_right_answer_after_a_miscopied_word_keeps_the_rationale_that_reads_the_answer_alone():
    [only] = rationales_in_words("L cat dog\n", "bat t\ndog g\n=tg", right=True)
    assert only == (
        "Answer:\ncat: t, written t\ndog: g, written g\nend, written end\nIs the answer correct (Yes/No)? Yes"
    )


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("cat", "dog, written end, wrong"),
        ("cat\ndog\nelk", "end, written elk, wrong"),
        ("dog\ncat", "cat, written dog, wrong"),
    ],
)
def test_what_is_missing_too_much_or_displaced_is_named(text, last):
    written = rationales_in_words("W dog cat\n", text, right=False)
    assert last in {rationale.split("\n")[-2] for rationale in written}


def test_different_solutions_stay_different():
    texts = ("cat t\ndog g\n=tg", "cat t\ndog g\n=to", "cat t\n=t", "=tg", "cat t\ndog g\n=")
    assert len({solution_in_words("L cat dog\n", text) for text in texts}) == len(texts)
    assert len({problem_in_words(p) for p in ("L cat dog\n", "L dog cat\n", "W cat dog\n")}) == 3
