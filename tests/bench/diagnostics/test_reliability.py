"""Reliability: bins of equal mass, intervals that cover, and a plot that can be drawn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from bench.diagnostics.reliability import expected_calibration_error, plot_reliability, reliability


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=60), st.integers(1, 12))
def test_bins_part_the_rows_and_equal_scores_share_one(pairs, bins):
    scores = np.array([p[0] / 6 for p in pairs])
    labels = np.array([float(p[1]) for p in pairs])
    found = reliability(scores, labels, bins=bins, replicates=50)
    assert sum(b.count for b in found) == len(pairs)
    assert len(found) <= bins
    assert [b.score for b in found] == sorted({b.score for b in found})
    assert sum(b.count * b.label for b in found) == pytest.approx(labels.sum())
    assert all(b.low <= b.label <= b.high for b in found)
    order, start = np.sort(scores), 0
    for b in found:
        assert start == 0 or order[start - 1] < order[start]
        start += b.count


def test_bins_have_equal_mass_where_scores_differ():
    found = reliability(np.linspace(0, 1, 100), np.zeros(100), bins=7)
    assert {b.count for b in found} <= {14, 15}


def test_the_error_is_the_mean_distance_by_hand():
    scores = [0.1] * 4 + [0.6] * 4 + [0.9] * 2
    labels = [0, 0, 0, 1, 1, 1, 0, 0, 1, 1]
    # |0.1 - 0.25| * 0.4 + |0.6 - 0.5| * 0.4 + |0.9 - 1| * 0.2
    assert expected_calibration_error(scores, labels, bins=3) == pytest.approx(0.12)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    scores = rng.uniform(0, 1, (150, 200))
    labels = rng.uniform(0, 1, (150, 200)) < scores
    hits = [
        b.low <= b.score <= b.high
        for s, y in zip(scores, labels, strict=True)
        for b in reliability(s, y, bins=4, replicates=300)
    ]
    # 600 bins of 50 rows; a percentile bootstrap falls a little short of 95%.
    assert 0.90 < np.mean(hits) < 0.98


def test_rows_of_one_problem_are_drawn_together():
    rng = np.random.default_rng(0)
    outcome = np.repeat(rng.integers(0, 2, 40), 10).astype(float)  # ten rows a problem, all alike
    names = np.repeat(np.arange(40), 10).tolist()
    [alone] = reliability(np.full(400, 0.5), outcome, bins=1)
    [together] = reliability(np.full(400, 0.5), outcome, groups=names, bins=1)
    ratio = (together.high - together.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(np.sqrt(10), rel=0.15)


def test_where_all_agree_the_exact_interval_stands_in():
    [one] = reliability(np.full(20, 0.9), np.ones(20), bins=1)
    exact = binomtest(20, 20).proportion_ci(0.95)
    assert (one.low, one.high) == pytest.approx((exact.low, exact.high), rel=1e-14)
    [few] = reliability(np.full(20, 0.1), np.zeros(20), groups=[0] * 10 + [1] * 10, bins=1)
    assert few.high == pytest.approx(binomtest(0, 2).proportion_ci(0.95).high, rel=1e-14)


@pytest.mark.parametrize(
    ("scores", "labels", "options", "said"),
    [
        ([], [], {}, "0 rows"),
        ([0.5], [1, 0], {}, "1 scores, 2 labels and 1 groups"),
        ([0.5], [1], {"groups": [1, 2]}, "2 groups"),
        ([float("nan")], [1], {}, "1 scores and 0 labels NaN"),
        ([0.5], [1], {"bins": 0}, "bins is 0"),
    ],
)
def test_what_cannot_be_binned_is_named(scores, labels, options, said):
    with pytest.raises(ValueError, match=said):
        reliability(scores, labels, **options)


def test_the_plot_is_written_whole(tmp_path):
    rng = np.random.default_rng(0)
    raw = rng.uniform(0, 1, 800)
    labels = rng.uniform(0, 1, 800) < raw**3
    curves = {"raw": reliability(raw, labels), "calibrated": reliability(raw**3, labels)}
    plot_reliability(curves, tmp_path / "reliability.png", title="chain: ORM")
    assert (tmp_path / "reliability.png").read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["reliability.png"]
