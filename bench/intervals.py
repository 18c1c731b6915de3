"""Confidence intervals over problems."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95% interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def mean_interval(
    per_problem: npt.ArrayLike, *, level: float = 0.95, replicates: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """The mean over problems and its interval, by a bootstrap that draws whole problems.

    >>> mean, low, high = mean_interval([1.0, 0.0, 0.5, 1.0] * 25)
    >>> mean, 0.5 < low < mean < high < 0.75
    (0.625, True)

    Where all problems agree (0 of 50 solved, say) a bootstrap sees no spread; there the exact binomial
    interval stands in (Clopper and Pearson 1934). Raises ValueError for no problems at all.
    """
    values = np.asarray(per_problem, dtype=np.float64)
    if not len(values):
        raise ValueError("no problems: there is no accuracy to report")
    mean = float(values.mean())
    if values.min() == values.max() and values[0] in (0.0, 1.0):
        exact = binomtest(int(values.sum()), len(values)).proportion_ci(level)
        return mean, float(exact.low), float(exact.high)
    # Counts of each problem in a replicate, so that memory stays at (replicates, problems) small integers.
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), size=replicates)
    means = counts @ values / len(values)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return mean, float(low), float(high)


def sums_interval(
    per_problem: npt.ArrayLike,
    statistic: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]],
    *,
    level: float = 0.95,
    replicates: int = 2000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """A statistic of sums over problems and its interval, by a bootstrap that draws whole problems.

    `per_problem` has shape (P, K), a row of K counts or sums a problem; `statistic` maps sums of
    shape (R, K) to values of shape (R,), as a ratio does:

    >>> hits_and_rows = [[1, 1], [0, 1], [2, 3], [1, 1]] * 25
    >>> ratio, low, high = sums_interval(hits_and_rows, lambda sums: sums[:, 0] / sums[:, 1])
    >>> round(ratio, 3), 0.55 < low < ratio < high < 0.8
    (0.667, True)

    A replicate where the statistic is NaN is left out. Raises ValueError for no problems at all.
    """
    values = np.asarray(per_problem, dtype=np.float64)
    if not len(values):
        raise ValueError("no problems: there is nothing to report")
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), size=replicates)
    drawn = statistic(counts @ values)
    point = float(statistic(values.sum(axis=0, keepdims=True))[0])
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return point, float("nan"), float("nan")
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return point, float(low), float(high)


def resampled_means(values: Floats, *, replicates: int = 2000, seed: int = 0) -> Floats:
    """The means of a bootstrap that draws whole problems, (R,) or (R, K), for values of shape (P,) or (P, K).

    Equal seeds draw equal problems: what is computed of several of these is paired.
    """
    means: Floats = _counts(len(values), replicates, seed) @ values / len(values)
    return means


@lru_cache(maxsize=2)
def _counts(problems: int, replicates: int, seed: int) -> Floats:
    """How often a replicate draws each problem, shape (R, P)."""
    drawn = np.random.default_rng(seed).integers(problems, size=(replicates, problems))
    cells = drawn + problems * np.arange(replicates)[:, None]
    return np.bincount(cells.ravel(), minlength=replicates * problems).reshape(replicates, problems).astype(np.float64)
