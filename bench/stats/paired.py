"""Two strategies on the same problems: is one better than the other?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from bench.stats.arrays import Floats
from bench.stats.intervals import mean_intervals

_FLIPS = 10_000
_CELLS = 1 << 22  # signs that are at hand at once

Values: TypeAlias = Sequence[float] | Floats


@dataclass(frozen=True, slots=True)
class Comparison:
    """A mean difference over problems, its 95% interval, and the two-sided p-value of no difference."""

    difference: float
    low: float
    high: float
    p: float


def compare(a: Values, b: Values, *, seed: int = 0) -> Comparison:
    """How much more `a` scores than `b` on the same problems, in the same order; (P,) each, values 0 to 1.

    >>> c = compare([1.0, 1.0, 0.0, 1.0] * 10, [0.0, 1.0, 0.0, 1.0] * 10)
    >>> c.difference, 0 < c.low < 0.25 < c.high, round(c.p, 2)
    (0.25, True, 0.0)

    The interval is `mean_interval`'s of the differences. The p-value is the sign-flip test's: with no
    difference each problem's could as well have had the other sign (Fisher 1935, section 21). All of a
    small number of flips are tried, or else 10,000 seeded ones, the observed one added. No difference on any
    problem gives p = 1. Raises ValueError for sequences of unequal length, and for empty ones.
    """
    [comparison] = compare_all([(a, b)], seed=seed)
    return comparison


def compare_all(pairs: Sequence[tuple[Values, Values]], *, seed: int = 0) -> list[Comparison]:
    """`compare` of each pair: the same figures, with what is random drawn once for all of them.

    >>> one, other = ([1.0, 1.0, 0.0, 1.0] * 10, [0.0, 1.0, 0.0, 1.0] * 10), ([0.5] * 20, [0.25, 0.0] * 10)
    >>> compare_all([one, other]) == [compare(*one), compare(*other)]
    True

    Raises ValueError as it does.
    """
    for a, b in pairs:
        if len(a) != len(b):
            raise ValueError(
                f"{len(a)} problems against {len(b)}: a paired comparison needs the same problems on both sides"
            )
    differences = [
        (np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)).round(12)  # 1e-17 is none
        for a, b in pairs
    ]
    intervals = mean_intervals(differences, bounds=(-1.0, 1.0), seed=seed)
    return [
        Comparison(*interval, _sign_flip_p(row[row != 0], seed))
        for interval, row in zip(intervals, differences, strict=True)
    ]


def _sign_flip_p(differences: Floats, seed: int) -> float:
    """The share of sign flips whose sum is as far from 0 as the observed one; of non-zero differences, (M,)."""
    count = len(differences)
    observed = abs(differences.sum()) * (1 - 1e-9)  # sums that differ by rounding are equal
    if 1 << count <= _FLIPS:
        signs = 1 - 2 * (np.arange(1 << count)[:, None] >> np.arange(count) & 1)
        return float((abs(signs @ differences) >= observed).mean())
    rng, extreme = np.random.default_rng(seed), 1
    total = differences.sum()
    for _ in range(10):
        left = _FLIPS // 10
        while left:  # in parts, which bounds the memory; of 4 rows each, of which the generator makes whole words
            rows = min(left, max(4, _CELLS // count // 4 * 4))
            signs = rng.integers(0, 2, (rows, count), dtype=np.int8)
            extreme += int((abs(2 * (signs @ differences) - total) >= observed).sum())
            left -= rows
    return extreme / (_FLIPS + 1)
