"""The programs that write rationales: true to the rule, and read back by the format that trains and scores."""

import random

import pytest

from bench.tiny.making.drills import draw_drill
from bench.tiny.making.examples.rationales import FORMAT, pair_answers, pair_letters, pair_lists, rationales
from bench.tiny.worlds.tokenizer import build_tokenizer
from bench.tiny.worlds.worlds import WORLDS, draw_prompts
from tests.worked import right_and_made_up
from verifiers.genrm.critiqued import read_verdict

TASKS = tuple(WORLDS)


@pytest.mark.parametrize("task", TASKS)
def test_every_rationale_comes_to_the_rule_s_verdict(task):
    seen = set()
    for prompt, text, right in right_and_made_up(task):
        for rationale in rationales(task, prompt, text, count=4):
            seen.add(right)
            assert read_verdict(rationale, FORMAT) == (rationale[:-1], right)
            assert rationale.count("!") <= 1
    assert seen == {True, False}


@pytest.mark.parametrize("task", TASKS)
def test_right_solutions_have_rationales_of_every_kind(task):
    world, rng = WORLDS[task], random.Random(1)
    kinds = {"chain": 2, "countdown": 1, "last_letter": 2, "word_sort": 2}[task]
    for prompt in draw_prompts(world, 20, 4, "train"):
        text = world.demonstrate(prompt, rng, slips=False)
        written = rationales(task, prompt, text, count=9)
        assert len(written) == len(set(written)) == kinds
        assert all(r.endswith("?Y") for r in written)


def test_the_order_is_the_seed_s_and_one_is_the_first_of_many():
    prompt, text = "W dog cat\n", "cat\ndog"
    orders = {rationales("word_sort", prompt, text, count=2, seed=s) for s in range(8)}
    assert len(orders) == 2
    for seed in range(8):
        assert rationales("word_sort", prompt, text, count=1, seed=seed) == (
            rationales("word_sort", prompt, text, count=2, seed=seed)[0],
        )


def test_a_right_answer_after_a_miscopied_word_keeps_the_rationale_that_reads_the_answer_alone():
    [only] = rationales("last_letter", "L cat dog\n", "bat t\ndog g\n=tg", count=4)
    assert only == "cat t\ndog g\n=tg\n#=ttgg\n?Y"


@pytest.mark.parametrize(
    ("own", "theirs", "text"),
    [
        (["cat"], ["cat", "cow"], "ccaatt\n.c!\n"),
        (["cat", "cow"], ["cat"], "ccaatt\nc.!\n"),
        (["cat"], ["cats"], "ccaatt.s!\n"),
        (["cat"], ["ca"], "ccaat.!\n"),
        (["cat"], [], "c.!\n"),
    ],
)
def test_lists_of_other_lengths_differ(own, theirs, text):
    assert pair_lists(own, theirs) == (text, False)


def test_pairs_say_same_only_for_equal_inputs():
    rng = random.Random(5)
    for _ in range(300):
        own = ["".join(rng.choices("ab", k=rng.randint(1, 3))) for _ in range(rng.randint(0, 3))]
        theirs = ["".join(rng.choices("ab", k=rng.randint(1, 3))) for _ in range(rng.randint(0, 3))]
        assert pair_lists(own, theirs)[1] == (own == theirs)
        assert pair_answers("".join(own), "".join(theirs))[1] == ("".join(own) == "".join(theirs))


def test_a_word_written_twice_counts_by_its_first_letter():
    assert pair_letters([("cat", "t")], [("cat", "t"), ("cat", "a")]) == ("cat tt\n", True)


@pytest.mark.parametrize("task", ["last_letter", "word_sort"])
def test_the_longest_problem_and_its_rationale_fit_the_context(task):
    world, rng, tokenizer = WORLDS[task], random.Random(0), build_tokenizer()
    for prompt in draw_prompts(world, 300, 5, "test", 6):
        text = world.demonstrate(prompt, rng, slips=False)
        for rationale in rationales(task, prompt, text, count=4):
            whole = f"{prompt}{text}\n#{rationale}"
            assert len(tokenizer(whole).input_ids) < 256


def test_drills_hold_no_verdict():
    rng = random.Random(2)
    assert not any("?" in text for _ in range(500) for text in draw_drill(rng))
