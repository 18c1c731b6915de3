"""Means over training seeds and problems, their differences and ratios, with intervals that cover both.

A table has shape (S, P): a value a training seed and problem, the same problems for every seed. Both were drawn, so
both make an interval wider; a bootstrap over few seeds makes it too short (with 3 seeds whose accuracies differ by 0.2
it covers 73%).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.stats.arrays import Floats
from bench.stats.intervals import Estimate, mean_interval

REPLICATES = 2000
_LEVEL = 0.95


def estimate(per_problem: npt.ArrayLike, *, bounds: tuple[float, float] = (0.0, 1.0)) -> Estimate:
    """The mean of a table (S, P) of values within `bounds`, and its interval.

    >>> e = estimate(np.tile([0.0, 1.0], (3, 50)))
    >>> e.value, 0.38 < e.low < 0.45 and 0.55 < e.high < 0.62
    (0.5, True)

    Over problems it reaches as far as `mean_interval`, which covers near the bounds too. What training seeds add is a
    t-interval of their own effect, as far as they differ by more than their problems explain (crossed random effects;
    Searle, Casella and McCulloch 1992, chapter 5); the two reaches add up as squares. Where there is one problem, or
    one figure a seed, it is the wider of both intervals over seeds; without bounds a t-interval of both effects. Of one
    seed and one problem nothing is known: NaN.

    Simulated it covers 92% and more with 1, 3 and 8 seeds, where seeds differ by chance alone, a little or by 0.2, and
    where half of 8 seeds fail; of seeds of which every fourth fails 89%, every tenth 57%: what 8 trainings have not
    shown, no interval knows.
    """
    table = _table(per_problem)
    mean = float(table.mean())
    if np.isnan(mean) or table.size == 1:
        return Estimate(mean, np.nan, np.nan)
    bounded = bool(np.isfinite(bounds).all())
    if table.shape[1] == 1 or not bounded:
        spread = _spread(table)
        low, high = mean_interval(table[:, 0], bounds=bounds)[1:] if bounded else (mean, mean)
        reach = spread.quantile * spread.error
        return Estimate(mean, max(min(low, mean - reach), bounds[0]), min(max(high, mean + reach), bounds[1]))
    _, low, high = mean_interval(table.mean(axis=0), bounds=bounds)
    more = _reach_of_seeds(table)
    low, high = mean - np.hypot(mean - low, more), mean + np.hypot(high - mean, more)
    return Estimate(mean, float(max(low, bounds[0])), float(min(high, bounds[1])))


def difference(one: npt.ArrayLike, other: npt.ArrayLike, *, bounds: tuple[float, float] = (-1.0, 1.0)) -> Estimate:
    """The mean of one table minus the other, paired by problem (and by training seed, where both have several)."""
    return estimate(_table(one) - _table(other), bounds=bounds)


def relative_gain(one: npt.ArrayLike, other: npt.ArrayLike) -> Estimate:
    """mean(one) / mean(other) - 1 of tables (S, P), paired by problem and by training seed; Fieller's interval (1954).

    A ratio lies within it where mean(one) - ratio * mean(other) does not differ from 0; both means are 0 or more, so
    that it ends at -1 below, and has no end above where the other may be 0. NaN where the other is 0: more than
    nothing is no percentage.

    >>> rng = np.random.default_rng(0)
    >>> a, b = 0.6 + 0.1 * rng.standard_normal((8, 20)), 0.5 + 0.1 * rng.standard_normal((8, 20))
    >>> gain = relative_gain(a, b)
    >>> 0.1 < gain.low < gain.value < gain.high < 0.35
    True
    """
    a, b = np.broadcast_arrays(_table(one), _table(other))
    centre, base = float(a.mean()), float(b.mean())
    if not base > 0 or np.isnan(centre) or a.size == 1:
        return Estimate(centre / base - 1 if base else np.nan, np.nan, np.nan)
    ratio = centre / base

    def differs(at: float) -> bool:
        gap = a - at * b
        spread = _spread(gap)
        return abs(float(gap.mean())) > spread.quantile * spread.error

    return Estimate(ratio - 1, max(_edge(differs, ratio, -1.0), 0.0) - 1, _edge(differs, ratio, 1.0) - 1)


def spread_ratio(one: npt.ArrayLike, other: npt.ArrayLike) -> Estimate:
    """How far figures (S, 1) of training seeds lie apart, by how far others do, paired by seed.

    Of each its mean absolute deviation from the median, with Fieller's interval. A ratio of variances would need normal
    figures: of two equal arms whose seeds fail with chance 0.1 its interval covers half, this one 98%, with chance 0.25
    93%. NaN where fewer than three seeds, or no differences, tell nothing.

    >>> figures = np.arange(8.0)[:, None]
    >>> e = spread_ratio(figures, 2 * figures[::-1] + 0.5 * np.sin(figures))
    >>> 0.4 < e.low < e.value < e.high < 0.6
    True
    """
    a, b = _table(one), _table(other)
    if len(a) < 3 or min(np.ptp(a), np.ptp(b)) < 1e-9:
        return Estimate(np.nan, np.nan, np.nan)
    gain = relative_gain(np.abs(a - np.median(a)), np.abs(b - np.median(b)))
    return Estimate(1 + gain.value, 1 + gain.low, 1 + gain.high)


def draws(seeds: int, problems: int, *, replicates: int = REPLICATES) -> tuple[Floats, Floats]:
    """Bootstrap shares of seeds (R, S) and of problems (R, P), to draw both in what is no plain mean."""
    rng = np.random.default_rng(0)
    by_problem = rng.multinomial(problems, np.full(problems, 1 / problems), size=replicates) / problems
    by_seed = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=replicates) / seeds
    return by_seed, by_problem


def enlarged(by_seed: Floats) -> Floats:
    """Shares of seeds (R, S) that lie further apart: over few seeds a percentile interval is too short.

    With 8 seeds it becomes as wide as a t-interval, with 3 nearly so, with 2 three quarters of it. A share may come out
    below 0.

    >>> by_seed, _ = draws(8, 50)
    >>> low, high = np.quantile(enlarged(by_seed) @ np.arange(8.0), [0.025, 0.975])
    >>> t_interval = 2 * 2.365 * np.arange(8.0).std(ddof=1) / 8**0.5
    >>> bool(abs((high - low) / t_interval - 1) < 0.03)
    True
    """
    from scipy.special import ndtri, stdtrit

    seeds = by_seed.shape[1]
    if seeds == 1:
        return by_seed
    tail = (1 + _LEVEL) / 2
    wider = float(np.sqrt(seeds / (seeds - 1)) * stdtrit(seeds - 1, tail) / ndtri(tail))
    apart: Floats = 1 / seeds + wider * (by_seed - 1 / seeds)
    return apart


@dataclass(frozen=True, slots=True)
class _Spread:
    """The standard error of a table's mean, and how many of it the interval reaches to either side."""

    error: float
    quantile: float


