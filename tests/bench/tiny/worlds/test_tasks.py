"""The embedded tasks: what is right, what is drawn, and which split it belongs to."""

import itertools
import operator
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.tiny import load_task
from bench.tiny.worlds import chain, countdown, last_letter, word_sort
from bench.tiny.worlds.exact import ExactSteps
from bench.tiny.worlds.worlds import WORLDS, draw_prompts, held_out
from verifiers import Solution, Stop, check_scorer, split_steps

SIGNS = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def steps_of(text: str) -> list[str]:
    return [step.text for step in split_steps(text)]


@pytest.mark.parametrize("name", WORLDS)
def test_clean_demonstrations_are_right_in_every_step(name):
    world = WORLDS[name]
    rng = random.Random(0)
    for difficulty in {*world.TRAIN_DIFFICULTY, *world.TEST_DIFFICULTY}:
        for prompt in draw_prompts(world, 20, 5, "train", difficulty):
            text = world.demonstrate(prompt, rng, slips=False)
            assert world.is_right(prompt, text)
            assert set(world.labels(prompt, steps_of(text), finished=True)) == {1}
            assert len(text) + 1 <= world.MAX_TOKENS
            if world.gold_answer(prompt) is not None:
                assert world.extract(text) == world.gold_answer(prompt)


@pytest.mark.parametrize("name", WORLDS)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_labels_fall_once_and_agree_with_the_outcome(name, seed):
    world = WORLDS[name]
    rng = random.Random(seed)
    prompt = world.draw_prompt(rng, rng.choice(world.TEST_DIFFICULTY))
    text = world.demonstrate(prompt, rng, slips=True)
    labels = world.labels(prompt, steps_of(text), finished=True)
    assert labels == sorted(labels, reverse=True)
    if all(labels):
        assert world.is_right(prompt, text)
    elif name in ("countdown", "word_sort"):  # elsewhere two errors may cancel
        assert not world.is_right(prompt, text)
    for length in range(1, len(labels)):
        assert world.labels(prompt, steps_of(text)[:length], finished=False) == labels[:length]
        assert world.labels(prompt, steps_of(text)[:length], finished=True)[-1] == 0


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_gold_of_chain_is_what_python_computes(seed):
    prompt = chain.draw_prompt(random.Random(seed), 7)
    body = prompt[2:-1]
    value = int(body[0])
    for sign, digit in zip(body[1::2], body[2::2], strict=True):
        value = SIGNS[sign](value, int(digit)) % 10
    assert chain.gold_answer(prompt) == str(value)


def reachable(numbers: tuple[int, ...]) -> set[int]:
    """Every result of every order of combining all the numbers, by another program than the task's."""
    if len(numbers) == 1:
        return set(numbers)
    found = set()
    for i, j in itertools.permutations(range(len(numbers)), 2):
        rest = [numbers[k] for k in range(len(numbers)) if k not in (i, j)]
        for function in SIGNS.values():
            result = function(numbers[i], numbers[j])
            if 1 <= result <= 99:
                found |= reachable((*rest, result))
    return found


@given(st.lists(st.integers(1, 12), min_size=1, max_size=4))
@settings(max_examples=20, deadline=None)
def test_solvable_is_exactly_what_trying_everything_finds(numbers):
    ordered = tuple(sorted(numbers))
    expected = reachable(ordered)
    assert {target for target in range(1, 100) if countdown.solvable(ordered, target)} == expected


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("3*8=24\n24-7=17", True),
        ("8*3=24\n24-7=17", True),
        ("3*8=25\n25-8=17", False),  # a false line
        ("3+7=10\n10+7=17", False),  # a number used twice
        ("3*8=24", False),  # a number left over
        ("3*8=24\n24-7=17\n", False),  # a line too many
        ("3*8=24\n7-24=17", False),  # a wrong order
        ("", False),
    ],
)
def test_countdown_is_judged_by_rule(text, right):
    assert countdown.is_right("N 3 7 8=17\n", text) is right


