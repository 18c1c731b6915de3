"""What a strategy scores with k samples, as an expectation over the k-subsets of a larger pool.

One pool of n samples a problem gives the whole curve k = 1..n, with far less noise than its first k
samples. `correct` (n,) holds 1.0 or 0.0 a sample, `values` (n,) its score, NaN where it cannot be
chosen, and `classes` (n,) its answer's equivalence class, -1 for none. Ties are averaged.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def pass_at_k(correct: npt.ArrayLike, k: int) -> float:
    """The chance that a k-subset holds a right sample: 1 - C(n-c, k) / C(n, k) (Chen et al. 2021).

    >>> pass_at_k([1, 0, 0, 0], 2)
    0.5

    Raises ValueError for k below 1 or above n.
    """
    right = np.asarray(correct, dtype=np.float64)
    _check_k(len(right), k)
    return 1.0 - _share_without(len(right), int(right.sum()), k)


def best_at_k(correct: npt.ArrayLike, values: npt.ArrayLike, k: int) -> float:
    """The chance that the highest-scored sample of a k-subset is right; exact, by order statistics.

    >>> best_at_k([1, 0, 0, 0], [0.9, 0.8, 0.1, 0.2], 2)  # right where sample 0 is in the subset
    0.5
    >>> best_at_k([1, 0], [0.5, 0.5], 2)  # a tie
    0.5

    Raises ValueError for k below 1 or above n.
    """
    right, scores = np.asarray(correct, dtype=np.float64), np.asarray(values, dtype=np.float64)
    n = len(right)
    _check_k(n, k)
    expected, better = 0.0, 0
    for score in np.unique(scores[~np.isnan(scores)])[::-1]:
        tied = scores == score
        count = int(tied.sum())
        chance = _share_without(n, better, k) - _share_without(n, better + count, k)
        expected += chance * float(right[tied].mean())
        better += count
    return expected


def weighted_at_k(
    correct: npt.ArrayLike, values: npt.ArrayLike, classes: Sequence[int], k: int, *, subsets: int = 256, seed: int = 0
) -> tuple[float, float]:
    """The chance that a weighted vote in a k-subset is right, and the standard error of that estimate.

    With all scores equal it is majority voting. k = 1 and k = n are exact; between them, `subsets`
    seeded subsets are drawn.

    >>> weighted_at_k([0, 1, 1], [0.9, 0.5, 0.6], [0, 1, 1], 3)
    (1.0, 0.0)

    Raises ValueError for k below 1 or above n.
    """
    return _vote(correct, values, classes, k, _sum_of_scores, subsets=subsets, seed=seed)


def pessimistic_at_k(
    correct: npt.ArrayLike,
    values: npt.ArrayLike,
    classes: Sequence[int],
    k: int,
    *,
    alpha: float = 0.5,
    subsets: int = 256,
    seed: int = 0,
) -> tuple[float, float]:
    """The chance that pessimistic selection in a k-subset is right, and the standard error of that estimate.

    See `search.pessimistic`; exact for k = 1 and k = n.

    >>> pessimistic_at_k([1, 0, 0], [0.9, 0.8, 0.8], [0, 1, 1], 3, alpha=1.0)
    (0.0, 0.0)

    Raises ValueError for k below 1 or above n.
    """

    def weigh(sums: Floats, counts: Floats, eligible: Floats) -> Floats:
        weights: Floats = sums / np.maximum(1.0, counts) - alpha * np.log(np.maximum(1.0, eligible)) / (counts + 1.0)
        return weights

    return _vote(correct, values, classes, k, weigh, subsets=subsets, seed=seed)


def _sum_of_scores(sums: Floats, _counts: Floats, _eligible: Floats) -> Floats:
    return sums


def _vote(
    correct: npt.ArrayLike,
    values: npt.ArrayLike,
    classes: Sequence[int],
    k: int,
    weigh: Callable[[Floats, Floats, Floats], Floats],
    *,
    subsets: int,
    seed: int,
) -> tuple[float, float]:
    """Vote in seeded k-subsets.

    `weigh` makes the classes' weights, shape (subsets, classes), of the sums and counts of their
    members' scores, of that shape too, and the number of scored samples, shape (subsets, 1).
    """
    right, scores = np.asarray(correct, dtype=np.float64), np.asarray(values, dtype=np.float64)
    labels = np.asarray(classes, dtype=np.int64)
    n = len(right)
    _check_k(n, k)
    # A sample that cannot be chosen has no vote; one without a readable answer is wrong, and wins nothing.
    voters = ~np.isnan(scores) & (labels >= 0)
    names, column = np.unique(labels[voters], return_inverse=True)
    if not len(names):
        return 0.0, 0.0
    if k == 1:
        return float((right * voters).mean()), 0.0
    member = np.zeros((n, len(names)))
    member[np.flatnonzero(voters), column] = 1.0
    class_right = (right @ member) / member.sum(axis=0)
    drawn = np.ones((1, n)) if k == n else _subsets(n, k, subsets, seed)
    counts = drawn @ member
    sums, eligible = drawn @ (member * np.nan_to_num(scores)[:, None]), drawn @ ~np.isnan(scores)[:, None]
    weights = np.where(counts > 0, weigh(sums, counts, eligible), -np.inf)
    top = weights.max(axis=1, keepdims=True)
    winners = (weights >= top - 1e-9 * np.maximum(1.0, np.abs(top))) & np.isfinite(weights)
    share = winners.sum(axis=1)
    outcomes = np.where(share > 0, (winners @ class_right) / np.maximum(share, 1), 0.0)
    error = 0.0 if len(outcomes) == 1 else float(outcomes.std(ddof=1) / math.sqrt(len(outcomes)))
    return float(outcomes.mean()), error


def _subsets(n: int, k: int, count: int, seed: int) -> Floats:
    """Rows of 0 and 1: `count` subsets of size k, shape (count, n)."""
    order = np.random.default_rng(seed).random((count, n)).argsort(axis=1)
    return (order < k).astype(np.float64)


def _share_without(n: int, marked: int, k: int) -> float:
    """The share of k-subsets of n that hold none of `marked` items."""
    return math.comb(n - marked, k) / math.comb(n, k)


def _check_k(n: int, k: int) -> None:
    if not 1 <= k <= n:
        raise ValueError(f"k={k} from a pool of {n}: k must be between 1 and the size of the pool")
