"""Means over the k-subsets of a pool: over all of them where they are few, else over seeded ones."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import combinations
from math import sqrt
from typing import TypeAlias

import numpy as np
from scipy.special import comb

from bench.stats.arrays import Floats, Ints

# Rows of sample numbers (S, L) and sizes (J,), ascending, to the outcome of each row's first k for each size, (J, S),
# or to those of several scorers, (V, J, S).
Outcomes: TypeAlias = Callable[[Ints, Ints], Floats]


def mean_over_subsets(
    n: int, ks: Sequence[int], outcomes: Outcomes, *, subsets: int = 256, seed: int = 0
) -> tuple[Floats, Floats]:
    """For every k the mean of an outcome over the k-subsets of n samples, and its standard error, (K,) or (V, K) each.

    >>> largest = lambda rows, sizes: np.array([rows[:, :k].max(axis=1) for k in sizes])
    >>> [x.tolist() for x in mean_over_subsets(3, [1, 2, 3], largest)]
    [[1.0, 1.6666666666666667, 2.0], [0.0, 0.0, 0.0]]

    Where there are at most `subsets` of a size, and of single samples, all are looked at: the error is 0.
    Of other sizes `subsets` are drawn, as the first k and the last k of seeded orders: one draw serves every
    k, and the two, which share nothing up to k = n / 2, err in opposite ways (antithetic, Hammersley and Morton 1956).
    Raises ValueError for k below 1 or above n.
    """
    check_sizes(n, ks)
    if subsets < 4:
        raise ValueError(f"subsets={subsets}: their standard error needs two pairs, so 4 or more")
    whole, drawn, order = _sizes(n, tuple(ks), subsets)
    means = [outcomes(_all_subsets(n, k), np.array([k])).mean(axis=-1) for k in whole]
    errors = [np.zeros_like(mean) for mean in means]
    if len(drawn):
        values = outcomes(_orders(n, int(drawn[-1]), subsets // 2, seed), drawn)
        pairs = (values[..., ::2] + values[..., 1::2]) / 2
        means.append(pairs.mean(axis=-1))
        errors.append(pairs.std(axis=-1, ddof=1) / sqrt(pairs.shape[-1]))
    return np.concatenate(means, axis=-1)[..., order], np.concatenate(errors, axis=-1)[..., order]


def check_sizes(n: int, ks: Sequence[int]) -> None:
    """Raise ValueError for a k below 1 or above n."""
    if wrong := [k for k in ks if not 1 <= k <= n]:
        raise ValueError(f"k={wrong[0]} from a pool of {n}: k must be between 1 and the size of the pool")


@lru_cache(maxsize=64)
def _sizes(n: int, ks: tuple[int, ...], subsets: int) -> tuple[list[int], Ints, Ints]:
    """The sizes of which all subsets are looked at, those that are drawn, and the place of each k among both."""
    sizes, place = np.unique(np.asarray(ks, dtype=np.int64), return_inverse=True)
    few = (sizes == 1) | (comb(n, sizes) <= subsets)
    return sizes[few].tolist(), sizes[~few], np.argsort(~few, kind="stable").argsort()[place]


@lru_cache(maxsize=64)
def _all_subsets(n: int, k: int) -> Ints:
    return np.array(list(combinations(range(n), k)), dtype=np.int64)


@lru_cache(maxsize=1)  # several scorers are asked about one pool in a row
def _orders(n: int, length: int, pairs: int, seed: int) -> Ints:
    """The first `length` samples of seeded orders of n, each followed by its reverse; shape (2 * pairs, length)."""
    orders = np.random.default_rng(seed).random((pairs, n)).argsort(axis=1)
    return np.stack([orders, orders[:, ::-1]], axis=1).reshape(2 * pairs, n)[:, :length]
