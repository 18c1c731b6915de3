"""Intervals over problems: how often they cover the truth, and what they say of few and of agreeing problems."""

from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.estimators import best_at_k, weighted_at_k
from bench.stats.intervals import mean_interval, resampled_means

ACCURACIES = (0.1, 0.5, 0.9)


def pools(mean: float, spread: float, rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Pools of 16 answers, 0 the right one; the problems' difficulties are Beta-distributed."""
    chances = rng.beta(mean * spread, (1 - mean) * spread, size=count)
    return [np.where(rng.random(16) < p, 0, np.minimum(rng.geometric(0.4, 16), 8)) for p in chances]


def values_of(kind: str, pool: np.ndarray, rng: np.random.Generator) -> float:
    right = pool == 0
    if kind == "pass@1":
        return float(right.mean())
    if kind == "best@4":
        return best_at_k(right, right + rng.normal(size=16), 4)
    return weighted_at_k(right, np.ones(16), pool, 8, subsets=64, seed=int(rng.integers(1 << 30)))[0]


def covered(
    kind: str, mean: float, spread: float, problems: list[int], studies: int, replicates: int = 2000
) -> list[float]:
    """The share of studies whose interval holds the truth: the mean of the 2,000 problems they draw from."""
    rng = np.random.default_rng(0)
    truth = np.array([values_of(kind, pool, rng) for pool in pools(mean, spread, rng, 2000)])
    return [covered_by(truth, count, studies, deepcopy(rng), replicates) for count in problems]


def covered_by(truth: np.ndarray, problems: int, studies: int, rng: np.random.Generator, replicates: int) -> float:
    hits = 0
    for study in range(studies):
        _, low, high = mean_interval(rng.choice(truth, problems), replicates=replicates, seed=study // 50)
        hits += low <= truth.mean() <= high
    return hits / studies


@pytest.mark.parametrize("mean", [0.1, *(pytest.param(mean, marks=pytest.mark.slow) for mean in ACCURACIES[1:])])
def test_intervals_cover_the_truth_in_93_to_97_of_100_studies(mean) -> None:
    assert all(0.93 <= share <= 0.97 for share in covered("pass@1", mean, 1.0, [30, 200], 1000))


@pytest.mark.slow
@pytest.mark.parametrize("mean", ACCURACIES)
@pytest.mark.parametrize("kind", ["pass@1", "best@4", "maj@8"])
@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0])
def test_intervals_cover_for_every_kind_of_point(kind, mean, spread) -> None:
    """Difficulties from nearly all-or-nothing (0.5) to spread out (2); 2,000 studies, so known to 0.5 points.

    With half of the usual replicates an interval leaves out 0.1 points more: (0.025 * 999 + 1) / 1001 in each tail.
    """
    assert all(0.93 <= share <= 0.969 for share in covered(kind, mean, spread, [50, 200], 2000, replicates=1000))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(0, 3))
def test_an_interval_holds_its_mean_and_stays_within_the_bounds(values, seed) -> None:
    mean, low, high = mean_interval(values, replicates=200, seed=seed)
    assert 0.0 <= low <= mean <= high <= 1.0
    assert mean == pytest.approx(np.mean(values))
    assert low < high


@pytest.mark.parametrize("count", [1, 2, 50, 4000])
def test_where_all_agree_the_interval_is_the_exact_binomial_one(count) -> None:
    from scipy.stats import binomtest

    for value in (0.0, 1.0):
        exact = binomtest(int(value * count), count).proportion_ci(0.95)
        assert mean_interval([value] * count) == pytest.approx((value, exact.low, exact.high), abs=1e-12)


def test_right_and_wrong_alone_give_the_uniform_priors_interval() -> None:
    from scipy.stats import beta

    _, low, high = mean_interval([1.0] * 7 + [0.0] * 23, replicates=40_000)
    assert (low, high) == (
        pytest.approx(beta.ppf(0.025, 8, 24), abs=0.003),
        pytest.approx(beta.ppf(0.975, 8, 24), abs=0.003),
    )


def test_interval_where_nothing_was_solved_is_not_a_point() -> None:
    average, low, high = mean_interval(np.zeros(50))
    assert (average, low) == (0.0, 0.0)
    assert high == pytest.approx(1 - 0.025 ** (1 / 50))
    with pytest.raises(ValueError, match="no problems"):
        mean_interval([])


def test_expectations_of_one_up_to_rounding_are_ones() -> None:
    assert mean_interval([1.0, 1.0 - 1e-16, 1.0 + 2e-16]) == mean_interval([1.0] * 3)


def test_values_outside_the_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"values from -0.5 to 1: they must lie within bounds=\(0.0, 1.0\)"):
        mean_interval([-0.5, 1.0])
    mean, low, high = mean_interval([-0.5, 1.0], bounds=(-1.0, 1.0))
    assert -1.0 < low < mean == 0.25 < high < 1.0


def test_replicates_weigh_whole_problems_and_are_paired() -> None:
    values = np.random.default_rng(0).random((1300, 2))  # more problems than are weighed at a time
    [drawn] = resampled_means([values], replicates=4000)
    assert drawn.shape == (4000, 2)
    assert drawn.std(axis=0) == pytest.approx(values.std(axis=0) / np.sqrt(1301), rel=0.05)
    [differences] = resampled_means([values[:, :1] - values[:, 1:]], replicates=4000)
    assert drawn[:, :1] - drawn[:, 1:] == pytest.approx(differences)
