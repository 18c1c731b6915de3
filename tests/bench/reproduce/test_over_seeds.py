"""Means over training seeds and problems: against known intervals, and paired."""

import math

import numpy as np
import pytest

from bench.reproduce.claim import Claim, claims_table
from bench.reproduce.over_seeds import difference, estimate, relative_gain, spread_ratio
from bench.stats.intervals import Estimate


def test_the_interval_is_that_of_a_mean_over_problems():
    right = (np.random.default_rng(1).random((1, 400)) < 0.3).astype(float)
    found, p = estimate(right), right.mean()
    half = 1.96 * np.sqrt(p * (1 - p) / 400)
    assert found.value == pytest.approx(p, rel=1e-12)
    assert (found.low, found.high) == pytest.approx((p - half, p + half), abs=0.01)


def test_seeds_that_differ_widen_the_interval():
    same, apart = np.full((3, 50), 0.5), np.tile([[0.2], [0.5], [0.8]], (1, 50))
    assert estimate(same).high - estimate(same).low < 0.07  # that all agree was seen on 50 problems only
    assert estimate(apart).high - estimate(apart).low > 0.3


def test_differences_are_paired():
    rng = np.random.default_rng(0)
    a, noise = rng.random((3, 200)) / 2, 0.01 * rng.standard_normal((3, 200))
    found = difference(a + 0.25 + noise, a)
    assert (found.value, found.low, found.high) == pytest.approx((0.25,) * 3, abs=0.02)


def test_a_gain_is_relative_and_paired():
    rng = np.random.default_rng(0)
    base = rng.random((3, 200))
    found = relative_gain(1.2 * base, base)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.2, 0.2))


def test_a_gain_on_nothing_is_no_number():
    found = relative_gain(np.full((2, 4), 0.5), np.zeros((2, 4)))
    assert np.isnan([found.value, found.low, found.high]).all()


