"""When two answers are the same, and the classes that votes are counted in."""

import itertools
import json
import pickle
import re
from collections.abc import Iterator
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.shared_data import DATA, needs_data
from verifiers import EXACT, GSM8K, MATH, Answers
from verifiers.grading.answers import equal_mathematics, with_thinking
from verifiers.grading.equivalence import EquivalencePool, default_pool
from verifiers.grading.notation.numerals import clean

TOWER = "9^{9^{9^{9}}}"


@pytest.fixture
def pool() -> Iterator[EquivalencePool]:
    """An empty pool: its cache shows which pairs took a worker."""
    with EquivalencePool(workers=1, seconds=4.0) as pool:
        yield pool


def maths(pool: EquivalencePool) -> Answers:
    return Answers(MATH.extract, partial(equal_mathematics, pool=pool), MATH.canonical)


def equal(answers: Answers, answer: str, gold: str) -> bool | None:
    return answers.equal([(answer, gold)])[0]


@pytest.mark.parametrize(
    ("text", "gold", "verdict"),
    [
        ("The answer is $600.", "600", True),
        ("The answer is 1.5.", "1.5", True),
        ("The answer is 12 inches.", "12", True),
        (r"\boxed{864}", r"864 \mbox{ inches}^2", True),
        (r"\boxed{\left( 3, \frac{\pi}{2} \right)}", r"(3,\pi/2)", True),
        (r"\boxed{\frac{\sqrt{3}}{3}}", r"\frac{1}{\sqrt{3}}", True),
        (
            r"\boxed{\begin{pmatrix} -1/3 \\ 2/3 \end{pmatrix}}",
            r"\begin{pmatrix} -\frac13 \\ \frac23 \end{pmatrix}",
            True,
        ),
        (r"\boxed{[2,5)}", "[2,5]", False),
        (r"\boxed{\{3,1,2\}}", r"\{1,2,3\}", True),
        (r"\boxed{x=5}", "5", True),
        (r"\boxed{\text{Evelyn}}", "Evelyn", True),
        ("#### 1,000", "1000", True),
    ],
)
def test_math_from_text_to_verdict(text: str, gold: str, verdict: bool) -> None:
    answer = MATH.extract(text)
    assert answer is not None
    assert equal(MATH, answer, gold) is verdict


def test_math_does_not_know_about_a_tower(pool: EquivalencePool) -> None:
    assert maths(pool).equal([(TOWER, "5"), ("9" * 100_000, "5"), ("5", "5")]) == [None, None, True]
    assert [pair[0] for pair in pool._cache] == [clean(TOWER)]  # the one pair that took a time limit


@pytest.mark.parametrize(
    ("answer", "gold", "verdict"),
    [
        ("18", "18", True),
        ("$1,200.00", "1200", True),
        ("12jars", "12", True),
        ("a) 12", "12", True),
        ("i) 12", "12", True),
        ("50%", "50", True),
        ("50%", "0.5", False),  # a unit here
        ("0.5", "1/2", True),
        ("42x+7", "42", False),
        ("none", "5", False),
        ("", "5", False),
        ("yes", "yes", True),
        ("no", "yes", None),  # no number is asked for: not a task for GSM8K
        ("", "", False),
    ],
)
def test_gsm8k_compares_numbers(answer: str, gold: str, verdict: bool | None) -> None:
    assert equal(GSM8K, answer, gold) is verdict


def test_exact_compares_characters() -> None:
    assert EXACT.equal([(" yes", "yes"), ("Yes", "yes"), ("", ""), ("0.5", "1/2")]) == [True, False, False, False]
    assert EXACT.classes(["a ", "a", "A", None, " "]) == [0, 0, 1, -1, -1]


def test_classes_are_numbered_by_first_appearance() -> None:
    votes = [None, r"\frac12", "7", "0.5", "", "1/2", r"2\sqrt{3}", r"\sqrt{12}", "7.0", r"\text{East}", "east"]
    assert MATH.classes(votes) == [-1, 0, 1, 0, -1, 0, 2, 2, 1, 3, 3]
    assert MATH.classes([]) == []
    assert MATH.classes([None]) == [-1]


