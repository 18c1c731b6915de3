"""Expectations over subsets, against enumeration of every subset."""

import math
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from statistics import mean, stdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import search
from bench.stats.estimators import (
    best_at_k,
    best_curve,
    pass_at_k,
    pass_curve,
    pessimistic_at_k,
    pessimistic_curves,
    soft_curve,
    weighted_at_k,
    weighted_curves,
)
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


Weigh = Callable[[list[float], int], float]  # a class's scores in a subset, and how many there have one


def sum_of_scores(scores: list[float], _eligible: int) -> float:
    return sum(scores)


def pessimistic_weight(alpha: float) -> Weigh:
    return lambda scores, eligible: mean(scores) - alpha * math.log(eligible) / (len(scores) + 1)


def one_vote(
    right: list[bool], values: list[float], classes: list[int], subset: tuple[int, ...], weigh: Weigh = sum_of_scores
) -> float:
    """Graded as the mean over the winning class's scored samples, should a grader tell these apart."""
    eligible = [i for i in subset if values[i] == values[i]]
    scores: dict[int, list[float]] = {}
    for i in eligible:
        if classes[i] >= 0:
            scores.setdefault(classes[i], []).append(values[i])
    if not scores:
        return 0.0
    weights = {c: weigh(found, len(eligible)) for c, found in scores.items()}
    winners = [c for c, weight in weights.items() if weight == pytest.approx(max(weights.values()), abs=1e-9)]
    return mean(class_mean(right, values, classes, c) for c in winners)


def one_majority(right: list[bool], values: list[float], classes: list[int], subset: tuple[int, ...]) -> float:
    votes = Counter(classes[i] for i in subset if values[i] == values[i] and classes[i] >= 0)
    winners = [c for c, count in votes.items() if count == max(votes.values())]
    return mean(class_mean(right, values, classes, c) for c in winners) if winners else 0.0


def class_mean(right: list[bool], values: list[float], classes: list[int], name: int) -> float:
    return mean(float(r) for r, v, c in zip(right, values, classes, strict=True) if c == name and v == v)


@given(pools, st.data())
def test_pass_and_best_equal_the_mean_over_all_subsets(pool, data) -> None:
    right, values = [r for r, _, _ in pool], [v for _, v, _ in pool]
    k = data.draw(st.integers(1, len(pool)))
    subsets = every_subset(len(pool), k)
    assert pass_at_k(right, k) == pytest.approx(mean(any(right[i] for i in s) for s in subsets))
    assert best_at_k(right, values, k) == pytest.approx(mean(one_best(right, values, s) for s in subsets))


@given(pools, st.data())
def test_votes_equal_the_mean_over_all_subsets(pool, data) -> None:
    """A pool of seven has at most 35 subsets of a size, which are all looked at."""
    right, values, classes = ([row[i] for row in pool] for i in range(3))
    k = data.draw(st.integers(1, len(pool)))
    alpha = data.draw(st.sampled_from([0.0, 0.5, 2.0]))
    subsets = every_subset(len(pool), k)
    for weigh, found in (
        (sum_of_scores, weighted_at_k(right, values, classes, k)),
        (pessimistic_weight(alpha), pessimistic_at_k(right, values, classes, k, alpha=alpha)),
    ):
        expected = mean(one_vote(right, values, classes, s, weigh) for s in subsets)
        assert found == (pytest.approx(expected), 0.0)
    heads = [1.0 if v == v else NAN for v in values]
    expected = mean(one_majority(right, heads, classes, s) for s in subsets)
    assert weighted_at_k(right, heads, classes, k) == (pytest.approx(expected), 0.0)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), score, st.integers(-1, 2)), min_size=11, max_size=11), st.integers(0, 9))
def test_seeded_subsets_are_within_their_stated_error(pool, seed) -> None:
    right, values, classes = ([row[i] for row in pool] for i in range(3))
    every = every_subset(len(pool), 5)  # 462 of them, of which 256 are drawn, with repetition
    assert len(every) > 256
    for found, expected in (
        (weighted_at_k(right, values, classes, 5, seed=seed), [one_vote(right, values, classes, s) for s in every]),
        (
            tuple(x[0] for x in soft_curve(right, values, [5], seed=seed)),
            [one_soft(right, values, s, 0.1) for s in every],
        ),
    ):
        assert abs(found[0] - mean(expected)) <= 5 * found[1] + 5 / 256


