"""What a strategy scores with k samples, as an expectation over the k-subsets of a larger pool.

One pool of n samples a problem gives the whole curve k = 1..n, with far less noise than its first k
samples. `correct` (n,) holds 1.0 or 0.0 a sample, `values` (n,) its score, NaN where it cannot be
chosen, and `classes` (n,) its answer's equivalence class, -1 for none. Ties are averaged.

pass@k and best@k are exact. For votes and soft selection `subsets` seeded orders of the pool are drawn, and the first
k of an order are its k-subset: one draw serves every k. k = 1 and k = n are exact there too.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def pass_at_k(correct: npt.ArrayLike, k: int) -> float:
    """The chance that a k-subset holds a right sample: 1 - C(n-c, k) / C(n, k) (Chen et al. 2021).

    >>> pass_at_k([1, 0, 0, 0], 2)
    0.5

    Raises ValueError for k below 1 or above n.
    """
    return float(pass_curve(correct, [k])[0])


def pass_curve(correct: npt.ArrayLike, ks: Sequence[int]) -> Floats:
    """`pass_at_k` for every k, shape (K,).

    >>> pass_curve([1, 0, 0, 0], [1, 2, 4]).tolist()
    [0.25, 0.5, 1.0]
    """
    right = np.asarray(correct, dtype=np.float64)
    curve: Floats = 1.0 - _shares_without(len(right), _checked(len(right), ks))[:, int(right.sum())]
    return curve


def best_at_k(correct: npt.ArrayLike, values: npt.ArrayLike, k: int) -> float:
    """The chance that the highest-scored sample of a k-subset is right; exact, by order statistics.

    >>> best_at_k([1, 0, 0, 0], [0.9, 0.8, 0.1, 0.2], 2)  # right where sample 0 is in the subset
    0.5
    >>> best_at_k([1, 0], [0.5, 0.5], 2)  # a tie
    0.5

    Raises ValueError for k below 1 or above n.
    """
    return float(best_curve(correct, values, [k])[0])


def best_curve(correct: npt.ArrayLike, values: npt.ArrayLike, ks: Sequence[int]) -> Floats:
    """`best_at_k` for every k, shape (K,).

    >>> best_curve([1, 0, 0, 0], [0.9, 0.8, 0.1, 0.2], [1, 2, 3]).tolist()
    [0.25, 0.5, 0.75]
    """
    right, scores = np.asarray(correct, dtype=np.float64), np.asarray(values, dtype=np.float64)
    without = _shares_without(len(right), _checked(len(right), ks))
    known = ~np.isnan(scores)
    _, level, counts = np.unique(-scores[known], return_inverse=True, return_counts=True)
    means = np.bincount(level, weights=right[known], minlength=len(counts)) / counts
    better = np.concatenate(([0], np.cumsum(counts)))
    # The best of a subset is on a level where the subset has no one better, but does have one of the level.
    curve: Floats = (without[:, better[:-1]] - without[:, better[1:]]) @ means
    return curve


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
    chances, errors = weighted_curve(correct, values, classes, [k], subsets=subsets, seed=seed)
    return float(chances[0]), float(errors[0])


def weighted_curve(
    correct: npt.ArrayLike,
    values: npt.ArrayLike,
    classes: Sequence[int],
    ks: Sequence[int],
    *,
    subsets: int = 256,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """`weighted_at_k` for every k: chances and their standard errors, (K,) each.

    >>> [x.tolist() for x in weighted_curve([0, 1, 1], [0.9, 0.5, 0.6], [0, 1, 1], [1, 3])]
    [[0.6666666666666666, 1.0], [0.0, 0.0]]
    """
    return _votes(correct, values, classes, ks, _sum_of_scores, subsets=subsets, seed=seed)


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

    chances, errors = pessimistic_curve(correct, values, classes, [k], alpha=alpha, subsets=subsets, seed=seed)
    return float(chances[0]), float(errors[0])


def pessimistic_curve(
    correct: npt.ArrayLike,
    values: npt.ArrayLike,
    classes: Sequence[int],
    ks: Sequence[int],
    *,
    alpha: float = 0.5,
    subsets: int = 256,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """`pessimistic_at_k` for every k: chances and their standard errors, (K,) each."""

    def weigh(sums: Floats, counts: Floats, eligible: Floats) -> Floats:
        weights: Floats = sums / np.maximum(1.0, counts) - alpha * np.log(np.maximum(1.0, eligible)) / (counts + 1.0)
        return weights

    return _votes(correct, values, classes, ks, weigh, subsets=subsets, seed=seed)


def soft_curve(
    correct: npt.ArrayLike,
    values: npt.ArrayLike,
    ks: Sequence[int],
    *,
    temperature: float = 0.1,
    subsets: int = 256,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """The chance that soft Best-of-k is right (see `search.soft`) for every k, and standard errors, (K,) each.

    >>> [x.tolist() for x in soft_curve([1, 0], [0.5, 0.5], [1, 2])]
    [[0.5, 0.5], [0.0, 0.0]]

    Raises ValueError for k below 1 or above n, and for a temperature that is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"temperature={temperature}: it must be positive; `best_curve` is the limit at 0")
    right, scores = np.asarray(correct, dtype=np.float64), np.asarray(values, dtype=np.float64)
    n, known = len(right), ~np.isnan(scores)
    sizes = _checked(n, ks)
    if not known.any():
        return np.zeros(len(sizes)), np.zeros(len(sizes))
    mass = np.where(known, np.exp((np.nan_to_num(scores) - scores[known].max()) / temperature), 0.0)
    order = _orders(n, sizes, subsets, seed)
    all_mass, right_mass = mass[order].cumsum(axis=1), (mass * right)[order].cumsum(axis=1)
    chances, errors = np.zeros(len(sizes)), np.zeros(len(sizes))
    for i, k in enumerate(sizes):
        if k == 1:
            chances[i] = (right * known).mean()
            continue
        total = all_mass[:, k - 1]
        chances[i], errors[i] = _mean(right_mass[:, k - 1] / np.where(total > 0, total, 1.0), exact=k == n)
    return chances, errors