def test_sixty_four_votes_of_numbers_take_no_worker(pool: EquivalencePool) -> None:
    votes = [str(n % 7) for n in range(32)] + [f"{n % 7}.0" for n in range(31)] + ["no idea at all"]
    assert maths(pool).classes(votes) == [n % 7 for n in range(32)] + [n % 7 for n in range(31)] + [7]
    assert not pool._cache


def test_votes_for_polynomials_take_a_worker_only_where_they_agree(pool: EquivalencePool) -> None:
    votes = ["x+1", "x+2", "1+x", "2x", "x+x", "(x+1)(x-1)", "x^2-1", "x^3"]
    assert maths(pool).classes(votes) == [0, 1, 0, 2, 2, 3, 3, 4]
    assert len(pool._cache) == 6  # three pairs, both ways round


@pytest.mark.slow
def test_unknown_pairs_are_not_merged_and_cost_one_time_limit_each(pool: EquivalencePool) -> None:
    pool.equal([("x", "y")])
    votes = [TOWER, r"\sqrt{2}", "5", r"\sqrt{8}/2", TOWER, r"\sqrt{3}", r"2\pi", r"\pi+\pi"]
    assert maths(pool).classes(votes) == [0, 1, 2, 1, 0, 3, 4, 4]
    assert sum(verdict.equal is None for verdict in pool._cache.values()) == 1


def test_classes_need_equality_both_ways_round() -> None:
    # Math-Verify accepts 2a+b=1 for a gold 1, and not 1 for a gold 2a+b=1.
    assert equal(MATH, "2a+b=1", "1") is True
    assert equal(MATH, "1", "2a+b=1") is False
    assert MATH.classes(["2a+b=1", "1"]) == [0, 1]


def test_classes_do_not_chain_near_equals() -> None:
    def near(pairs):
        return [abs(float(a) - float(b)) <= 1 for a, b in pairs]

    tolerant = Answers(EXACT.extract, near)
    for votes in itertools.permutations(["10", "11", "12"]):
        classes = dict(zip(votes, tolerant.classes(votes), strict=True))
        assert classes["10"] == classes["11"] != classes["12"]


VOTES = st.lists(
    st.sampled_from(
        [
            None,
            "",
            "1/2",
            "0.5",
            r"\frac12",
            "50%",
            "50",
            "x+1",
            "1+x",
            r"\sqrt{12}",
            r"2\sqrt{3}",
            "x=5",
            "5",
            "(((",
            "52_8",
        ]
    ),
    max_size=12,
)


def partition(answers: list[str | None], classes: list[int]) -> set[frozenset[str]]:
    groups: dict[int, set[str]] = {}
    for answer, number in zip(answers, classes, strict=True):
        if answer and number >= 0:
            groups.setdefault(number, set()).add(answer)
    return {frozenset(group) for group in groups.values()}


@settings(deadline=None, max_examples=50)
@given(VOTES, st.randoms(use_true_random=False))
def test_classes_do_not_depend_on_the_order(votes: list[str | None], random) -> None:
    shuffled = list(votes)
    random.shuffle(shuffled)
    assert partition(votes, MATH.classes(votes)) == partition(shuffled, MATH.classes(shuffled))


@settings(deadline=None, max_examples=50)
@given(st.lists(VOTES, max_size=5))
def test_pools_side_by_side_have_the_classes_of_each_alone(pools: list[list[str | None]]) -> None:
    assert MATH.classes_of(pools) == [MATH.classes(pool) for pool in pools]


