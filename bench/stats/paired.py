"""Two strategies on the same problems: is one better than the other?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bench.stats.arrays import Floats
from bench.stats.intervals import mean_intervals

_FLIPS = 10_000
_CELLS = 1 << 20  # signs that are looked at at once
_MOST = 1 << 26  # that are kept for several comparisons

Values: TypeAlias = Sequence[float] | Floats
Signs: TypeAlias = npt.NDArray[np.int8]


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
    apart = [row[row != 0] for row in differences]
    flips = _flips(max(map(len, apart), default=0), seed)
    return [
        Comparison(*interval, _sign_flip_p(row, flips, seed)) for interval, row in zip(intervals, apart, strict=True)
    ]


def _sign_flip_p(differences: Floats, flips: Signs, seed: int) -> float:
    """The share of sign flips whose sum is as far from 0 as the observed one; of non-zero differences, (M,).

    `flips` are at least as many signs, 0 or 1, as all of them have, or none.
    """
    count, total = len(differences), differences.sum()
    observed = abs(total) * (1 - 1e-9)  # sums that differ by rounding are equal
    if 1 << count <= _FLIPS:
        signs = 1 - 2 * (np.arange(1 << count)[:, None] >> np.arange(count) & 1)
        return float((abs(signs @ differences) >= observed).mean())
    rng, extreme = np.random.default_rng(seed), 1
    rows = max(4, _CELLS // count // 4 * 4)  # in parts, which bounds the memory; the generator makes signs by fours
    for start in range(0, _FLIPS, rows):
        cells = slice(start * count, min(start + rows, _FLIPS) * count)
        drawn = flips[cells] if len(flips) else rng.integers(0, 2, cells.stop - cells.start, dtype=np.int8)
        extreme += int((abs(2 * (drawn.reshape(-1, count) @ differences) - total) >= observed).sum())
    return extreme / (_FLIPS + 1)


def _flips(most: int, seed: int) -> Signs:
    """The signs of all comparisons of up to so many differences, which begin alike; none where there are too many."""
    count = _FLIPS * most
    return np.random.default_rng(seed).integers(0, 2, count if count <= _MOST else 0, dtype=np.int8)