def _sum_of_scores(sums: Floats, _counts: Floats, _eligible: Floats) -> Floats:
    return sums


def _votes(
    correct: npt.ArrayLike,
    values: npt.ArrayLike,
    classes: Sequence[int],
    ks: Sequence[int],
    weigh: Callable[[Floats, Floats, Floats], Floats],
    *,
    subsets: int,
    seed: int,
) -> tuple[Floats, Floats]:
    """Vote among the first k of seeded orders, for every k.

    `weigh` makes the classes' weights, shape (orders, classes), of the sums and counts of their
    members' scores, of that shape too, and the number of scored samples, shape (orders, 1).
    """
    right, scores = np.asarray(correct, dtype=np.float64), np.asarray(values, dtype=np.float64)
    labels = np.asarray(classes, dtype=np.int64)
    n = len(right)
    sizes = _checked(n, ks)
    chances, errors = np.zeros(len(sizes)), np.zeros(len(sizes))
    # A sample that cannot be chosen has no vote; one without a readable answer is wrong, and wins nothing.
    voters = ~np.isnan(scores) & (labels >= 0)
    names, column = np.unique(labels[voters], return_inverse=True)
    if not len(names):
        return chances, errors
    place = np.zeros(n, dtype=np.int64)
    place[voters] = column
    class_right = np.bincount(column, weights=right[voters]) / np.bincount(column)
    order = _orders(n, sizes, subsets, seed)
    rows = np.arange(len(order))[:, None] * len(names)
    counts, sums = np.zeros(len(order) * len(names)), np.zeros(len(order) * len(names))
    eligible = (~np.isnan(scores))[order].cumsum(axis=1)
    seen = 0
    for i in np.argsort(sizes, kind="stable"):
        k = sizes[i]
        if k == 1:
            chances[i] = (right * voters).mean()
            continue
        new = order[:, seen:k]
        cells, votes = (rows + place[new]).ravel(), voters[new].ravel().astype(np.float64)
        counts += np.bincount(cells, weights=votes, minlength=len(counts))
        sums += np.bincount(cells, weights=votes * np.nan_to_num(scores)[new].ravel(), minlength=len(sums))
        seen = k
        shape = (len(order), len(names))
        have = counts.reshape(shape)
        weights = np.where(have > 0, weigh(sums.reshape(shape), have, eligible[:, k - 1 : k]), -np.inf)
        top = weights.max(axis=1, keepdims=True)
        winners = (weights >= top - 1e-9 * np.maximum(1.0, np.abs(top))) & np.isfinite(weights)
        share = winners.sum(axis=1)
        outcomes = np.where(share > 0, (winners @ class_right) / np.maximum(share, 1), 0.0)
        chances[i], errors[i] = _mean(outcomes, exact=k == n)
    return chances, errors


def _mean(outcomes: Floats, *, exact: bool) -> tuple[float, float]:
    """Their mean and its standard error; of the whole pool all orders have one outcome."""
    if exact:
        return float(outcomes[0]), 0.0
    return float(outcomes.mean()), float(outcomes.std(ddof=1) / math.sqrt(len(outcomes)))


def _orders(n: int, sizes: Sequence[int], count: int, seed: int) -> npt.NDArray[np.int64]:
    """The first max(sizes) samples of seeded orders, shape (count, max(sizes)); one where all of them are wanted."""
    if min(sizes) == n:
        return np.arange(n)[None]
    return np.random.default_rng(seed).random((count, n)).argsort(axis=1)[:, : max(sizes)]


@lru_cache(maxsize=64)
def _shares_without(n: int, sizes: tuple[int, ...]) -> Floats:
    """The share of k-subsets of n that hold none of m items, for each k and m = 0..n; shape (K, n + 1)."""
    k, m = np.array(sizes, dtype=np.float64)[:, None], np.arange(n, dtype=np.float64)
    ratios = np.maximum(0.0, n - m - k) / (n - m)
    return np.hstack([np.ones((len(sizes), 1)), np.cumprod(ratios, axis=1)])


def _checked(n: int, ks: Sequence[int]) -> tuple[int, ...]:
    for k in ks:
        if not 1 <= k <= n:
            raise ValueError(f"k={k} from a pool of {n}: k must be between 1 and the size of the pool")
    return tuple(ks)
