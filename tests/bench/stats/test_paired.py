"""Two strategies on the same problems."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test

from bench.stats.estimators import best_at_k, weighted_at_k
from bench.stats.intervals import mean_interval
from bench.stats.paired import compare

chances = st.sampled_from([0.0, 0.25, 0.5, 1.0])
pairs = st.lists(st.tuples(chances, chances), min_size=2, max_size=10)


@settings(max_examples=50, deadline=None)
@given(pairs)
def test_the_p_value_is_the_exact_sign_flip_tests(problems) -> None:
    a, b = ([pair[i] for pair in problems] for i in (0, 1))
    exact = permutation_test(
        (a, b), lambda x, y, axis: (x - y).mean(axis=axis), permutation_type="samples", n_resamples=np.inf
    )
    assert compare(a, b).p == pytest.approx(exact.pvalue)


def test_many_problems_have_a_seeded_p_value_near_the_exact_one() -> None:
    from scipy.stats import binomtest

    for wins, losses in ((20, 20), (25, 12), (40, 5)):  # of right against wrong the sign-flip test is McNemar's
        found = compare([1.0] * wins + [0.0] * losses + [1.0] * 60, [0.0] * wins + [1.0] * losses + [1.0] * 60)
        exact = binomtest(wins, wins + losses).pvalue
        assert found.p == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 10_000) + 2e-4)
        assert found.difference == pytest.approx((wins - losses) / (60 + wins + losses))


def test_no_difference_on_any_problem() -> None:
    found = compare([0.0, 0.5, 1.0] * 10, [0.0, 0.5, 1.0] * 10)
    assert (found.difference, found.p) == (0.0, 1.0)
    assert found == compare([0.0, 0.5, 1.0 - 1e-16] * 10, [1e-17, 0.5, 1.0] * 10)  # up to rounding
    assert found.low < 0.0 < found.high  # 30 problems do not show that there never is one


def test_one_problem() -> None:
    found = compare([1.0], [0.0])
    assert (found.difference, found.p) == (1.0, 1.0)
    assert -1.0 < found.low < 0.5 < found.high == 1.0


@given(pairs, st.integers(0, 3))
def test_the_interval_holds_the_difference_and_stays_in_its_range(problems, seed) -> None:
    found = compare([a for a, _ in problems], [b for _, b in problems], seed=seed)
    assert -1.0 <= found.low <= found.difference <= found.high <= 1.0
    assert 0.0 < found.p <= 1.0


def test_other_problems_are_refused() -> None:
    with pytest.raises(ValueError, match="3 problems against 2: a paired comparison needs the same problems"):
        compare([1.0, 0.0, 1.0], [1.0, 0.0])
    with pytest.raises(ValueError, match="no problems"):
        compare([], [])


def best_and_majority(spread: float, mean: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """best@8 and maj@8 of the same pools of 16."""
    rng = np.random.default_rng(0)
    rows = []
    for p in rng.beta(mean * spread, (1 - mean) * spread, size=count):
        pool = np.where(rng.random(16) < p, 0, np.minimum(rng.geometric(0.4, 16), 8))
        right = pool == 0
        best = best_at_k(right, right + rng.normal(size=16), 8)
        rows.append((best, weighted_at_k(right, np.ones(16), pool, 8, subsets=64, seed=len(rows))[0]))
    a, b = np.array(rows).T
    return a, b


def covered(a: np.ndarray, b: np.ndarray, problems: int, studies: int) -> float:
    rng = np.random.default_rng(1)
    difference, hits = (a - b).round(12), 0
    for study in range(studies):
        drawn = rng.integers(len(a), size=problems)
        _, low, high = mean_interval(difference[drawn], bounds=(-1.0, 1.0), seed=study // 50)
        hits += low <= difference.mean() <= high
    return hits / studies


def test_the_interval_is_that_of_the_mean_difference() -> None:
    """So that how often it covers can be seen without the p-values, which take most of the time."""
    a, b = np.random.default_rng(0).random((2, 300))
    found = compare(a, b, seed=3)
    assert (found.difference, found.low, found.high) == mean_interval(a - b, bounds=(-1.0, 1.0), seed=3)


@pytest.mark.slow
def test_intervals_of_differences_cover_the_truth() -> None:
    assert 0.93 <= covered(*best_and_majority(1.0, 0.5, 2000), 100, 1000) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(("spread", "mean"), [(0.5, 0.5), (1.0, 0.1), (1.0, 0.5), (1.0, 0.9), (2.0, 0.1), (2.0, 0.5)])
def test_intervals_of_differences_cover_for_many_problems(spread, mean) -> None:
    assert 0.93 <= covered(*best_and_majority(spread, mean, 2000), 200, 1000) <= 0.97


@pytest.mark.slow
def test_equal_strategies_are_rarely_told_apart() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.beta(0.5, 0.5, size=(2, 1000, 40))
    small = sum(compare(x, y).p <= 0.05 for x, y in zip(a, b, strict=True))
    assert 0.03 <= small / 1000 <= 0.07
