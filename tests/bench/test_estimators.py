"""Expectations over subsets, against enumeration of every subset."""

import math
from itertools import combinations
from statistics import mean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import search
from bench.estimators import (
    best_at_k,
    best_curve,
    pass_at_k,
    pass_curve,
    pessimistic_at_k,
    pessimistic_curve,
    soft_curve,
    weighted_at_k,
    weighted_curve,
)
from bench.intervals import mean_interval
from verifiers import Problem

NAN = float("nan")
score = st.one_of(st.just(NAN), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
pools = st.lists(st.tuples(st.booleans(), score, st.integers(-1, 2)), min_size=1, max_size=7)


def every_subset(n: int, k: int) -> list[tuple[int, ...]]:
    return list(combinations(range(n), k))


def one_best(right: list[bool], values: list[float], subset: tuple[int, ...]) -> float:
    judged = [i for i in subset if values[i] == values[i]]
    if not judged:
        return 0.0
    top = max(values[i] for i in judged)
    return mean(float(right[i]) for i in judged if values[i] == top)


def one_vote(right: list[bool], values: list[float], classes: list[int], subset: tuple[int, ...]) -> float:
    sums: dict[int, float] = {}
    for i in subset:
        if values[i] == values[i] and classes[i] >= 0:
            sums[classes[i]] = sums.get(classes[i], 0.0) + values[i]
    if not sums:
        return 0.0
    winners = [c for c, total in sums.items() if total == max(sums.values())]
    members = {c: [i for i in range(len(right)) if classes[i] == c and values[i] == values[i]] for c in winners}
    return mean(mean(float(right[i]) for i in members[c]) for c in winners)


@given(pools, st.data())
def test_pass_and_best_equal_the_mean_over_all_subsets(pool, data) -> None:
    right, values = [r for r, _, _ in pool], [v for _, v, _ in pool]
    k = data.draw(st.integers(1, len(pool)))
    subsets = every_subset(len(pool), k)
    assert pass_at_k(right, k) == pytest.approx(mean(any(right[i] for i in s) for s in subsets))
    assert best_at_k(right, values, k) == pytest.approx(mean(one_best(right, values, s) for s in subsets))


@given(pools, st.data())
def test_a_vote_of_all_and_of_one_is_exact(pool, data) -> None:
    # Answers of one class are right together, as they are when one verifier grades them.
    values, classes = [v for _, v, _ in pool], [c for _, _, c in pool]
    right = [c == 0 for c in classes]
    n = len(pool)
    assert weighted_at_k(right, values, classes, n) == (
        pytest.approx(one_vote(right, values, classes, tuple(range(n)))),
        0.0,
    )
    assert weighted_at_k(right, values, classes, 1)[0] == pytest.approx(
        mean(one_vote(right, values, classes, (i,)) for i in range(n))
    )


@settings(max_examples=40, deadline=None)
@given(pools.filter(lambda pool: len(pool) >= 3), st.data())
def test_a_vote_between_them_is_within_its_stated_error(pool, data) -> None:
    values, classes = [v for _, v, _ in pool], [c for _, _, c in pool]
    right = [c == 0 for c in classes]
    k = data.draw(st.integers(2, len(pool) - 1))
    exact = mean(one_vote(right, values, classes, s) for s in every_subset(len(pool), k))
    estimate, error = weighted_at_k(right, values, classes, k, subsets=4000, seed=data.draw(st.integers(0, 9)))
    assert abs(estimate - exact) <= 5 * error + 5 / 4000


@given(pools, st.integers(0, 9))
def test_a_curve_is_its_points(pool, seed) -> None:
    right, values, classes = ([row[i] for row in pool] for i in range(3))
    ks = list(range(len(pool), 0, -1))
    np.testing.assert_allclose(pass_curve(right, ks), [pass_at_k(right, k) for k in ks], atol=1e-12)
    np.testing.assert_allclose(best_curve(right, values, ks), [best_at_k(right, values, k) for k in ks], atol=1e-12)
    for curve, point in ((weighted_curve, weighted_at_k), (pessimistic_curve, pessimistic_at_k)):
        chances, errors = curve(right, values, classes, ks, subsets=20, seed=seed)
        points = [point(right, values, classes, k, subsets=20, seed=seed) for k in ks]
        np.testing.assert_allclose(chances, [chance for chance, _ in points], atol=1e-12)
        np.testing.assert_allclose(errors, [error for _, error in points], atol=1e-9)


def one_soft(right: list[bool], values: list[float], subset: tuple[int, ...], temperature: float) -> float:
    mass = {i: math.exp(values[i] / temperature) for i in subset if values[i] == values[i]}
    return sum(m * right[i] for i, m in mass.items()) / sum(mass.values()) if mass else 0.0


@settings(max_examples=40, deadline=None)
@given(pools, st.sampled_from([0.1, 1.0]), st.integers(0, 9))
def test_soft_selection_is_within_its_stated_error_of_all_subsets(pool, temperature, seed) -> None:
    right, values, n = [r for r, _, _ in pool], [v for _, v, _ in pool], len(pool)
    ks = list(range(1, n + 1))
    chances, errors = soft_curve(right, values, ks, temperature=temperature, subsets=4000, seed=seed)
    for k, chance, error in zip(ks, chances, errors, strict=True):
        exact = mean(one_soft(right, values, s, temperature) for s in every_subset(n, k))
        assert abs(chance - exact) <= 5 * error + 5 / 4000 * (k not in (1, n)) + 1e-9
    assert errors[0] == errors[-1] == 0.0


def test_large_pools_take_little_time_and_memory() -> None:
    rng = np.random.default_rng(0)
    right, values = rng.random(10_000) < 0.3, rng.random(10_000)
    ks = [1 << i for i in range(14)]
    assert np.all(np.diff(pass_curve(right, ks)) >= 0)
    ranked = right[np.argsort(-values)]
    for k, chance in zip(ks, best_curve(right, values, ks), strict=True):
        best = [math.comb(9_999 - r, k - 1) / math.comb(10_000, k) for r in range(40)] if k >= 4096 else []
        assert not best or chance == pytest.approx(sum(b * x for b, x in zip(best, ranked, strict=False)), abs=1e-8)
    chances, errors = weighted_curve(right, values, np.where(right, 0, rng.integers(1, 5000, 10_000)), ks)
    assert chances[-1] == 1.0
    assert errors.max() < 0.04


@given(pools, st.floats(0.0, 2.0))
def test_pessimistic_selection_of_all_is_what_the_strategy_selects(pool, alpha) -> None:
    values, classes = [v for _, v, _ in pool], [c for _, _, c in pool]
    right = [c == 0 for c in classes]
    chosen = search.pessimistic(alpha)(search.Pool(Problem("p", "?"), np.array(values), lambda: classes))
    estimate, error = pessimistic_at_k(right, values, classes, len(pool), alpha=alpha)
    assert error == 0.0
    if 0.0 < estimate < 1.0:  # a tie, which the strategy breaks and the estimate averages
        return
    assert estimate == (float(right[chosen]) if chosen is not None else 0.0)


@pytest.mark.parametrize("k", [0, 4])
def test_k_outside_the_pool_is_refused(k: int) -> None:
    for estimate in (
        lambda: pass_at_k([1, 0, 0], k),
        lambda: best_at_k([1, 0, 0], [1, 2, 3], k),
        lambda: weighted_at_k([1, 0, 0], [1, 2, 3], [0, 1, 2], k),
    ):
        with pytest.raises(ValueError, match=f"k={k} from a pool of 3"):
            estimate()


def test_a_pool_of_nothing_but_failures_is_wrong_and_counts() -> None:
    assert best_at_k([0, 0], [NAN, NAN], 1) == 0.0
    assert weighted_at_k([0, 0], [NAN, NAN], [-1, -1], 2) == (0.0, 0.0)


def test_unreadable_answers_cannot_outvote_a_readable_one() -> None:
    assert weighted_at_k([0, 0, 0, 1], [1.0] * 4, [-1, -1, -1, 0], 4) == (1.0, 0.0)


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for study in range(400):
        chances = rng.beta(0.8, 1.2, size=100)
        _, low, high = mean_interval(rng.random(100) < chances, replicates=500, seed=study)
        covered += low <= 0.4 <= high
    assert 0.91 <= covered / 400 <= 0.98


def test_interval_where_nothing_was_solved_is_not_a_point() -> None:
    average, low, high = mean_interval(np.zeros(50))
    assert (average, low) == (0.0, 0.0)
    assert high == pytest.approx(1 - 0.025 ** (1 / 50))
    with pytest.raises(ValueError, match="no problems"):
        mean_interval([])
