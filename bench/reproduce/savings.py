"""Accuracy at equal compute, and compute to a given accuracy, with their intervals."""

from dataclasses import dataclass, replace

import numpy as np

from bench.reproduce.over_seeds import REPLICATES, draws, enlarged
from bench.stats.arrays import Floats
from bench.stats.compute_to_reach import costs_to_reach
from bench.stats.intervals import Estimate

PLATEAU = 0.005  # the best of a curve is reached where it comes within this of its maximum


@dataclass(frozen=True, slots=True)
class SeededCurve:
    """A strategy at K sizes: chances of a right answer and what they cost, in FLOPs, rollouts or samples.

    Both (S, P, K), for S training seeds and P problems.
    """

    correct: Floats
    costs: Floats

    def __post_init__(self) -> None:
        if self.correct.shape != self.costs.shape or self.correct.ndim != 3:
            raise ValueError(f"a curve of shapes {self.correct.shape} and {self.costs.shape}: both must be (S, P, K)")


def replicate(curves: dict[str, SeededCurve], *, replicates: int = REPLICATES) -> dict[str, tuple[Floats, Floats]]:
    """Each curve's mean accuracy and cost, shape (1 + R, K): row 0 as measured, then bootstrap replicates.

    A replicate draws problems, the same ones for every curve (so that differences are paired), and
    training seeds.
    """
    shapes = {curve.correct.shape[:2] for curve in curves.values()}
    if len({p for _, p in shapes}) != 1:
        raise ValueError(f"curves of different problems cannot be paired: {sorted(shapes)}")
    problems = next(iter(shapes))[1]
    out = {}
    for name, curve in curves.items():
        seeds, _, sizes = curve.correct.shape
        by_seed, by_problem = draws(seeds, problems, replicates=replicates)
        weights = np.vstack([np.full(problems, 1 / problems), by_problem])
        means = []
        # Costs differ little between seeds, and must stay above 0.
        for values, shares in ((curve.correct, enlarged(by_seed)), (curve.costs, by_seed)):
            chosen = np.vstack([np.full(seeds, 1 / seeds), shares])
            of_problems = weights @ values.transpose(1, 0, 2).reshape(problems, seeds * sizes)
            means.append(np.einsum("rs,rsk->rk", chosen, of_problems.reshape(-1, seeds, sizes)))
        if seeds * problems == 1:
            means[0][1:] = np.nan  # nothing is known of how much it varies
        out[name] = (means[0].clip(0.0, 1.0), means[1])
    return out


def estimate(rows: Floats) -> Estimate:
    """The first of (1 + R,) values with the percentile interval of the others; NaN counts as the lowest.

    Where all others are NaN there is no interval.

    >>> estimate(np.array([0.5, 0.4, 0.5, 0.6]))
    Estimate(value=0.5, low=0.405, high=0.595)
    """
    if np.isnan(rows[1:]).all():
        return Estimate(float(rows[0]), np.nan, np.nan)
    others = np.nan_to_num(rows[1:], nan=0.0)
    low, high = np.quantile(others, (0.025, 0.975))
    return Estimate(float(rows[0]), round(float(low), 6), round(float(high), 6))


def estimates(rows: Floats) -> list[Estimate]:
    """An estimate a size, of rows of shape (1 + R, K)."""
    return [estimate(column) for column in rows.T]


def accuracy_at(accuracy: Floats, flops: Floats, at: Floats) -> Floats:
    """A curve's accuracy at given FLOPs, shape (R,), by a line in log FLOPs between sizes; beyond its ends, its ends.

    >>> accuracy_at(np.array([[0.2, 0.4]]), np.array([[1.0, 100.0]]), np.array([10.0])).tolist()
    [0.30000000000000004]
    """
    return np.array(
        [np.interp(np.log(x), np.log(cost), right) for right, cost, x in zip(accuracy, flops, at, strict=True)]
    )


def margins(ours: tuple[Floats, Floats], rival: tuple[Floats, Floats]) -> list[Estimate]:
    """How much better a curve is than its rival at its own compute, one estimate a size."""
    accuracy, flops = ours
    return [estimate(right - accuracy_at(*rival, cost)) for right, cost in zip(accuracy.T, flops.T, strict=True)]


