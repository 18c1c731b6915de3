"""How well scores agree with labels: the interval of the accuracy at a half."""

import numpy as np
import pytest

from bench.diagnostics.label_quality import Judged, quality_of
from bench.stats.intervals import mean_interval


def judged(hits: np.ndarray, rows: np.ndarray) -> Judged:
    """Of each problem's rows so many that are judged right."""
    said = np.concatenate([np.arange(m) < h for h, m in zip(hits, rows, strict=True)]).astype(float)
    problems = tuple(str(i) for i, m in enumerate(rows) for _ in range(m))
    return Judged(said, np.ones(len(said)), problems)


def test_one_problem_does_not_make_a_figure_certain():
    quality = quality_of(judged(np.array([2]), np.array([4])))
    assert quality.accuracy == 0.5
    assert quality.low < 0.25
    assert quality.high > 0.75


def test_problems_of_one_size_are_a_mean_over_problems():
    hits = np.array([0, 1, 3, 4, 4, 2])
    quality = quality_of(judged(hits, np.full(6, 4)))
    assert (quality.accuracy, quality.low, quality.high) == pytest.approx(mean_interval(hits / 4))


def test_it_is_the_share_of_all_rows():
    quality = quality_of(judged(np.array([1, 30]), np.array([10, 30])))
    assert quality.accuracy == pytest.approx(31 / 40)
    assert quality.low < quality.accuracy < quality.high


@pytest.mark.parametrize("hits", [0, 6])
def test_agreement_on_every_row_is_not_certainty(hits):
    quality = quality_of(judged(np.full(5, hits), np.full(5, 6)))
    assert quality.accuracy == hits / 6
    assert quality.high - quality.low == pytest.approx(1 - 0.025 ** (1 / 5))


@pytest.mark.parametrize("problems", [4, 10, 30])
def test_intervals_cover_the_truth_for_few_problems_of_uneven_sizes(problems):
    """A percentile bootstrap covered it in 83, 90 and 94% of studies; 300 studies are known to 1.3 points."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(300):
        rows = rng.integers(1, 17, problems)
        hits = rng.binomial(rows, rng.beta(1.4, 0.6, problems))
        quality = quality_of(judged(hits, rows))
        inside += quality.low <= 0.7 <= quality.high
    assert inside / 300 >= 0.93
