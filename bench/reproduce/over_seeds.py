"""Means over training seeds and problems, their differences and ratios, with intervals that draw both."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from bench.stats.arrays import Floats
from bench.stats.intervals import Estimate

REPLICATES = 2000


def estimate(per_problem: npt.ArrayLike) -> Estimate:
    """The mean of shape (S, P), over training seeds and problems; the bootstrap draws both.

    >>> e = estimate(np.tile([0.0, 1.0], (3, 50)))
    >>> e.value, 0.38 < e.low < 0.45 and 0.55 < e.high < 0.62
    (0.5, True)
    """
    return _estimate(lambda means: means, per_problem)


def difference(one: npt.ArrayLike, other: npt.ArrayLike) -> Estimate:
    """The mean of one minus the other, paired by problem (and by training seed, where both have several)."""
    a, b = (np.atleast_2d(np.asarray(x, dtype=np.float64)) for x in (one, other))
    return estimate(a - b)


def relative_gain(one: npt.ArrayLike, other: npt.ArrayLike) -> Estimate:
    """mean(one) / mean(other) - 1, shapes (S, P), paired by problem and by training seed.

    NaN where the other may be 0: more than nothing is no percentage.

    >>> a, b = np.full((3, 20), 0.6), np.full((3, 20), 0.5)
    >>> round(relative_gain(a, b).value, 6)
    0.2
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return _estimate(lambda a, b: np.where(b > 0, a / b - 1.0, np.nan), one, other)


def _estimate(statistic: Callable[..., Floats], *tables: npt.ArrayLike) -> Estimate:
    """A statistic of the means of tables (S, P), of the same problems and seeds in every replicate."""
    values = [np.atleast_2d(np.asarray(table, dtype=np.float64)) for table in tables]
    seeds, problems = values[0].shape
    rng = np.random.default_rng(0)
    by_problem = rng.multinomial(problems, np.full(problems, 1 / problems), size=REPLICATES) / problems
    by_seed = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=REPLICATES) / seeds
    drawn = statistic(*(np.einsum("rs,sp,rp->r", by_seed, table, by_problem) for table in values))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(float(statistic(*(np.array([table.mean()]) for table in values))[0]), float(low), float(high))