def test_pools_side_by_side_are_compared_in_as_many_calls_as_the_longest_needs() -> None:
    calls: list[int] = []

    def counted(pairs):
        calls.append(len(pairs))
        return EXACT.equal(pairs)

    answers = Answers(EXACT.extract, counted)
    answers.classes(["a", "b", "c", "d"])
    longest, calls[:] = len(calls), []
    assert answers.classes_of([["a", "b"], ["a", "b", "c", "d"], [], ["c", "d", "c"]]) == [
        [0, 1],
        [0, 1, 2, 3],
        [],
        [0, 1, 0],
    ]
    assert len(calls) == longest
    assert calls[0] == 2 + 4 + 2


@settings(deadline=None, max_examples=50)
@given(VOTES)
def test_classes_are_first_appearances_and_skip_blanks(votes: list[str | None]) -> None:
    classes = MATH.classes(votes)
    assert [c >= 0 for c in classes] == [bool(v) for v in votes]
    seen = [c for c in classes if c >= 0]
    assert list(dict.fromkeys(seen)) == list(range(len(set(seen))))
    assert MATH.classes(votes + votes) == classes + classes


# --- the 500 answers of MATH-500 ---

needs_math500 = needs_data("math500.jsonl")


@pytest.fixture(scope="module")
def math500() -> list[dict[str, str]]:
    return [json.loads(line) for line in (DATA / "math500.jsonl").read_text(encoding="utf-8").splitlines()]


REWRITES = {
    "itself": lambda gold: gold,
    "boxed": lambda gold: MATH.extract(rf"so it is \boxed{{{gold}}}."),
    "stated": lambda gold: MATH.extract(rf"The answer is ${gold}$."),
    "stated bare": lambda gold: MATH.extract(f"The answer is {gold}."),
    "dollars": lambda gold: f" $${gold}$$ ",
    "dfrac": lambda gold: gold.replace(r"\frac", r"\dfrac"),
    "left, right": lambda gold: re.sub(r"(?<!t)([)\]])", r"\\right\1", re.sub(r"(?<!t)([(\[])", r"\\left\1", gold)),
    "spaced": lambda gold: re.sub(r"([+=(]|(?<!\d),(?!\d))", r" \1 ", gold),
    "slashes": lambda gold: re.sub(r"\\frac\{(\d+)\}\{(\d+)\}(?![\\\w])", r"{\1/\2}", gold),
    "brackets": lambda gold: gold.replace("pmatrix", "bmatrix"),
}


@needs_math500
@pytest.mark.parametrize("rewrite", REWRITES.values(), ids=REWRITES)
def test_every_gold_of_math500_equals_its_rewrite(math500, rewrite) -> None:
    pairs = [(rewrite(row["answer"]), row["answer"]) for row in math500]
    assert len(pairs) == 500
    wrong = [pair for pair, verdict in zip(pairs, MATH.equal(pairs), strict=True) if verdict is not True]
    assert wrong == []


@pytest.mark.slow
@needs_math500
def test_math_verify_reads_every_gold_of_math500(math500) -> None:
    pairs = [(row["answer"], row["answer"]) for row in math500]
    assert default_pool().equal(pairs) == [True] * 500


@needs_math500
def test_every_solution_of_math500_is_graded_right(math500) -> None:
    pairs = [(MATH.extract(row["solution"]) or "", row["answer"]) for row in math500]
    assert MATH.equal(pairs) == [True] * 500


@needs_math500
def test_no_gold_of_math500_equals_a_wrong_answer(math500) -> None:
    golds = [row["answer"] for row in math500]
    pairs = [(f"{gold}+1", gold) for gold in golds] + [("7919", gold) for gold in golds]
    assert [pair for pair, verdict in zip(pairs, MATH.equal(pairs), strict=True) if verdict is not False] == []


@pytest.mark.parametrize("answers", [MATH, GSM8K, EXACT, with_thinking(MATH, ["<cot>,</cot>"])])
def test_ready_made_answers_can_be_sent_to_another_process(answers: Answers) -> None:
    sent = pickle.loads(pickle.dumps(answers))
    assert sent.extract("<cot>3</cot> #### 4") == answers.extract("<cot>3</cot> #### 4")
    assert sent.classes(["4", "4.0", "5"]) == answers.classes(["4", "4.0", "5"])