def _spread(table: Floats) -> _Spread:
    from scipy.special import stdtrit

    seeds, problems = table.shape
    by_seed, by_problem, rest = _squares(table)
    # No effect is below none.
    terms = [
        (max(by_seed, rest), seeds - 1),
        (max(by_problem, rest), problems - 1),
        (-rest, (seeds - 1) * (problems - 1)),
    ]
    terms = [(square, freedom) for square, freedom in terms if freedom]
    total = sum(square for square, _ in terms)
    if total <= 0:
        return _Spread(0.0, 0.0)
    freedom = total**2 / sum(square**2 / freedom for square, freedom in terms)
    return _Spread(float(np.sqrt(total / (seeds * problems))), float(stdtrit(freedom, (1 + _LEVEL) / 2)))


def _reach_of_seeds(table: Floats) -> float:
    """How far a t-interval over seeds reaches, by what they differ beyond what their problems explain."""
    from scipy.special import stdtrit

    seeds, problems = table.shape
    if seeds == 1:
        return 0.0
    by_seed, _, rest = _squares(table)
    return float(stdtrit(seeds - 1, (1 + _LEVEL) / 2) * np.sqrt(max(by_seed - rest, 0.0) / (seeds * problems)))


def _squares(table: Floats) -> tuple[float, float, float]:
    """The mean squares of the analysis of variance: between seeds, between problems, and what neither explains."""
    seeds, problems = table.shape
    rows, columns, mean = table.mean(axis=1), table.mean(axis=0), table.mean()
    by_seed = problems * _mean_square(rows - mean, seeds - 1)
    by_problem = seeds * _mean_square(columns - mean, problems - 1)
    return by_seed, by_problem, _mean_square(table - rows[:, None] - columns + mean, (seeds - 1) * (problems - 1))


def _mean_square(deviations: Floats, freedom: int) -> float:
    return float((deviations**2).sum() / freedom) if freedom else 0.0


def _edge(differs: Callable[[float], bool], ratio: float, side: float) -> float:
    """The furthest ratio on one side that does not differ; infinite where all do not."""
    step = 0.01
    while not differs(ratio + side * step):
        step *= 2
        if step > 1e6:
            return side * np.inf
    inside, outside = 0.0, step
    while outside - inside > 1e-7:
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if differs(ratio + side * middle) else (middle, outside)
    return ratio + side * inside


def _table(values: npt.ArrayLike) -> Floats:
    return np.atleast_2d(np.asarray(values, dtype=np.float64))
