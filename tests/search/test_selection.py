import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.selection import Pool, best, pessimistic, selector, soft, weighted
from verifiers import Problem

PROBLEM = Problem("p", "?")
NAN = float("nan")


def pool(values: list[float], classes: list[int]) -> Pool:
    return Pool(PROBLEM, np.array(values, dtype=np.float32), lambda: classes)


def test_ties_go_to_the_earlier_row() -> None:
    assert best(pool([0.5, 0.7, 0.7], [0, 1, 2])) == 1
    assert weighted(pool([0.5, 0.5], [1, 0])) == 0


@pytest.mark.parametrize("select", ["best", "weighted", "pessimistic", "soft"])
def test_rows_without_a_score_are_never_chosen(select: str) -> None:
    choose = selector(select)  # type: ignore[arg-type]
    assert choose(pool([NAN, 0.1, NAN], [0, 1, 0])) == 1
    assert choose(pool([NAN, NAN], [0, 0])) is None
    assert choose(pool([], [])) is None


@pytest.mark.parametrize("choose", [weighted, pessimistic(0.5)])
def test_an_unreadable_answer_never_wins_a_vote_against_a_readable_one(choose) -> None:
    assert choose(pool([0.9, 0.9, 0.9, 0.1], [-1, -1, -1, 0])) == 3
    assert choose(pool([0.2, 0.9], [-1, -1])) == 1


def test_weighted_with_equal_scores_is_the_majority() -> None:
    assert weighted(pool([1.0] * 5, [0, 1, 1, 2, 1])) == 1


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.integers(-1, 3)), min_size=1, max_size=12))
def test_weighted_agrees_with_a_table_of_sums(rows: list[tuple[float, int]]) -> None:
    values, classes = [v for v, _ in rows], [c for _, c in rows]
    chosen = weighted(pool(values, classes))
    assert chosen is not None
    sums: dict[int, float] = {}
    for value, c in rows:
        sums[c] = sums.get(c, 0.0) + value
    contest = {c: s for c, s in sums.items() if c >= 0} or sums
    assert sums[classes[chosen]] == pytest.approx(max(contest.values()), abs=1e-5)
    assert values[chosen] == max(v for v, c in rows if c == classes[chosen])


def test_pessimistic_is_the_formula() -> None:
    values, classes, alpha = [0.7, 0.6, 0.62, 0.61], [0, 1, 1, 1], 0.4
    by_hand = {
        c: np.mean([v for v, k in zip(values, classes, strict=True) if k == c])
        - alpha * math.log(4) / (classes.count(c) + 1)
        for c in (0, 1)
    }
    chosen = pessimistic(alpha)(pool(values, classes))
    assert chosen is not None
    assert classes[chosen] == max(by_hand, key=lambda c: by_hand[c]) == 1
    assert pessimistic(0.0)(pool(values, classes)) == 0


def test_soft_follows_the_softmax_and_its_seed() -> None:
    values, temperature = [0.1, 0.3, 0.2], 0.2
    draws = [soft(temperature, seed)(Pool(PROBLEM, np.array(values), lambda: [0, 1, 2])) for seed in range(3000)]
    weights = np.exp(np.array(values) / temperature)
    expected = weights / weights.sum()
    seen = np.bincount(np.array(draws), minlength=3) / len(draws)
    assert np.abs(seen - expected).max() < 4 * math.sqrt(0.25 / 3000)
    assert soft(temperature, 7)(pool(values, [0, 1, 2])) == soft(temperature, 7)(pool(values, [0, 1, 2]))


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="unknown select 'bset'"):
        selector("bset")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="temperature=0"):
        soft(0)
