"""What it costs to reach an accuracy, by one strategy and by another."""

from dataclasses import dataclass

import numpy as np

from bench.intervals import Floats, resampled_means


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
    curve_a: CostCurve, curve_b: CostCurve, accuracy: float, *, replicates: int = 2000, seed: int = 0
) -> Ratio:
    """The ratio of the costs at which two curves over the same problems reach `accuracy`, a to b.

    >>> right = np.array([[0.2, 0.6], [0.4, 0.8]] * 20)
    >>> cheap, dear = CostCurve(right, np.full((40, 2), [1.0, 2.0])), CostCurve(right, np.full((40, 2), [3.0, 6.0]))
    >>> ratio = cost_ratio(cheap, dear, 0.5)
    >>> round(ratio.value, 6), round(ratio.low, 6), round(ratio.high, 6), ratio.reached_a
    (0.333333, 0.333333, 0.333333, 1.0)

    See `costs_to_reach` for what is read off a curve. The interval is a bootstrap's that draws whole problems,
    the same for both. Raises ValueError for curves over unequal numbers of problems.
    """
    problems = len(curve_a.correct)
    if problems != len(curve_b.correct):
        raise ValueError(f"{problems} problems against {len(curve_b.correct)}: both curves need the same problems")
    sides = (curve_a.correct, curve_a.cost, curve_b.correct, curve_b.cost)
    a, b = (
        costs_to_reach(correct.mean(axis=0)[None], cost.mean(axis=0)[None], accuracy)
        for correct, cost in (sides[:2], sides[2:])
    )
    drawn = [resampled_means(values, replicates=replicates, seed=seed) for values in sides]
    many_a, many_b = costs_to_reach(drawn[0], drawn[1], accuracy), costs_to_reach(drawn[2], drawn[3], accuracy)
    ratios = np.sort(_ratio(many_a, many_b))
    ratios = ratios[~np.isnan(ratios)]
    low, high = (np.quantile(ratios, [0.025, 0.975], method="nearest")) if len(ratios) else (np.nan, np.nan)
    reached = [float(np.isfinite(many).mean()) for many in (many_a, many_b)]
    return Ratio(float(_ratio(a, b)[0]), float(low), float(high), *reached)


def costs_to_reach(accuracies: Floats, costs: Floats, accuracy: float) -> Floats:
    """The cost at which each of R curves first reaches `accuracy`, shape (R,); inf where it never does.

    `accuracies` and `costs` have shape (R, N). Between two points accuracy is taken as linear in the
    logarithm of the cost; a curve that begins above `accuracy` reaches it at its first point.

    >>> costs_to_reach(np.array([[0.2, 0.4, 0.6]]), np.array([[1.0, 2.0, 8.0]]), 0.5).round(6).tolist()
    [4.0]
    """
    reached = accuracies >= accuracy
    first = reached.argmax(axis=1)
    rows, before = np.arange(len(first)), np.maximum(first - 1, 0)
    y0, y1 = accuracies[rows, before], accuracies[rows, first]
    x0, x1 = np.log(costs[rows, before]), np.log(costs[rows, first])
    part = np.where(first > 0, (accuracy - y0) / np.where(y1 > y0, y1 - y0, 1.0), 1.0)
    found: Floats = np.where(reached.any(axis=1), np.exp(x0 + part * (x1 - x0)), np.inf)
    return found


def _ratio(a: Floats, b: Floats) -> Floats:
    """a / b, where either may be inf: neither reached is NaN."""
    ratio = np.full(len(a), np.nan)
    ratio[np.isinf(a) & np.isfinite(b)] = np.inf
    np.divide(a, b, out=ratio, where=np.isfinite(a))
    return ratio
