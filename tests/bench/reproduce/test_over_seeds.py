"""Means over training seeds and problems: against known intervals, and paired."""

import numpy as np
import pytest

from bench.reproduce.over_seeds import difference, estimate, relative_gain


def test_the_interval_is_that_of_a_mean_over_problems():
    right = (np.random.default_rng(1).random((1, 400)) < 0.3).astype(float)
    found, p = estimate(right), right.mean()
    half = 1.96 * np.sqrt(p * (1 - p) / 400)
    assert found.value == pytest.approx(p, rel=1e-12)
    assert (found.low, found.high) == pytest.approx((p - half, p + half), abs=0.01)


def test_seeds_that_differ_widen_the_interval():
    same, apart = np.full((3, 50), 0.5), np.tile([[0.2], [0.5], [0.8]], (1, 50))
    assert (estimate(same).low, estimate(same).high) == pytest.approx((0.5, 0.5))
    assert estimate(apart).high - estimate(apart).low > 0.3


def test_differences_are_paired():
    a = np.random.default_rng(0).random((3, 40)) / 2
    found = difference(a + 0.25, a)
    assert (found.value, found.low, found.high) == pytest.approx((0.25,) * 3)


def test_a_gain_is_relative_and_paired():
    rng = np.random.default_rng(0)
    base = rng.random((3, 200))
    found = relative_gain(1.2 * base, base)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.2, 0.2))


def test_a_gain_on_nothing_is_no_number():
    found = relative_gain(np.full((2, 4), 0.5), np.zeros((2, 4)))
    assert np.isnan([found.value, found.low, found.high]).all()
