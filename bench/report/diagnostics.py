"""What the scores of a run's samples say of its scorers."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations

import numpy as np

from bench.diagnostics.label_quality import auc, judged_rows, quality_of
from bench.diagnostics.reliability import expected_calibration_error, reliability
from bench.report.curves import Curve
from bench.report.folder import Folder, Judgements
from bench.report.results import aligned
from bench.stats.arrays import Floats, Ints
from bench.stats.intervals import mean_interval
from bench.stats.paired import compare_all
from verifiers.interface.files import Row

_LEVEL = 0.05


def diagnostics(folder: Folder, curves: Sequence[Curve]) -> list[Row]:
    """For each scorer of a run's samples: AUC, calibration, and whether Best-of-N (under each reducer) falls with N.

    Only finished solutions count, as only these can be chosen. A scorer that steered a search alone is left
    out: what it let through is no fair sample.
    """
    best_of_n: dict[str, list[Curve]] = defaultdict(list)
    for curve in curves:
        strategy, scorer = curve.key
        if strategy == "best_of_n" and scorer is not None:  # under a reducer it is `prm:mean`, and by `prm`
            best_of_n[scorer if scorer in folder.judged else scorer.rpartition(":")[0]].append(curve)
    return [
        {"name": name, **_agreement(said), "best_of_n": [_turn(folder, curve) for curve in best_of_n[name]]}
        for name, said in folder.judged.items()
    ]


def _agreement(said: Judgements) -> Row:
    """How its numbers agree with right and wrong."""
    spoken = judged_rows(np.array(said.values), np.array(said.right), said.problems.tolist())
    scores, labels, problems = spoken.scores, spoken.labels, np.array(spoken.problems)
    if not len(problems):
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
        "bins": [asdict(one) for one in reliability(scores, labels, groups=spoken.problems)] if probability else [],
    }


def _auc_within(scores: Floats, labels: Floats, problems: Ints) -> Row | None:
    """The chance that a right solution scores above a wrong one of the same problem, a mean over problems."""
    order = np.argsort(problems, kind="stable")
    rows = np.split(order, np.flatnonzero(np.diff(problems[order])) + 1)
    rows.sort(key=lambda places: int(places[0]))  # as they first occur
    mixed = [places for places in rows if 0 < labels[places].sum() < len(places)]
    if not mixed:
        return None
    value, low, high = mean_interval([auc(scores[places], labels[places]) for places in mixed])
    return {"value": value, "low": low, "high": high, "problems": len(mixed)}


def _turn(folder: Folder, curve: Curve) -> Row:
    """Whether Best-of-N falls significantly below its own maximum as N grows: a sign of an exploited scorer.

    The maximum is picked after looking, so p-values count as one of all pairs of sizes (Bonferroni).
    """
    table = folder.results.points.get(curve.key, {})
    sizes = sorted(table)
    peak = max(curve.points, key=lambda point: (point.accuracy, -point.n)).n
    level = _LEVEL / max(1, len(list(combinations(sizes, 2))))
    larger = [n for n in sizes if n > peak]
    pairs = []
    for n in larger:
        mine, best = aligned([table[n], table[peak]])
        pairs.append((table[n].correct[mine], table[peak].correct[best]))
    found = zip(larger, compare_all(pairs), strict=True)
    falls = [{"n": n, **asdict(one)} for n, one in found if one.difference < 0 and one.p < level]
    points = [[p.n, p.accuracy, p.low, p.high] for p in curve.points]
    return {"scorer": curve.key[1], "points": points, "peak": peak, "falls": falls, "level": level}