def test_countdown_votes_ignore_the_order_of_operands():
    assert countdown.extract("3*8=24\n24-7=17") == countdown.extract("8*3=24\n24-7=17") != countdown.extract("8-3=5")
    assert countdown.extract("3*8=24\nso 17") is None


def test_labels_of_countdown_fall_where_the_target_is_lost():
    assert countdown.labels("N 3 7 8=17\n", ["3+8=11\n", "11+7=18"], finished=True) == [0, 0]
    assert countdown.solvable((7, 24), 17)
    assert countdown.labels("N 3 7 8=17\n", ["3*8=24\n", "24+7=31"], finished=True) == [1, 0]


def test_slips_are_the_systematic_ones():
    rng = random.Random(0)
    subtractions = [chain.demonstrate("C 3-9\n", rng, slips=True) for _ in range(4000)]
    assert 0.5 < sum(text.startswith("3-9=6") for text in subtractions) / 4000 < 0.6
    assert last_letter.demonstrate("L cat dog\n", random.Random(3), slips=True).startswith("cat ")
    swapped = [word_sort.demonstrate("W bat baby\n", rng, slips=True) for _ in range(1000)]
    assert 0.25 < sum(text == "bat\nbaby" for text in swapped) / 1000 < 0.45


@pytest.mark.parametrize("name", WORLDS)
def test_the_splits_share_no_prompt_and_problems_repeat(name):
    test = load_task(name, count=50, seed=1)
    train = load_task(name, count=50, seed=1, split="train")
    assert all(held_out(str(p.prompt)) for p in test.problems)
    assert not any(held_out(str(p.prompt)) for p in train.problems)
    assert test.problems == load_task(name, count=50, seed=1).problems
    assert test.problems[:20] == load_task(name, count=20, seed=1).problems
    assert test.problems != load_task(name, count=50, seed=2).problems
    assert len({p.prompt for p in test.problems}) == len({p.id for p in test.problems}) == 50


@pytest.mark.parametrize("name", WORLDS)
def test_the_verifier_keeps_the_laws_and_scores_gold_one(name):
    task = load_task(name, count=4)
    rng = random.Random(0)
    gold, cases = [], []
    for problem in task.problems:
        clean = WORLDS[name].demonstrate(str(problem.prompt), rng, slips=False)
        gold.append((problem, Solution(split_steps(clean), Stop.EOS)))
        cases += [gold[-1], (problem, Solution(split_steps(clean)[:1]))]
        assert task.answers.extract(clean) is not None
    check_scorer(task.verifier, cases, gold=gold)


def test_difficulty_is_the_number_of_operations_and_words():
    assert all(str(p.prompt).count(" ") == 3 for p in load_task("last_letter", count=5, difficulty=3).problems)
    assert {len(str(p.prompt)) for p in load_task("chain", count=5, difficulty=6).problems} == {16}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "chian"}, ["chian", "chain, countdown"]),
        ({"name": "chain", "split": "dev"}, ["dev", "'test' or 'train'"]),
        ({"name": "chain", "count": 0}, ["count is 0"]),
        ({"name": "chain", "count": 50, "difficulty": 1}, ["chain", "difficulty 1", "50"]),
    ],
)
def test_bad_options_are_named(options, words):
    with pytest.raises(ValueError, match=r"problems|task|split") as caught:
        load_task(**options)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("name", WORLDS)
def test_the_exact_scorer_is_lawful_and_says_what_the_program_says(name):
    world, rng = WORLDS[name], random.Random(1)
    task = load_task(name, count=6)
    cases = []
    for problem in task.problems:
        for slips in (False, True):
            text = world.demonstrate(str(problem.prompt), rng, slips=slips)
            cases += [(problem, Solution(split_steps(text), stop)) for stop in (Stop.EOS, Stop.OPEN)]
    check_scorer(ExactSteps(name), cases, causal=True)
    for problem, solution in cases:
        [row] = ExactSteps(name).score([problem], [solution]).steps
        steps = [step.text for step in solution.steps]
        assert row.tolist() == world.labels(str(problem.prompt), steps, finished=solution.finished)
    assert ExactSteps(name).root_values(task.problems[:2]).values().tolist() == [1.0, 1.0]