@given(pools, st.integers(0, 9))
def test_a_curve_is_its_points(pool, seed) -> None:
    right, values, classes = ([row[i] for row in pool] for i in range(3))
    ks = list(range(len(pool), 0, -1))
    np.testing.assert_allclose(pass_curve(right, ks), [pass_at_k(right, k) for k in ks], atol=1e-12)
    np.testing.assert_allclose(best_curve(right, values, ks), [best_at_k(right, values, k) for k in ks], atol=1e-12)
    scorers = [values, [1.0] * len(pool), values[::-1], [-value for value in values]]  # some speak of the same samples
    for curves, point in ((weighted_curves, weighted_at_k), (pessimistic_curves, pessimistic_at_k)):
        chances, errors = curves(right, scorers, classes, ks, subsets=20, seed=seed)
        points = np.array([[point(right, each, classes, k, subsets=20, seed=seed) for k in ks] for each in scorers])
        np.testing.assert_allclose(chances, points[..., 0], atol=1e-12)
        np.testing.assert_allclose(errors, points[..., 1], atol=1e-9)


def one_soft(right: list[bool], values: list[float], subset: tuple[int, ...], temperature: float) -> float:
    mass = {i: math.exp(values[i] / temperature) for i in subset if values[i] == values[i]}
    return sum(m * right[i] for i, m in mass.items()) / sum(mass.values()) if mass else 0.0


@given(pools, st.sampled_from([0.1, 1.0]))
def test_soft_selection_equals_the_mean_over_all_subsets(pool, temperature) -> None:
    right, values, n = [r for r, _, _ in pool], [v for _, v, _ in pool], len(pool)
    ks = list(range(1, n + 1))
    chances, errors = soft_curve(right, values, ks, temperature=temperature)
    expected = [mean(one_soft(right, values, s, temperature) for s in every_subset(n, k)) for k in ks]
    assert chances.tolist() == pytest.approx(expected)
    assert not errors.any()


def test_soft_selection_on_a_scale_of_its_own() -> None:
    """Scores of -1000 and -1001 are one apart, though exp(-1000 / 0.1) is 0; the best is in one pair of three."""
    chances, _ = soft_curve([0, 1, 0], [0.0, -1000.0, -1001.0], [2, 3], temperature=1.0)
    assert chances.tolist() == pytest.approx([1 / (1 + math.exp(-1)) / 3, 0.0])


@pytest.mark.slow
def test_majority_voting_hardly_depends_on_the_order_of_a_pool() -> None:
    """500 problems of 64 samples in random orders: what the first 8 of each give moves by a point, this by 0.1."""
    rng = np.random.default_rng(0)
    difficulties = rng.beta(0.8, 1.0, size=500)
    pools = [np.where(rng.random(64) < p, 0, np.minimum(rng.geometric(0.4, 64), 8)) for p in difficulties]
    expected, first = [], []
    for _ in range(12):
        orders = [rng.permutation(pool) for pool in pools]
        found = [weighted_at_k(pool == 0, np.ones(64), pool, 8, seed=i)[0] for i, pool in enumerate(orders)]
        expected.append(100 * mean(found))
        first.append(100 * mean(weighted_at_k(pool[:8] == 0, np.ones(8), pool[:8], 8)[0] for pool in orders))
    assert stdev(expected) <= 0.1
    assert 0.8 <= stdev(first) <= 1.5
    assert mean(first) == pytest.approx(mean(expected), abs=3 * 1.1 / math.sqrt(12))


@pytest.mark.slow
def test_large_pools_take_little_time_and_memory() -> None:
    rng = np.random.default_rng(0)
    right, values = rng.random(10_000) < 0.3, rng.random(10_000)
    classes = np.where(right, 0, rng.integers(1, 5000, 10_000))
    ks = [1 << i for i in range(14)]
    assert np.all(np.diff(pass_curve(right, ks)) >= 0)
    ranked = right[np.argsort(-values)]
    for k, chance in zip(ks, best_curve(right, values, ks), strict=True):
        best = [math.comb(9_999 - r, k - 1) / math.comb(10_000, k) for r in range(40)] if k >= 4096 else []
        assert not best or chance == pytest.approx(sum(b * x for b, x in zip(best, ranked, strict=False)), abs=1e-8)
    tracemalloc.start()
    started = time.process_time()
    found = [
        tuple(x[0] for x in curves(right, [values], classes, ks)) for curves in (weighted_curves, pessimistic_curves)
    ]
    found.append(soft_curve(right, values, ks))
    seconds, (_, peak) = time.process_time() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 30
    assert peak < 500e6
    assert found[0][0][-1] == 1.0
    assert max(errors.max() for _, errors in found) < 0.04


