"""What the scores of a run's samples say of its scorers."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy.typing as npt

from bench.diagnostics.label_quality import auc, judged, quality_of
from bench.diagnostics.reliability import expected_calibration_error, reliability
from bench.files.rows import grouped
from bench.report.curves import Curve
from bench.report.folder import Folder
from bench.stats.intervals import mean_interval
from bench.stats.paired import compare
from verifiers.interface.files import Row

_LEVEL = 0.05


def diagnostics(folder: Folder, curves: Sequence[Curve]) -> list[Row]:
    """For each scorer of a run's samples: AUC, calibration, and whether Best-of-N (under each reducer) falls with N.

    Only finished solutions count, as only these can be chosen. A scorer that steered a search alone is left
    out: what it let through is no fair sample.
    """
    marks: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    right = {
        (row.problem, row.n, row.index): float(row.correct)
        for row in folder.samples
        if row.strategy == "sample" and row.stop == "eos" and row.correct is not None
    }
    for row in folder.scores:
        place = row.problem, row.n, row.index
        if row.strategy == "sample" and place in right:
            marks[row.scorer].append((row.value, right[place], row.problem))
    best_of_n: dict[str, list[Curve]] = defaultdict(list)
    for curve in curves:
        strategy, scorer = curve.key
        if strategy == "best_of_n" and scorer is not None:  # under a reducer it is `prm:mean`, and by `prm`
            best_of_n[scorer if scorer in marks else scorer.rpartition(":")[0]].append(curve)
    return [
        {"name": name, **_agreement(rows), "best_of_n": [_turn(folder, curve) for curve in best_of_n[name]]}
        for name, rows in marks.items()
    ]


def _agreement(rows: Sequence[tuple[float, float, str]]) -> Row:
    """How its numbers agree with right and wrong."""
    spoken = judged(rows)
    scores, labels, problems = spoken.scores, spoken.labels, spoken.problems
    if not problems:
        return {"labels": 0, "silent": spoken.silent}
    quality = quality_of(spoken)
    probability = scores.min() >= 0.0 and scores.max() <= 1.0  # else a half, and calibration, mean nothing
    return {
        "labels": quality.labels,
        "silent": spoken.silent,
        "right": float(labels.mean()),
        "auc": None if math.isnan(quality.auc) else quality.auc,
        "auc_within": _auc_within(scores, labels, problems),
        "accuracy": [quality.accuracy, quality.low, quality.high] if probability else None,
        "ece": expected_calibration_error(scores, labels) if probability else None,
        "bins": [asdict(one) for one in reliability(scores, labels, groups=problems)] if probability else [],
    }


def _auc_within(scores: npt.NDArray[Any], labels: npt.NDArray[Any], problems: Sequence[str]) -> Row | None:
    """The chance that a right solution scores above a wrong one of the same problem, a mean over problems."""
    rows = grouped(range(len(problems)), lambda i: problems[i])
    mixed = [places for places in rows.values() if 0 < labels[places].sum() < len(places)]
    if not mixed:
        return None
    value, low, high = mean_interval([auc(scores[places], labels[places]) for places in mixed])
    return {"value": value, "low": low, "high": high, "problems": len(mixed)}


def _turn(folder: Folder, curve: Curve) -> Row:
    """Whether Best-of-N falls significantly below its own maximum as N grows: a sign of an exploited scorer.

    The maximum is picked after looking, so p-values count as one of all pairs of sizes (Bonferroni).
    """
    table: dict[int, dict[str, float]] = defaultdict(dict)
    for row in folder.results:
        if (row.strategy, row.scorer) == curve.key:
            table[row.n][row.problem] = row.correct
    sizes = sorted(table)
    peak = max(curve.points, key=lambda point: (point.accuracy, -point.n)).n
    level = _LEVEL / max(1, len(list(combinations(sizes, 2))))
    falls = []
    for n in sizes:
        if n > peak:
            problems = [p for p in table[n] if p in table[peak]]
            comparison = compare([table[n][p] for p in problems], [table[peak][p] for p in problems])
            if comparison.difference < 0 and comparison.p < level:
                falls.append({"n": n, **asdict(comparison)})
    points = [[p.n, p.accuracy, p.low, p.high] for p in curve.points]
    return {"scorer": curve.key[1], "points": points, "peak": peak, "falls": falls, "level": level}
