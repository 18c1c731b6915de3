"""ProcessBench: does a process scorer find the first wrong step? (Zheng et al. 2024, arXiv 2412.06559)"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from bench.inputs.data_sets import named_rows
from bench.inputs.rows import check_limit, check_text, text_field, unique_id
from bench.inputs.tables import file_rows
from bench.stats.arrays import Floats
from bench.stats.intervals import mean_interval, sums_interval
from verifiers.interface.capabilities import separator_of
from verifiers.interface.errors import BadInput
from verifiers.interface.scoring import Scorer, Scores, ask
from verifiers.interface.solution import Problem, Solution, Step, Stop

Interval = tuple[float, float, float]  # the figure and its 95% interval


@dataclass(frozen=True, slots=True)
class Case:
    """A solution in steps, and the index from 0 of its first wrong step, -1 where all are right."""

    problem: Problem
    steps: tuple[str, ...]
    label: int

    def solution(self, separator: str) -> Solution:
        """The steps as a policy would have written them, each but the last with the separator that ends it."""
        *inner, last = self.steps
        return Solution((*(Step(text + separator) for text in inner), Step(last)), Stop.EOS)


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of ProcessBench at one threshold, and each row's predicted first wrong step.

    `on_erroneous` is the accuracy on solutions with an error (its step must be hit exactly),
    `on_correct` that on solutions without, `f1` their harmonic mean; NaN where the file has no such
    rows. A row without a prediction (None) counts as wrong.
    """

    threshold: float
    on_erroneous: Interval
    on_correct: Interval
    f1: Interval
    predictions: tuple[int | None, ...]


def read_cases(spec: str, *, limit: int | None = None) -> list[Case]:
    """Cases from a file (see `bench.inputs.tables`), or from the hub as NAME:SPLIT (`Qwen/ProcessBench:gsm8k`).

    A row has "problem", "steps" (a list of texts) and "label". Raises BadInput for one that has not.
    """
    check_limit(limit)
    path = Path(spec)
    rows = file_rows(path) if path.is_file() or ":" not in spec else named_rows(spec)
    cases: list[Case] = []
    seen: dict[str, str] = {}
    for where, row in islice(rows, limit):
        steps, label = row.get("steps"), row.get("label")
        if not isinstance(steps, list) or not steps or not all(isinstance(step, str) for step in steps):
            raise BadInput(f"{where}: 'steps' must be a list of texts, one at least; got {_brief(steps)}")
        if isinstance(label, bool) or not isinstance(label, int) or not -1 <= label < len(steps):
            raise BadInput(f"{where}: 'label' must be a whole number from -1 to {len(steps) - 1}; got {_brief(label)}")
        steps = [check_text(where, "'steps'", step) for step in steps]
        name = unique_id(where, row, f"row-{len(cases):05d}", seen)
        cases.append(Case(Problem(name, text_field(where, row, ("problem",))), tuple(steps), label))
    if not cases:
        raise BadInput(f"{spec}: no rows in it")
    return cases


def score_cases(cases: Sequence[Case], scorer: Scorer, *, batch: int = 32, progress: bool = True) -> Scores:
    """Every case's steps scored; they end with the scorer's own `separator` where it names one, else a blank line."""
    separator = separator_of(scorer) or "\n\n"
    parts = [
        ask(scorer, [case.problem for case in chunk], [case.solution(separator) for case in chunk])
        for chunk in tqdm(
            [cases[i : i + batch] for i in range(0, len(cases), batch)],
            desc="processbench",
            unit="batch",
            disable=None if progress else True,
        )
    ]
    return Scores(
        tuple(row for part in parts for row in part.steps),
        tuple(spend for part in parts for spend in part.spend),
        tuple(reason for part in parts for reason in part.reasons),
    )


def first_error(scores: npt.ArrayLike, threshold: float = 0.5) -> int | None:
    """The first step that scores below the threshold, -1 where none does; None where a NaN stands before it.

    >>> nan = float("nan")
    >>> [first_error(row) for row in ([0.9, 0.4, 0.1], [0.9, 0.5], [0.2, nan], [0.9, nan, 0.1], [0.9, nan])]
    [1, -1, 0, None, None]
    """
    for k, score in enumerate(np.asarray(scores, dtype=np.float64)):
        if math.isnan(score):
            return None
        if score < threshold:
            return k
    return -1


