"""What a strategy scores with k samples, as an expectation over the k-subsets of a larger pool.

One pool of n samples a problem gives the whole curve k = 1..n, with far less noise than its first k
samples. `correct` (n,) holds 1.0 or 0.0 a sample, `values` (n,) its score and `classes` (n,) its answer's
equivalence class. The rules are the same for all:

- NaN is the score of a sample that cannot be chosen: an unfinished one, or one without an opinion. It takes
  its place in a subset, but is not chosen and has no vote. A subset of nothing else counts as wrong.
  Only pass@k, for which nothing is chosen, looks at `correct` alone.
- Class -1 is an answer that cannot be read. It has no vote; by its score alone (best@k) it may be chosen.
- Ties are averaged: over the samples of the highest score, over the classes of the most votes.

pass@k and best@k are exact. Votes and soft selection are exact where a pool has at most `subsets` k-subsets
(k = n, k = n - 1, ...) and for k = 1; else they are a mean over `subsets` seeded ones, with its standard error.
"""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from bench.stats.arrays import Floats, Ints
from bench.stats.subsets import Outcomes, check_sizes, mean_over_subsets
from verifiers.interface.scoring import outweighing

Numbers = TypeVar("Numbers", Floats, Ints)

_CELLS = 1 << 15  # numbers in an array while votes are counted: few enough for a cache


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
    curve: Floats = 1.0 - _shares_without(len(right), tuple(ks))[:, int(right.sum())]
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
    without = _shares_without(len(right), tuple(ks))
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

    With scores that are all the same, and above 0, it is majority voting (maj@k). Scores below 0 (logits,
    log-probabilities) make a class lighter with every vote: sum probabilities instead. A subset in which nobody votes
    counts as wrong, where `search.weighted`, as a last resort, chooses its best-scored solution.

    >>> weighted_at_k([0, 1, 1], [0.9, 0.5, 0.6], [0, 1, 1], 3)
    (1.0, 0.0)

    Raises ValueError for k below 1 or above n.
    """
    chances, errors = weighted_curves(correct, [values], classes, [k], subsets=subsets, seed=seed)
    return chances.item(), errors.item()


def weighted_curves(
    correct: npt.ArrayLike,
    values: Sequence[npt.ArrayLike],
    classes: Sequence[int],
    ks: Sequence[int],
    *,
    subsets: int = 256,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """`weighted_at_k` of each of several scorers' values, for every k: chances and standard errors, (V, K) each.

    >>> [x.tolist() for x in weighted_curves([0, 1, 1], [[0.9, 0.5, 0.6], [1, 1, 1]], [0, 1, 1], [1, 3])]
    [[[0.6666666666666666, 1.0], [0.6666666666666666, 1.0]], [[0.0, 0.0], [0.0, 0.0]]]
    """
    return _votes(correct, values, classes, ks, lambda sums, _counts, _unread: sums, subsets=subsets, seed=seed)


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

    See `search.pessimistic`.

    >>> pessimistic_at_k([1, 0, 0], [0.9, 0.8, 0.8], [0, 1, 1], 3, alpha=1.0)
    (0.0, 0.0)

    Raises ValueError for k below 1 or above n.
    """

    chances, errors = pessimistic_curves(correct, [values], classes, [k], alpha=alpha, subsets=subsets, seed=seed)
    return chances.item(), errors.item()


def pessimistic_curves(
    correct: npt.ArrayLike,
    values: Sequence[npt.ArrayLike],
    classes: Sequence[int],
    ks: Sequence[int],
    *,
    alpha: float = 0.5,
    subsets: int = 256,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """`pessimistic_at_k` of each of several scorers' values, for every k: chances and standard errors, (V, K) each."""

    def weigh(sums: Floats, counts: Ints, unread: Ints) -> Floats:
        eligible = counts.sum(axis=1, keepdims=True) + unread
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

    >>> [x.round(3).tolist() for x in soft_curve([1, 0, 0], [0.5, 0.5, 0.4], [1, 2, 3])]
    [[0.333, 0.41, 0.422], [0.0, 0.0, 0.0]]

    Raises ValueError for k below 1 or above n, and for a temperature that is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"temperature={temperature}: it must be positive; `best_curve` is the limit at 0")
    right, scores = np.asarray(correct, dtype=np.float64), np.asarray(values, dtype=np.float64)
    logits = np.where(np.isnan(scores), -np.inf, outweighing(scores / temperature))
    right_logits = np.where(right > 0, logits, -np.inf)

    def outcomes(rows: Ints, sizes: Ints) -> Floats:
        # Sums of exponentials in their logarithms, which neither overflow nor vanish on any scale of scores.
        every = np.logaddexp.accumulate(logits[rows], axis=1)[:, sizes - 1].T
        of_right = np.logaddexp.accumulate(right_logits[rows], axis=1)[:, sizes - 1].T
        chance: Floats = np.exp(of_right - np.where(np.isfinite(every), every, 0.0))
        return chance

    return mean_over_subsets(len(right), ks, outcomes, subsets=subsets, seed=seed)


