"""The cost to reach an accuracy, and its ratio between two curves."""

import numpy as np
import pytest

from bench.stats.compute_to_reach import CostCurve, cost_ratio, costs_to_reach

INF = float("inf")


def flat(accuracies: list[float], costs: list[float], problems: int = 30) -> CostCurve:
    """A curve on which all problems are alike."""
    return CostCurve(np.tile(accuracies, (problems, 1)), np.tile(costs, (problems, 1)))


@pytest.mark.parametrize(
    ("target", "cost"), [(0.1, 1.0), (0.2, 1.0), (0.3, 2**0.5), (0.4, 2.0), (0.5, 4.0), (0.6, 8.0), (0.61, INF)]
)
def test_cost_is_interpolated_in_its_logarithm(target, cost) -> None:
    found = costs_to_reach(np.array([[0.2, 0.4, 0.6]]), np.array([[1.0, 2.0, 8.0]]), np.array([target]))
    assert found.tolist() == pytest.approx([cost])


def test_a_curve_that_turns_down_has_reached_what_it_reached() -> None:
    found = costs_to_reach(np.array([[0.2, 0.6, 0.5]]), np.array([[1.0, 2.0, 4.0]]), np.array([0.55]))
    assert found.tolist() == pytest.approx([2 ** (0.35 / 0.4)])


def test_a_curve_that_never_gets_there_is_a_result() -> None:
    high, low = flat([0.2, 0.8], [1.0, 2.0]), flat([0.1, 0.3], [1.0, 2.0])
    found = cost_ratio(low, high, 0.5)
    assert (found.value, found.low, found.high, found.reached_a, found.reached_b) == (INF, INF, INF, 0.0, 1.0)
    found = cost_ratio(high, low, 0.5)
    assert (found.value, found.low, found.high, found.reached_a, found.reached_b) == (0.0, 0.0, 0.0, 1.0, 0.0)
    found = cost_ratio(low, low, 0.5)
    assert np.isnan([found.value, found.low, found.high]).all()
    assert (found.reached_a, found.reached_b) == (0.0, 0.0)


def test_now_and_then_out_of_reach() -> None:
    """Around its best accuracy a curve reaches it in about half of the replicates; in the others the ratio is inf."""
    rng = np.random.default_rng(0)
    right = (rng.random((60, 2)) < [0.3, 0.6]).astype(float)
    cost = np.tile([1.0, 2.0], (60, 1))
    found = cost_ratio(CostCurve(right, cost), flat([0.1, 0.9], [1.0, 2.0], 60), float(right.mean(axis=0)[1]))
    assert 0.35 < found.reached_a < 0.65
    assert np.isfinite(found.value)
    assert found.high == INF


def test_the_baselines_best_is_reached_in_every_replicate() -> None:
    rng = np.random.default_rng(0)
    right = (rng.random((60, 3)) < [0.3, 0.6, 0.7]).astype(float)
    cost = np.tile([1.0, 2.0, 4.0], (60, 1))
    same = cost_ratio(CostCurve(right, 3 * cost), CostCurve(right, cost))
    assert (same.value, same.low, same.high) == (pytest.approx(3.0),) * 3
    assert (same.reached_a, same.reached_b) == (1.0, 1.0)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="30 problems against 20"):
        cost_ratio(flat([0.5], [1.0]), flat([0.5], [1.0], 20), 0.5)
    with pytest.raises(ValueError, match="costs must be positive; count samples"):
        cost_ratio(flat([0.5], [0.0]), flat([0.5], [1.0]), 0.5)
    with pytest.raises(ValueError, match="no problems"):
        cost_ratio(flat([0.5], [1.0], 0), flat([0.5], [1.0], 0), 0.5)


@pytest.mark.slow
@pytest.mark.parametrize("accuracy", [0.5, None])
def test_intervals_of_ratios_cover_the_truth(accuracy) -> None:
    """Two curves of pools of 32 with tokens that depend on the problem: one finds the right answer twice as fast."""
    rng = np.random.default_rng(0)
    count, sizes = 20_000, np.array([1, 2, 4, 8, 16, 32])
    chances, tokens = rng.beta(0.6, 1.2, size=count), rng.lognormal(5, 0.6, size=(count, 1))
    slow = rng.binomial(32, 1 - (1 - chances[:, None]) ** (sizes / 2)) / 32
    fast = rng.binomial(32, 1 - (1 - chances[:, None]) ** sizes) / 32
    a, b = (CostCurve(right, tokens * sizes * price) for right, price in ((fast, 1.3), (slow, 1.0)))
    truth = cost_ratio(a, b, accuracy, replicates=1).value
    hits = 0
    for study in range(1000):
        drawn = rng.integers(count, size=200)
        mine = (CostCurve(curve.correct[drawn], curve.cost[drawn]) for curve in (a, b))
        found = cost_ratio(*mine, accuracy, replicates=1000, seed=study // 50)
        hits += found.low <= truth <= found.high
    assert 0.93 <= hits / 1000 <= 0.97
