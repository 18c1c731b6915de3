"""Every curve against every baseline: paired differences, and the compute to reach the baseline's best."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np
from tqdm import tqdm

from bench.files.rows import json_number
from bench.report.curves import Curve, Key
from bench.report.folder import Folder
from bench.stats.arrays import Floats
from bench.stats.compute_to_reach import CostCurve, cost_ratio
from bench.stats.paired import compare
from verifiers.interface.files import Row

BASELINE = "self_consistency"
Found = dict[int, dict[int, dict[int, Row]]]  # by baseline, curve and N
Table = dict[int, dict[str, tuple[float, float]]]  # by N and problem: how right, and at how many FLOPs


def comparisons(folders: Sequence[Folder], curves: Sequence[Curve]) -> Row:
    """For the page, `[baseline][curve]` of their places: `paired` by N, and `reach` the baseline's best accuracy;
    `alike` says which runs had the same problems.

    Curves of two runs are compared where both had the same problems, and are of one kind or one of them is
    self-consistency.
    """
    paired: Found = {i: {} for i, curve in enumerate(curves) if not curve.reference}
    reach: dict[int, dict[int, Row]] = {i: {} for i in paired}
    tables = [_tables(folder) for folder in folders]
    priced = [_flops_are_known(found) for found in tables]
    alike = [[_same_problems(a, b) for b in folders] for a in folders]
    pairs = list(_pairs(curves, alike))
    for i, j in tqdm(pairs, desc="comparing", unit="pair", disable=None):
        mine, other = (tables[curves[k].run][curves[k].key] for k in (i, j))
        there = {n: _comparison(other[n], mine[n]) for n in sorted(mine.keys() & other.keys())}
        if there:
            paired[i][j] = there
            paired[j][i] = {n: _turned(record) for n, record in there.items()}
        for base, curve in ((i, j), (j, i)):
            flops = priced[curves[i].run] and priced[curves[j].run]
            reach[base][curve] = _reach(tables, curves[curve], curves[base], flops=flops)
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
    if {row.problem for row in a.results} != {row.problem for row in b.results}:
        return False
    # Two tasks may both number their problems: where both know the prompts, these decide.
    mine, theirs = ({row.id: row.prompt for row in folder.problems} for folder in (a, b))
    return all(None in (mine.get(i), theirs[i]) or mine[i] == theirs[i] for i in theirs)


def _tables(folder: Folder) -> dict[Key, Table]:
    found: dict[Key, Table] = {}
    for row in folder.results:
        point = found.setdefault((row.strategy, row.scorer), {}).setdefault(row.n, {})
        point[row.problem] = (row.correct, row.flops)
    return found


def _comparison(a: dict[str, tuple[float, float]], b: dict[str, tuple[float, float]]) -> Row:
    problems = [p for p in a if p in b]  # in the run's order, which the seeded draws depend on
    left, right = ([side[p][0] for p in problems] for side in (a, b))
    if left == right:  # there is nothing to resample
        return {"same": True, "difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
    return {"same": False, **asdict(compare(left, right))}


def _turned(record: Row) -> Row:
    """The same comparison the other way round; it is symmetric."""
    flipped = {"difference": -record["difference"], "low": -record["high"], "high": -record["low"]}
    return record | {key: value + 0.0 for key, value in flipped.items()}  # + 0.0: no negative nought


def _flops_are_known(tables: dict[Key, Table]) -> bool:
    """Whether FLOPs are a cost of this run: of a reranked pool only the scorer's are known, which compares nothing."""
    points = [point for table in tables.values() for point in table.values()]
    costs = [[cost for _, cost in point.values()] for point in points]
    return all(any(cost > 0 for cost in of_point) and not np.isnan(of_point).any() for of_point in costs)


def _reach(tables: Sequence[dict[Key, Table]], curve: Curve, base: Curve, *, flops: bool) -> Row:
    """The curve's FLOPs, or samples, to the baseline's at the baseline's best accuracy."""
    sides = [tables[c.run][c.key] for c in (curve, base)]
    points = [point for side in sides for point in side.values()]
    problems = [p for p in points[0] if all(p in point for point in points)]
    ours, theirs = (_cost_curve(side, problems, flops=flops) for side in sides)
    target = float(theirs.correct.mean(axis=0).max())
    ratio = cost_ratio(ours, theirs)  # to the baseline's best in each draw of the problems
    return {
        "measure": "flops" if flops else "n",
        "accuracy": target,
        # "inf" says that only the baseline reaches it; None, that neither does.
        "value": json_number(ratio.value),
        "low": json_number(ratio.low),
        "high": json_number(ratio.high),
        "reached": ratio.reached_a,
        "reached_by_baseline": ratio.reached_b,
    }


def _cost_curve(side: Table, problems: Sequence[str], *, flops: bool) -> CostCurve:
    sizes = sorted(side)
    correct: Floats = np.array([[side[n][p][0] for n in sizes] for p in problems])
    cost: Floats = np.array([[side[n][p][1] if flops else float(n) for n in sizes] for p in problems])
    return CostCurve(correct, cost)
