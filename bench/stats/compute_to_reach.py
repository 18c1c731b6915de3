"""What it costs to reach an accuracy, by one strategy and by another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.stats.arrays import Floats
from bench.stats.intervals import resampled_means


@dataclass(frozen=True, slots=True)
class CostCurve:
    """One strategy at N sizes on P problems: `correct` and `cost` have shape (P, N), the sizes from small to large."""

    correct: Floats
    cost: Floats


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times what `b` costs `a` costs to reach an accuracy, with its 95% interval.

    inf where only b reaches it, 0 where only a does, NaN where neither does. `reached_a` and `reached_b`
    are the shares of bootstrap replicates in which each reaches it.
    """

    value: float
    low: float
    high: float
    reached_a: float
    reached_b: float


def cost_ratio(
    curve_a: CostCurve, curve_b: CostCurve, accuracy: float | None = None, *, replicates: int = 2000, seed: int = 0
) -> Ratio:
    """The ratio of the costs at which two curves over the same problems reach `accuracy`, a to b.

    Without an `accuracy` it is the best that b reaches: in each replicate its own, so that b always does.

    >>> right = np.array([[0.2, 0.6], [0.4, 0.8]] * 20)
    >>> cheap, dear = CostCurve(right, np.full((40, 2), [1.0, 2.0])), CostCurve(right, np.full((40, 2), [3.0, 6.0]))
    >>> ratio = cost_ratio(cheap, dear, 0.5)
    >>> round(ratio.value, 6), round(ratio.low, 6), round(ratio.high, 6), ratio.reached_a
    (0.333333, 0.333333, 0.333333, 1.0)

    See `costs_to_reach` for what is read off a curve. The interval is that of a bootstrap over whole problems
    (Rubin 1981), weighed alike for both curves; a replicate where neither curve reaches the accuracy has no
    ratio and is left out. Raises ValueError for curves over unequal numbers of problems, and for costs that are
    not positive.
    """
    [ratio] = cost_ratios([(curve_a, curve_b)], accuracy, replicates=replicates, seed=seed)
    return ratio


def cost_ratios(
    pairs: Sequence[tuple[CostCurve, CostCurve]],
    accuracy: float | None = None,
    *,
    replicates: int = 2000,
    seed: int = 0,
) -> list[Ratio]:
    """`cost_ratio` of each pair of curves: the same figures, with the problems weighed once for all of them."""
    for a, b in pairs:
        if len(a.correct) != len(b.correct):
            raise ValueError(f"{len(a.correct)} problems against {len(b.correct)}: both curves need the same problems")
        if not len(a.correct):
            raise ValueError("no problems: there is no cost to compare")
    tables = [values for a, b in pairs for values in (a.correct, a.cost, b.correct, b.cost)]
    drawn = iter(resampled_means(tables, replicates=replicates, seed=seed))
    means = (np.vstack([values.mean(axis=0), next(drawn)]) for values in tables)
    return [_ratio(next(means), next(means), next(means), next(means), accuracy) for _ in pairs]


def _ratio(correct_a: Floats, cost_a: Floats, correct_b: Floats, cost_b: Floats, accuracy: float | None) -> Ratio:
    """Of curves' means over the problems, (1 + R, N), first the problems as they are."""
    targets = correct_b.max(axis=1) if accuracy is None else np.full(len(correct_b), accuracy)
    a, b = costs_to_reach(correct_a, cost_a, targets), costs_to_reach(correct_b, cost_b, targets)
    with np.errstate(invalid="ignore"):  # where neither is reached
        ratios = a / b
    drawn = ratios[1:][~np.isnan(ratios[1:])]
    # Nearest, since between a number and infinity there is nothing.
    low, high = np.quantile(drawn, [0.025, 0.975], method="nearest") if len(drawn) else (np.nan, np.nan)
    reached_a, reached_b = (float(np.isfinite(x[1:]).mean()) for x in (a, b))
    return Ratio(float(ratios[0]), float(low), float(high), reached_a, reached_b)


def costs_to_reach(accuracies: Floats, costs: Floats, targets: Floats) -> Floats:
    """The cost at which each of R curves first reaches its target, shape (R,); inf where it never does.

    `accuracies` and `costs` have shape (R, N), `targets` (R,). Between two points accuracy is taken as linear in
    the logarithm of the cost; a curve that begins above its target reaches it at its first point.

    >>> costs_to_reach(np.array([[0.2, 0.4, 0.6]]), np.array([[1.0, 2.0, 8.0]]), np.array([0.5])).round(6).tolist()
    [4.0]

    Raises ValueError for costs that are not positive.
    """
    if not (costs > 0).all():
        raise ValueError(
            f"a mean cost of {costs.min():g}: costs must be positive; count samples where FLOPs are unknown"
        )
    reached = accuracies >= targets[:, None] - 1e-12
    first = reached.argmax(axis=1)
    rows, before = np.arange(len(first)), np.maximum(first - 1, 0)
    y0, y1 = accuracies[rows, before], accuracies[rows, first]
    x0, x1 = np.log(costs[rows, before]), np.log(costs[rows, first])
    part = np.where(y1 > y0, (targets - y0) / np.where(y1 > y0, y1 - y0, 1.0), 1.0)
    between = np.where(first == 0, costs[:, 0], np.exp(x0 + np.clip(part, 0.0, 1.0) * (x1 - x0)))
    cost: Floats = np.where(reached.any(axis=1), between, np.inf)
    return cost
