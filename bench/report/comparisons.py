"""Every curve against every baseline: paired differences, and the compute to reach the baseline's best."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np
from tqdm import tqdm

from bench.files.rows import json_number
from bench.report.curves import Curve
from bench.report.folder import Folder
from bench.report.results import PointRows, ResultTable, aligned, renumbered
from bench.stats.compute_to_reach import CostCurve, Ratio, cost_ratios
from bench.stats.paired import compare_all
from verifiers.interface.files import Row

BASELINE = "self_consistency"


def comparisons(folders: Sequence[Folder], curves: Sequence[Curve]) -> Row:
    """For the page, `[baseline][curve]` of their places: `paired` by N, and `reach` the baseline's best accuracy;
    `alike` says which runs had the same problems.

    Curves of two runs are compared where both had the same problems, and are of one kind or one of them is
    self-consistency.
    """
    paired: dict[int, dict[int, dict[int, Row]]] = {i: {} for i, curve in enumerate(curves) if not curve.reference}
    reach: dict[int, dict[int, Row]] = {i: {} for i in paired}
    priced = [_flops_are_known(folder.results) for folder in folders]
    alike = [[_same_problems(a, b) for b in folders] for a in folders]
    pairs = list(_pairs(curves, alike))
    found = iter(_compared([pair for i, j in pairs for pair in _at_each_size(folders, curves[i], curves[j]).values()]))
    asked: dict[tuple[int, int], tuple[CostCurve, CostCurve]] = {}
    for i, j in tqdm(pairs, desc="comparing", unit="pair", disable=None):
        there = {n: next(found) for n in _at_each_size(folders, curves[i], curves[j])}
        if there:
            paired[i][j] = there
            paired[j][i] = {n: _turned(record) for n, record in there.items()}
        flops = priced[curves[i].run] and priced[curves[j].run]
        for base, curve in ((i, j), (j, i)):
            asked[base, curve] = _costs(folders, curves[curve], curves[base], flops=flops)
    for ((base, curve), (_, theirs)), ratio in zip(asked.items(), cost_ratios(list(asked.values())), strict=True):
        flops = priced[curves[base].run] and priced[curves[curve].run]
        reach[base][curve] = _reach(ratio, theirs, flops=flops)
    return {"paired": paired, "reach": reach, "alike": alike}


def default_baseline(curves: Sequence[Curve]) -> int | None:
    """Self-consistency's place, else the first curve's that is a strategy; None where there is none."""
    strategies = [i for i, curve in enumerate(curves) if not curve.reference]
    return next((i for i in strategies if curves[i].key[0] == BASELINE), strategies[0] if strategies else None)


def _pairs(curves: Sequence[Curve], same: Sequence[Sequence[bool]]) -> Iterator[tuple[int, int]]:
    for j, b in enumerate(curves):
        for i, a in enumerate(curves[:j]):
            alike = a.run == b.run or a.key == b.key or BASELINE in (a.key[0], b.key[0])
            if alike and same[a.run][b.run] and not a.reference and not b.reference:
                yield i, j


def _same_problems(a: Folder, b: Folder) -> bool:
    if a is b:
        return True
    if a.results.numbers.keys() != b.results.numbers.keys():
        return False
    # Two tasks may both number their problems: where both know the prompts, these decide.
    mine, theirs = a.prompts, b.prompts
    return all(None in (mine.get(i), theirs[i]) or mine[i] == theirs[i] for i in theirs)


def _points(folders: Sequence[Folder], curve: Curve, other: Curve) -> dict[int, PointRows]:
    """A curve's points, their problems by the numbers that those of another curve's run have."""
    mine, theirs = folders[curve.run].results, folders[other.run].results
    points = mine.points[curve.key]
    if mine is theirs:
        return points
    numbers = mine.numbered_as(theirs)
    return {n: renumbered(point, numbers) for n, point in points.items()}


def _at_each_size(folders: Sequence[Folder], a: Curve, b: Curve) -> dict[int, tuple[PointRows, PointRows]]:
    """The points of `b` and `a` at each N that both have."""
    mine, other = _points(folders, b, a), folders[a.run].results.points[a.key]
    return {n: (mine[n], other[n]) for n in sorted(mine.keys() & other.keys())}


def _compared(pairs: Sequence[tuple[PointRows, PointRows]]) -> list[Row]:
    """The paired comparison of each pair of points, on the problems that both have."""
    sides = []
    for b, a in pairs:
        in_b, in_a = aligned([b, a])  # in the run's order, which the seeded draws depend on
        sides.append((b.correct[in_b], a.correct[in_a]))
    differ = [not np.array_equal(b, a) for b, a in sides]  # else there is nothing to resample
    found = iter(compare_all([side for side, apart in zip(sides, differ, strict=True) if apart]))
    same = {"same": True, "difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
    return [{"same": False, **asdict(next(found))} if apart else dict(same) for apart in differ]


def _turned(record: Row) -> Row:
    """The same comparison the other way round; it is symmetric."""
    flipped = {"difference": -record["difference"], "low": -record["high"], "high": -record["low"]}
    return record | {key: value + 0.0 for key, value in flipped.items()}  # + 0.0: no negative nought


def _flops_are_known(results: ResultTable) -> bool:
    """Whether FLOPs are a cost of this run: of a reranked pool only the scorer's are known, which compares nothing."""
    costs = [point.flops for curve in results.points.values() for point in curve.values()]
    return all(bool((cost > 0).any() and not np.isnan(cost).any()) for cost in costs)


def _costs(folders: Sequence[Folder], curve: Curve, base: Curve, *, flops: bool) -> tuple[CostCurve, CostCurve]:
    """A curve and its baseline on the problems that all points of both have, with FLOPs, or samples, for a cost."""
    sides = folders[curve.run].results.points[curve.key], _points(folders, base, curve)
    points = [(n, side[n]) for side in sides for n in sorted(side)]
    first = next(iter(sides[0].values()))  # whose order of problems counts
    places = aligned([first, *(point for _, point in points)])[1:]
    correct = [point.correct[place] for (_, point), place in zip(points, places, strict=True)]
    cost = [
        point.flops[place] if flops else np.full(len(place), float(n))
        for (n, point), place in zip(points, places, strict=True)
    ]
    count = len(sides[0])
    ours, theirs = slice(None, count), slice(count, None)
    return (
        CostCurve(np.column_stack(correct[ours]), np.column_stack(cost[ours])),
        CostCurve(np.column_stack(correct[theirs]), np.column_stack(cost[theirs])),
    )


def _reach(ratio: Ratio, base: CostCurve, *, flops: bool) -> Row:
    """A curve's FLOPs, or samples, to the baseline's at the baseline's best accuracy, in each draw of the problems."""
    return {
        "measure": "flops" if flops else "n",
        "accuracy": float(base.correct.mean(axis=0).max()),
        # "inf" says that only the baseline reaches it; None, that neither does.
        "value": json_number(ratio.value),
        "low": json_number(ratio.low),
        "high": json_number(ratio.high),
        "reached": ratio.reached_a,
        "reached_by_baseline": ratio.reached_b,
    }