def evaluate(cases: Sequence[Case], scores: Scores, *, threshold: float = 0.5) -> Report:
    """The three figures at a threshold that was fixed beforehand, with intervals that draw whole problems.

    >>> cases = [Case(Problem("a", "1+1?"), ("=2", "=3"), 1), Case(Problem("b", "2+2?"), ("=4",), -1)]
    >>> report = evaluate(cases, Scores((np.array([0.9, 0.1]), np.array([0.4]))))
    >>> report.predictions, report.on_erroneous[0], report.on_correct[0], report.f1[0]
    ((1, 0), 1.0, 0.0, 0.0)

    Solutions of the same problem's text are drawn together. Where a figure is 0 or 1 in all rows, its
    interval is the exact binomial one over problems, and that of F1 spans the corners of the two.
    """
    predictions = tuple(first_error(row, threshold) for row in scores.steps)
    clusters = list(dict.fromkeys(case.problem.prompt for case in cases))
    place = {text: i for i, text in enumerate(clusters)}
    # Columns: hits and rows among the erroneous, hits and rows among the correct.
    counts = np.zeros((len(clusters), 4))
    for case, predicted in zip(cases, predictions, strict=True):
        column = 2 if case.label == -1 else 0
        counts[place[case.problem.prompt], column : column + 2] += (predicted == case.label, 1)
    erroneous, correct = (_accuracy(counts[:, k : k + 2]) for k in (0, 2))
    f1 = sums_interval(counts, lambda sums: _f1(_ratio(sums[:, 0:2]), _ratio(sums[:, 2:4])))
    if {erroneous[0], correct[0]} & {0.0, 1.0}:
        low, high = (float(_f1(np.array([erroneous[k]]), np.array([correct[k]]))[0]) for k in (1, 2))
        f1 = (f1[0], low, high)
    return Report(threshold, erroneous, correct, f1, predictions)


def fit_threshold(cases: Sequence[Case], scores: Scores) -> float:
    """The threshold with the best F1 on these rows, which must not be those that are reported.

    All that give different predictions are tried; of equals the nearest to 0.5 is taken.

    >>> cases = [Case(Problem("a", "1+1?"), ("=2", "=3"), 1), Case(Problem("b", "2+2?"), ("=4",), -1)]
    >>> round(fit_threshold(cases, Scores((np.array([0.5, 0.1]), np.array([0.3])))), 3)
    0.2
    """
    width = max(len(row) for row in scores.steps)
    lowest = np.full((len(cases), width), np.inf)  # the lowest score up to each step
    for i, row in enumerate(scores.steps):
        unknown = np.flatnonzero(np.isnan(row))
        known = row[: unknown[0]] if len(unknown) else row
        lowest[i, : len(known)] = np.minimum.accumulate(known) if len(known) else np.inf
    whole = np.array([not np.isnan(row).any() for row in scores.steps])
    labels = np.array([case.label for case in cases])
    wrong = labels >= 0
    values = np.unique(lowest[np.isfinite(lowest)])
    if not len(values) or not wrong.any() or wrong.all():
        raise BadInput(
            "a threshold cannot be fitted on these rows: they need scores, erroneous solutions and correct ones"
        )
    cuts = np.concatenate([[values[0]], (values[:-1] + values[1:]) / 2, [np.nextafter(values[-1], np.inf)]])
    best = (-1.0, 0.0, 0.5)
    for cut in cuts:
        below = lowest < cut
        predicted = np.where(below.any(axis=1), below.argmax(axis=1), np.where(whole, -1, -2))
        hit = predicted == labels
        f1 = float(_f1(hit[wrong].mean(keepdims=True), hit[~wrong].mean(keepdims=True))[0])
        best = max(best, (f1, -abs(cut - 0.5), float(cut)))
    return best[2]


def _accuracy(counts: Floats) -> Interval:
    counts = counts[counts[:, 1] > 0]
    if not len(counts):
        return math.nan, math.nan, math.nan
    shares = counts[:, 0] / counts[:, 1]
    if shares.min() == shares.max() and shares[0] in (0.0, 1.0):
        return mean_interval(shares)
    return sums_interval(counts, _ratio)


def _ratio(sums: Floats) -> Floats:
    with np.errstate(invalid="ignore"):  # 0 of 0 is NaN
        ratio: Floats = sums[:, 0] / sums[:, 1]
    return ratio


def _f1(a: Floats, b: Floats) -> Floats:
    """The harmonic mean of two accuracies; 0 where both are."""
    f1: Floats = np.where(np.isnan(a + b), np.nan, 0.0)
    np.divide(2 * a * b, a + b, out=f1, where=(a + b) > 0)
    return f1


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