def _votes(
    correct: npt.ArrayLike,
    values: Sequence[npt.ArrayLike],
    classes: Sequence[int],
    ks: Sequence[int],
    weigh: Callable[[Floats, Ints, Ints], Floats],
    *,
    subsets: int,
    seed: int,
) -> tuple[Floats, Floats]:
    """Vote among the k samples of subsets, for each of the `values` and every k.

    `weigh` makes the classes' weights, shape (K, classes, subsets), of the sums and counts of their members' scores, of
    that shape too, and of the number of scored samples without an answer that can be read, shape (K, 1, subsets).
    """
    right, scores = np.asarray(correct, dtype=np.float64), np.asarray(values, dtype=np.float64)
    chances, errors = np.zeros((2, len(scores), len(ks)))
    alike: dict[bytes, list[int]] = {}  # those that speak of the same samples, and share all but the sums
    for i, known in enumerate(~np.isnan(scores)):
        alike.setdefault(known.tobytes(), []).append(i)
    for places in alike.values():
        outcomes = _votes_of(right, scores[places], np.asarray(classes, dtype=np.int64), weigh)
        chances[places], errors[places] = mean_over_subsets(len(right), ks, outcomes, subsets=subsets, seed=seed)
    return chances, errors


def _votes_of(right: Floats, scores: Floats, labels: Ints, weigh: Callable[[Floats, Ints, Ints], Floats]) -> Outcomes:
    """The outcomes of votes with each of the `scores`, (V, n), which are NaN for the same samples."""
    known = ~np.isnan(scores[0])
    voters = known & (labels >= 0)
    names, place = np.unique(np.where(voters, labels, np.where(known, -1, -2)), return_inverse=True)
    first = int(np.searchsorted(names, 0))  # the columns before it are of those without a vote
    class_right = (np.bincount(place, weights=right) / np.bincount(place))[first:]
    votes = np.where(voters, outweighing(scores), 0.0)
    # Of votes that cancel out.
    rounding = 1e-14 * np.abs(np.where(voters & np.isfinite(scores), scores, 0.0)).max(axis=1, initial=0.0)

    def outcomes(rows: Ints, sizes: Ints) -> Floats:
        parts = math.ceil(len(rows) * len(sizes) * len(names) / _CELLS)
        return np.concatenate([count(part, sizes) for part in np.array_split(rows, min(parts, len(rows)))], axis=-1)

    def count(rows: Ints, sizes: Ints) -> Floats:
        shape = (len(sizes), len(names), len(rows))
        # What lies between two sizes is counted at the larger one, and then summed up to each.
        size = np.searchsorted(sizes, np.arange(rows.shape[1]), side="right")
        cells = ((size * len(names) + place[rows]) * len(rows) + np.arange(len(rows))[:, None]).ravel()
        counts = _summed(np.bincount(cells, minlength=math.prod(shape)).reshape(shape))
        unread = counts[:, names == -1].sum(axis=1, keepdims=True)
        counts = counts[:, first:]
        voted = counts > 0
        chance = np.zeros((len(votes), len(sizes), len(rows)))
        for i, of_each in enumerate(votes):
            cast = np.bincount(cells, weights=of_each[rows].ravel(), minlength=math.prod(shape))
            sums = _summed(cast.astype(np.float64, copy=False).reshape(shape))
            weights = np.where(voted, weigh(sums[:, first:], counts, unread), -np.inf)
            top = weights.max(axis=1, keepdims=True, initial=-np.inf)
            winners = (weights >= top - 1e-9 * np.abs(top) - rounding[i]) & np.isfinite(weights)
            chance[i] = (class_right @ winners) / np.maximum(1, winners.sum(axis=1))
        return chance

    return outcomes


def _summed(table: Numbers) -> Numbers:
    """A table with its first axis summed up in place, many times faster than by cumsum."""
    for i in range(1, len(table)):
        table[i] += table[i - 1]
    return table


def distinct_curve(kinds: Sequence[Hashable], ks: Sequence[int]) -> Floats:
    """How many different samples a k-subset holds on average, for every k, shape (K,); `kinds` (n,) tells them apart.

    >>> distinct_curve(["a", "a", "b"], [1, 2, 3]).tolist()
    [1.0, 1.6666666666666667, 2.0]
    """
    without = _shares_without(len(kinds), tuple(ks))
    sizes = Counter(Counter(kinds).values())  # how many kinds have so many samples
    curve: Floats = (1.0 - without[:, list(sizes)]) @ np.array(list(sizes.values()), dtype=np.float64)
    return curve


@lru_cache(maxsize=64)
def _shares_without(n: int, sizes: tuple[int, ...]) -> Floats:
    """The share of k-subsets of n that hold none of m items, for each k and m = 0..n; shape (K, n + 1)."""
    check_sizes(n, sizes)
    k, m = np.array(sizes, dtype=np.float64)[:, None], np.arange(n, dtype=np.float64)
    ratios = np.maximum(0.0, n - m - k) / (n - m)
    return np.hstack([np.ones((len(sizes), 1)), np.cumprod(ratios, axis=1)])
