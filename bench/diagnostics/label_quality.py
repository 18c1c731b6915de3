"""How well a scorer's numbers agree with labels."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.files.rows import json_number
from bench.stats.arrays import Floats
from bench.stats.intervals import mean_interval
from verifiers.interface.scoring import Scorer
from verifiers.reward_models.labelled import Labelled


@dataclass(frozen=True, slots=True)
class Quality:
    """How a scorer's numbers agree with the labels of held-out rows.

    `accuracy` is that of calling good what scores 0.5 or more, with its 95% interval over problems; `auc`
    the chance that a good one scores above a bad one, NaN where one kind is missing. `loss` is the
    cross-entropy in nats, and `constant` that of always saying the mean label.
    """

    labels: int
    silent: int
    accuracy: float
    low: float
    high: float
    auc: float
    loss: float
    constant: float


@dataclass(frozen=True, slots=True)
class Judged:
    """Scores beside labels, each of shape (M,), and the problem each belongs to; `silent` labels had no score."""

    scores: Floats
    labels: Floats
    problems: Sequence[Hashable]
    silent: int = 0
    reason: str | None = None  # the first that a scorer gave for its silence


def judge(scorer: Scorer, rows: Sequence[Labelled]) -> Judged:
    """A scorer's step scores beside the labels of rows, wherever there are labels.

    >>> from verifiers import Problem, Solution, Step, Stop, from_function, with_outcome
    >>> texts = {"4": True, "5": False, "x": False}
    >>> rows = [with_outcome(Problem(t, "2+2"), Solution((Step(t),), Stop.EOS), right) for t, right in texts.items()]
    >>> says = from_function(lambda problem, solution: {"4": 0.9, "5": 0.1}.get(solution.text, 0.6))
    >>> quality = quality_of(judge(says, rows))
    >>> round(quality.accuracy, 3), quality.auc, round(quality.loss, 3)
    (0.667, 1.0, 0.376)
    """
    scores = scorer.score([row.problem for row in rows], [row.solution for row in rows])
    pairs = [
        (score, label, row.problem.id)
        for row, steps in zip(rows, scores.steps, strict=True)
        for score, label in zip(steps.tolist(), row.labels, strict=True)
        if not math.isnan(label)
    ]
    return judged(pairs, next((reason for reason in scores.reasons if reason), None))


def judged(rows: Sequence[tuple[float, float, str]], reason: str | None = None) -> Judged:
    """Rows of a score, a label and a problem; a score of NaN is silence."""
    scores, labels = (np.array([row[i] for row in rows], dtype=np.float64) for i in (0, 1))
    return judged_rows(scores, labels, tuple(row[2] for row in rows), reason)


def judged_rows(scores: Floats, labels: Floats, problems: Sequence[Hashable], reason: str | None = None) -> Judged:
    """The same of columns, (M,) each."""
    spoken = ~np.isnan(scores)
    if spoken.all():
        return Judged(scores, labels, problems, 0, reason)
    named = tuple(problems[i] for i in np.flatnonzero(spoken).tolist())
    return Judged(scores[spoken], labels[spoken], named, int((~spoken).sum()), reason)


def quality_of(judgements: Judged) -> Quality:
    """Accuracy, AUC and loss; raises ValueError where nothing was judged."""
    p, y = judgements.scores, judgements.labels
    if not len(p):
        raise ValueError(f"no row has both a score and a label ({judgements.reason or 'the scorer is silent on all'})")
    names = {problem: i for i, problem in enumerate(dict.fromkeys(judgements.problems))}
    hits = (p >= 0.5) == (y >= 0.5)
    counts = np.zeros((len(names), 2))
    np.add.at(counts, [names[problem] for problem in judgements.problems], np.stack([hits, np.ones(len(hits))], axis=1))
    accuracy, low, high = mean_interval(counts[:, 0] / counts[:, 1], sizes=counts[:, 1])
    good = y >= 0.5
    return Quality(
        labels=len(y),
        silent=judgements.silent,
        accuracy=accuracy,
        low=low,
        high=high,
        auc=auc(p, good) if 0 < good.sum() < len(good) else math.nan,
        loss=_cross_entropy(y, p),
        constant=_cross_entropy(y, np.full(len(y), y.mean())),
    )


def auc(scores: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float:
    """The chance that a good one scores above a bad one, ties counting half (Mann-Whitney); NaN without one of the two.

    >>> auc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([0, 0, 1, 1]))
    0.875
    """
    good = labels.astype(bool)
    above, below = scores[good], np.sort(scores[~good])
    if not len(above) or not len(below):
        return math.nan
    wins = int(np.searchsorted(below, above, "left").sum() + np.searchsorted(below, above, "right").sum())
    return wins / 2 / (len(above) * len(below))


def _cross_entropy(y: Floats, p: Floats) -> float:
    kept = np.clip(p, 1e-7, 1 - 1e-7)  # a float32 probability of exactly 0 or 1 is one rounded
    return float(np.mean(-y * np.log(kept) - (1 - y) * np.log(1 - kept)))


def quality_table(quality: Quality, name: str) -> str:
    """A header and a row, for a terminal; `name` says where the rows are from."""
    cells = {
        "held out": name,
        "labels": str(quality.labels),
        "accuracy": f"{quality.accuracy:.3f}",
        "95% interval": f"{quality.low:.3f}-{quality.high:.3f}",
        "AUC": "none" if math.isnan(quality.auc) else f"{quality.auc:.3f}",
        "cross-entropy": f"{quality.loss:.4f}",
        "of the mean": f"{quality.constant:.4f}",
    }
    widths = [max(len(head), len(value)) for head, value in cells.items()]
    lines = ["  ".join(n.rjust(w) for n, w in zip(cells, widths, strict=True))]
    lines.append("  ".join("-" * w for w in widths))
    lines.append("  ".join(v.rjust(w) for v, w in zip(cells.values(), widths, strict=True)))
    if quality.silent:
        lines.append(f"- {quality.silent} labels have no score to compare with and are not in the table")
    return "\n".join(lines)


def quality_record(quality: Quality, name: str) -> dict[str, object]:
    """The figures as JSON's fields."""
    return {"file": name, **{figure: json_number(value) for figure, value in asdict(quality).items()}}
