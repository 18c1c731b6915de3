"""The curves of a report: the points of `points.jsonl`, named and in order."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.files.rows import PointRow, grouped
from bench.report.folder import Folder
from bench.report.results import COSTS, Key, ResultTable
from bench.stats.intervals import mean_intervals
from verifiers.interface.files import Row

# What a point may be drawn against; a cost that some point of a run does not know is no axis of that run.
AXES = ("flops", "tokens", "seconds", "n")
_TOKENS = ("prompt_tokens", "sampled_tokens", "scored_tokens", "judged_tokens")
_NAMES = {
    "pass@n": "any sample right (pass@N)",
    "best_of_n": "Best-of-N",
    "self_consistency": "self-consistency",
    "soft": "soft Best-of-N",
}


@dataclass(frozen=True, slots=True)
class Curve:
    """One strategy with one scorer in one run; `points` are rows of `points.jsonl`, from small N to large."""

    run: int
    key: Key
    points: tuple[PointRow, ...]

    @property
    def reference(self) -> bool:
        """Whether it is no strategy but a bound: the share of problems where any sample is right."""
        return self.key[0] == "pass@n"


def label_of(strategy: str, scorer: str | None) -> str:
    """What a reader sees of a curve's name.

    >>> label_of("best_of_n", "orm"), label_of("pass@n", None)
    ('Best-of-N (orm)', 'any sample right (pass@N)')
    """
    name = _NAMES.get(strategy, strategy.replace("_", " "))
    return name if scorer is None else f"{name} ({scorer})"


def read_curves(folders: Sequence[Folder]) -> list[Curve]:
    """Every curve of every run."""
    curves = []
    for run, folder in enumerate(folders):
        groups = grouped(folder.points or points_of(folder.results), lambda point: (point.strategy, point.scorer))
        curves += [Curve(run, key, tuple(sorted(rows, key=lambda r: r.n))) for key, rows in groups.items()]
    return curves


def curve_record(curve: Curve, kinds: Sequence[Key]) -> Row:
    """A curve for the page: `points` rows are N, accuracy, low, high and the costs in the order of `AXES[:3]`."""
    points = [[p.n, p.accuracy, p.low, p.high, *(cost_of(p, a) for a in AXES[:3])] for p in curve.points]
    return {
        "run": curve.run,
        "kind": kinds.index(curve.key),
        "strategy": curve.key[0],
        "scorer": curve.key[1],
        "label": label_of(*curve.key),
        "reference": curve.reference,
        "points": points,
    }


def axes_of(curves: Sequence[Curve], run: int) -> list[str]:
    """What the points of a run can be drawn against: a cost of 0 is one that nobody knows."""
    points = [point for curve in curves if curve.run == run for point in curve.points]
    return [axis for axis in AXES if all(cost_of(point, axis) > 0 for point in points)]


def cost_of(point: PointRow, axis: str) -> float:
    """A point's place on an axis, 0 where it is unknown; tokens are all that went through a model."""
    names = _TOKENS if axis == "tokens" else (axis,)
    cost = float(sum(getattr(point, name) for name in names))
    return 0.0 if math.isnan(cost) else cost


def points_of(results: ResultTable) -> list[PointRow]:
    """The points of a run that has no `points.jsonl`; what its rows do not hold stays unknown."""
    found = [(*key, n, rows) for key, curve in results.points.items() for n, rows in curve.items()]
    intervals = mean_intervals([rows.correct for *_, rows in found])
    points = []
    for (strategy, scorer, n, rows), (accuracy, low, high) in zip(found, intervals, strict=True):
        count = len(rows.correct)
        costs = {name: sum(each) / count for name, each in zip(COSTS, rows.costs.T.tolist(), strict=True)}
        points.append(PointRow(strategy, scorer, n, accuracy, low, high, count, seconds=math.nan, **costs))
    return points