@pytest.mark.parametrize("spread", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("seeds", [3, 8])
def test_it_covers_over_seeds_and_problems_that_are_both_drawn(seeds, spread):
    """400 studies of 60 problems, 16 samples each: 95% but for what chance and a few seeds take."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(400):
        seed, problem = rng.normal(0, spread, (seeds, 1)), rng.uniform(-0.3, 0.3, 60)
        chances = np.clip(0.5 + seed + problem, 0, 1)
        e = estimate(rng.binomial(16, chances) / 16)
        hits += e.low <= 0.5 <= e.high
    assert 0.92 <= hits / 400 <= 0.985


@pytest.mark.parametrize(("share", "covered"), [(0.5, 0.92), (0.25, 0.89), (0.1, 0.57)])
def test_seeds_that_fail_are_covered_where_some_were_seen(share, covered):
    """With one in ten 57%: the chance that one of the 8 fails. What they have not shown no interval knows."""
    rng, hits = np.random.default_rng(1), 0
    mean = 0.1 * share + 0.9 * (1 - share)
    for _ in range(400):
        chances = np.where(rng.random((8, 1)) < share, 0.1, 0.9) * np.ones(60)
        e = estimate(rng.binomial(16, chances) / 16)
        hits += e.low <= mean <= e.high
    assert hits / 400 == pytest.approx(covered, abs=0.02)


def test_a_gain_covers_the_ratio_of_means():
    rng, hits = np.random.default_rng(2), 0
    for _ in range(300):
        problem = rng.uniform(-0.2, 0.2, 60)
        one, other = (
            rng.binomial(16, np.clip(mean + rng.normal(0, 0.1, (8, 1)) + problem, 0, 1)) / 16 for mean in (0.6, 0.5)
        )
        gain = relative_gain(one, other)
        hits += gain.low <= 0.2 <= gain.high
    assert 0.92 <= hits / 300 <= 0.985


def test_an_accuracy_of_all_is_not_sure():
    assert estimate(np.ones((8, 50))).low == pytest.approx(0.929, abs=0.001)


@pytest.mark.parametrize(
    ("low", "high", "sense", "verdict"),
    [
        (0.13, 0.2, "above", "holds"),
        (0.12, 0.2, "above", "open"),
        (-0.1, 0.2, "above", "open"),
        (-0.1, 0.1, "above", "holds not"),
        (-0.1, 0.1, "below", "holds"),
        (0.13, 0.2, "below", "holds not"),
        (float("nan"), 0.2, "above", "open"),
    ],
)
def test_a_verdict_is_the_intervals(low, high, sense, verdict):
    assert Claim("", Estimate(0.15, low, high), margin=0.12, sense=sense).verdict == verdict


def test_of_one_figure_nothing_is_known():
    for found in (difference([[0.3]], [[0.2]]), relative_gain([[0.3]], [[0.2]])):
        assert found.value > 0
        assert Claim("", found).verdict == "open"
        assert Claim("", found).interval == "none: too few problems or seeds"


def test_a_page_shows_no_nan():
    for low in (0.1, math.nan):
        assert "nan" not in claims_table([Claim("", Estimate(value, low, math.nan)) for value in (0.2, math.nan)])


@pytest.mark.parametrize(
    ("seeds", "problems", "chance"), [(1, 100, 0.03), (3, 100, 0.03), (3, 30, 0.05), (3, 12, 0.15)]
)
def test_it_covers_near_a_bound(seeds, problems, chance):
    """Rare differences, all of one kind, on which the seeds agree."""
    rng, hits = np.random.default_rng(3), 0
    for _ in range(400):
        rare = (rng.random(problems) < chance).astype(float)
        e = difference(np.tile(rare, (seeds, 1)), np.zeros((seeds, problems)))
        hits += e.low <= chance <= e.high
    assert hits / 400 >= 0.92


def test_a_gain_over_what_may_be_nothing_has_a_lower_end():
    rng = np.random.default_rng(0)
    base = np.where(np.arange(8)[:, None] < 5, 0.0, 0.6) * np.ones((8, 40))
    gain = relative_gain(0.9 + 0.02 * rng.standard_normal((8, 40)), base)
    assert gain.low > 0.12
    assert gain.high == np.inf
    assert Claim("", gain, 0.12).verdict == "holds"


def test_figures_without_bounds_have_a_t_interval():
    figures = np.arange(8.0)[:, None]
    e = estimate(figures, bounds=(-np.inf, np.inf))
    reach = 2.3646 * figures.std(ddof=1) / 8**0.5
    assert (e.low, e.high) == pytest.approx((3.5 - reach, 3.5 + reach), rel=1e-4)
    wide = estimate(np.hstack([figures, figures + 1]), bounds=(-np.inf, np.inf))
    assert wide.low < 4.0 - reach < 4.0 + reach < wide.high


@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_a_ratio_of_spreads_covers(shared):
    """400 studies of 8 seeds; what both arms' seeds share makes it no less right."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(400):
        common = shared * rng.standard_normal(8)
        one, other = 2 * (common + rng.standard_normal(8)), common + rng.standard_normal(8)
        e = spread_ratio(one[:, None], other[:, None])
        hits += e.low <= 2.0 <= e.high
    assert hits / 400 >= 0.94


@pytest.mark.parametrize("chance", [0.1, 0.25])
def test_a_ratio_of_spreads_covers_where_seeds_fail(chance):
    """1000 studies of two equal arms."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(1000):
        one, other = np.where(rng.random((2, 8)) < chance, 0.1, 0.9) + 0.02 * rng.standard_normal((2, 8))
        e = spread_ratio(one[:, None], other[:, None])
        hits += e.low <= 1.0 <= e.high
    assert hits / 1000 >= 0.92


def test_of_seeds_that_all_agree_no_ratio_is_known():
    different = np.arange(8.0)[:, None]
    for one, other in ((np.ones((8, 1)), different), (different, np.ones((8, 1))), ([[0.1], [0.2]], [[0.2], [0.4]])):
        assert math.isnan(spread_ratio(one, other).value)