@pytest.mark.parametrize("curves", [weighted_curves, pessimistic_curves])
def test_pools_of_one_kind_only(curves) -> None:
    ks = [1, 5, 20]
    for right, values, classes, expected in (
        ([1] * 20, [0.5] * 20, [0] * 20, 1.0),  # all alike
        ([0] * 20, [0.5] * 20, [-1] * 20, 0.0),  # no answer can be read
        ([1] * 20, [NAN] * 20, [0] * 20, 0.0),  # no sample can be chosen
        ([1] * 5 + [0] * 15, [0.0] * 20, list(range(20)), 0.25),  # all tie
    ):
        [chances], [errors] = curves(right, [values], classes, ks)
        assert abs(chances - expected).max() <= 5 * errors.max() + 1e-12
        best, soft = best_curve(right, values, ks), soft_curve(right, values, ks)[0]
        chance = 0.0 if math.isnan(values[0]) else mean(right)
        assert best.tolist() == pytest.approx([chance] * 3)
        assert soft.tolist() == pytest.approx([chance] * 3, abs=0.1)
        assert soft[-1] == pytest.approx(chance)


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


def test_no_samples_are_refused_as_an_empty_pool() -> None:
    with pytest.raises(ValueError, match="k=1 from a pool of 0"):
        weighted_at_k([], [], [], 1)


def test_a_pool_of_nothing_but_failures_is_wrong_and_counts() -> None:
    assert best_at_k([0, 0], [NAN, NAN], 1) == 0.0
    assert weighted_at_k([0, 0], [NAN, NAN], [-1, -1], 2) == (0.0, 0.0)


def test_a_sample_that_cannot_be_chosen_takes_its_place_in_a_subset() -> None:
    """Even a right one: of the six pairs, the three without the one scored sample are wrong."""
    right, values, classes = [1, 1, 1, 1], [0.5, NAN, NAN, NAN], [0, 0, 0, 0]
    assert best_at_k(right, values, 2) == pytest.approx(0.5)
    assert weighted_at_k(right, values, classes, 2)[0] == pytest.approx(0.5)
    assert pessimistic_at_k(right, values, classes, 2)[0] == pytest.approx(0.5)
    assert soft_curve(right, values, [2])[0].tolist() == pytest.approx([0.5])
    assert pass_at_k(right, 2) == 1.0  # that asks for a right sample alone, chosen or not


def test_infinite_scores() -> None:
    """A log-probability of minus infinity is the worst of scores, and a score all the same."""
    inf = math.inf
    for right, values, expected in (
        ([0, 1], [-inf, -5.0], 1.0),
        ([1, 0], [inf, 0.5], 1.0),
        ([1, 1], [-inf, -inf], 1.0),
    ):
        assert best_at_k(right, values, 2) == expected
        assert weighted_at_k(right, values, [0, 1], 2) == (expected, 0.0)
        assert pessimistic_at_k(right, values, [0, 1], 2) == (expected, 0.0)
        assert soft_curve(right, values, [2])[0].tolist() == [expected]


def test_unreadable_answers_cannot_outvote_a_readable_one() -> None:
    assert weighted_at_k([0, 0, 0, 1], [1.0] * 4, [-1, -1, -1, 0], 4) == (1.0, 0.0)


def test_votes_of_any_scale_are_told_apart_and_rounding_is_a_tie() -> None:
    # Products of many steps' scores: all below any fixed tolerance.
    assert weighted_at_k([1, 0, 0, 0], [4e-11, 6e-16, 6e-16, 6e-16], [0, 1, 1, 1], 4) == (1.0, 0.0)
    assert weighted_at_k([0, 1, 0], [1.0, 2e-12, 1e-12], [0, 1, 2], 2)[0] == pytest.approx((0 + 0 + 1) / 3)
    for scale in (1.0, 1e-11, 1e11):
        values = [scale * x for x in (0.1, 0.2, 0.3)]
        assert weighted_at_k([1, 1, 0], values, [0, 0, 1], 3) == (0.5, 0.0), "0.1 + 0.2 and 0.3 weigh the same"
        cancelled = [scale * x for x in (0.1, 0.2, -0.3, 0.0)]
        assert weighted_at_k([1, 1, 1, 0], cancelled, [0, 0, 0, 1], 4) == (0.5, 0.0)
