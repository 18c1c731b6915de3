"""What votes on samples choose: accuracy by their number, order of right and wrong ones, accuracy at equal compute."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bench.diagnostics import label_quality
from bench.stats.arrays import Floats
from bench.stats.estimators import best_at_k, weighted_at_k


def mean_of_votes(votes: Sequence[Sequence[float | None]]) -> Floats:
    """One value a sample, the mean of its votes; NaN where none came to a verdict.

    >>> mean_of_votes([[0.5, None, 1.0], [None, None, None]]).tolist()
    [0.75, nan]
    """
    return np.array([np.mean(spoken) if (spoken := [v for v in row if v is not None]) else np.nan for row in votes])


def best_of(right: Sequence[float], values: npt.ArrayLike, n: int) -> float:
    """The chance that the best of n of these samples is right.

    Where nothing can be chosen one is taken at random, so that a silent verifier is no worse than none.
    """
    scored = np.asarray(values, dtype=np.float64)
    if np.isnan(scored).all():
        return float(np.mean(right))
    return best_at_k(right, scored, n)


def auc(right: npt.ArrayLike, values: npt.ArrayLike) -> float:
    """The chance that a right sample has a higher value than a wrong one; a silent verifier's is as the lowest.

    >>> auc([1, 0, 0, 1], [0.9, 0.2, np.nan, 0.2])
    0.875
    """
    scored = np.asarray(values, dtype=np.float64)
    return label_quality.auc(np.where(np.isnan(scored), -np.inf, scored), np.asarray(right))


def by_votes(right: Sequence[float], votes: Sequence[Sequence[float | None]], k: int) -> float:
    """The chance that the best of all these samples is right with k votes each: the mean over disjoint groups of k.

    Raises ValueError where a sample has fewer votes.
    """
    most = max(len(row) for row in votes)
    if not 1 <= k <= most:
        raise ValueError(f"k={k} of {most} votes")
    chances = [
        best_of(right, mean_of_votes([row[g : g + k] for row in votes]), len(right)) for g in range(0, most - k + 1, k)
    ]
    return float(np.mean(chances))


def majority(right: Sequence[float], classes: Sequence[int], n: int) -> float:
    """The chance that self-consistency over n of these samples is right."""
    return weighted_at_k(right, np.ones(len(right)), classes, n)[0]


def stays_above(
    flops: npt.ArrayLike, accuracy: npt.ArrayLike, other_flops: npt.ArrayLike, other: npt.ArrayLike
) -> float:
    """The compute from which on a curve's points are all above another curve; NaN where its last one is not.

    The other curve is a straight line in log FLOPs between its points, and flat beyond them.

    >>> stays_above([1.0, 10.0, 100.0], [0.1, 0.3, 0.5], [1.0, 100.0], [0.2, 0.2])
    10.0
    """
    x = np.asarray(flops, dtype=np.float64)
    rival = np.interp(np.log(x), np.log(np.asarray(other_flops, dtype=np.float64)), np.asarray(other, dtype=np.float64))
    below = np.flatnonzero(np.asarray(accuracy, dtype=np.float64) <= rival)
    first = int(below[-1]) + 1 if len(below) else 0
    return float(x[first]) if first < len(x) else float("nan")