def savings(ours: tuple[Floats, Floats], rival: tuple[Floats, Floats]) -> tuple[Estimate, float]:
    """How many times a curve's compute its rival needs to be within `PLATEAU` of its own best, and that accuracy.

    Both are charged the least compute that comes there; 0 where ours never does, also in the interval.

    Simulated with 8 seeds, the interval covers 95% and more where seeds learn sooner or later within bounds, and where
    problems differ too; where times to learn are log-normal, spread by a quarter, 80%: the slowest seed decides when a
    mean is within `PLATEAU` of its best, and 8 seldom show how slow one can be.
    """
    accuracy, flops = rival
    goal = accuracy.max(axis=1) - PLATEAU
    return times_less(ours, goal, needed=costs_to_reach(accuracy, flops, goal)), float(goal[0])


def times_less(
    ours: tuple[Floats, Floats], goal: Floats, *, needed: Floats, spent: Floats | float = np.inf
) -> Estimate:
    """How many times a curve's least compute to an accuracy a rival needed for it, all of shape (1 + R,).

    0 where the curve never comes there. A rival that never does (inf) needed more than all that it has `spent`, so that
    the interval has no end above: where it is so as measured, or in more replicates than may lie beyond that end.

    >>> curve = np.array([[0.2, 0.6]] * 3), np.array([[1.0, 8.0]] * 3)
    >>> times_less(curve, np.full(3, 0.2), needed=np.full(3, 4.0))
    Estimate(value=4.0, low=4.0, high=4.0)
    >>> times_less(curve, np.full(3, 0.2), needed=np.full(3, np.inf), spent=9.0)
    Estimate(value=9.0, low=9.0, high=inf)
    """
    with np.errstate(invalid="ignore"):
        times = np.minimum(needed, spent) / costs_to_reach(*ours, goal)
    times = np.where(np.isnan(ours[0]).any(axis=1), np.nan, times)  # replicates that are not known
    ratio, never = _as_far_up_as_down(estimate(times)), np.isinf(needed)
    endless = (never[0] or never[1:].mean() > 0.025) and not np.isnan(ratio.high)
    return replace(ratio, high=np.inf) if endless else ratio


def samples_saved(ours: Floats, rival: Floats) -> tuple[Estimate, float]:
    """As `savings`, of whole samples: accuracies with 1 to N of them, (1 + R, N).

    NaN where the rival needs one: then nothing can be saved.

    >>> rival = np.array([[0.1, 0.2, 0.4, 0.5]] * 3)
    >>> ours = np.array([[0.1, 0.6, 0.6, 0.6]] * 3)
    >>> samples_saved(ours, rival)
    (Estimate(value=2.0, low=2.0, high=2.0), 0.495)
    """
    goal = rival.max(axis=1) - PLATEAU
    needed, spent = _first(rival, goal), _first(ours, goal)
    with np.errstate(invalid="ignore"):  # of replicates that come to nothing
        saved = _as_far_up_as_down(estimate(needed / spent)) if needed[0] > 1 else Estimate(np.nan, np.nan, np.nan)
    return saved, float(goal[0])


def _as_far_up_as_down(ratio: Estimate) -> Estimate:
    """The interval of a ratio, made as wide by factors to both sides as to the wider one.

    A replicate draws no seed that is slower than all that were seen, so that a percentile interval ends too soon on
    one side. One from 0, where some replicates never come there, is not widened. Either way it contains the ratio.
    """
    if not min(ratio.low, ratio.value) > 0:  # never, or not to be told
        return Estimate(ratio.value, min(ratio.low, ratio.value), max(ratio.high, ratio.value))
    reach = max(ratio.value / ratio.low, ratio.high / ratio.value)
    return Estimate(ratio.value, round(ratio.value / reach, 6), round(ratio.value * reach, 6))


def _first(accuracy: Floats, goal: Floats) -> Floats:
    """The least number of samples that comes to the goal; inf where none does."""
    reached = accuracy >= goal[:, None] - 1e-12
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, np.inf)
