"""What a reader should know of reranked pools and of the scorers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from bench.diagnostics.label_quality import judged, quality_of
from bench.pools.rows import GradedSolutions
from bench.pools.saved_pool import SavedPool

Grades = Sequence[Sequence[bool | None]]


def notes_on_pools(pools: Sequence[SavedPool], grades: Grades, sizes: Sequence[int]) -> Iterator[str]:
    """Of pools that are too small, made of several rows, or hard to grade."""
    small = sum(len(pool.solutions) < max(sizes) for pool in pools)
    if small:
        yield f"{small} of {len(pools)} pools hold fewer than {max(sizes)} solutions; there the whole pool stands for N"
    joined = sum(pool.rows > 1 for pool in pools)
    if joined:
        yield f"{joined} of {len(pools)} pools were put together from several rows of one problem"
    unknown = sum(g is None for row in grades for g in row)
    if unknown:
        yield f"{unknown} solutions could not be graded; they count as wrong"
    stated = [(g, c) for pool, row in zip(pools, grades, strict=True) for g, c in zip(row, pool.correct, strict=True)]
    known = [g == c for g, c in stated if c is not None]
    if known:
        yield f"our grading agrees with the file's 'correct' on {sum(known)} of {len(known)} solutions"


def notes_on_scorers(
    names: Iterable[str], values: Sequence[Mapping[str, npt.NDArray[np.float64]]], graded: Sequence[GradedSolutions]
) -> Iterator[str]:
    """How each scorer's numbers agree with right and wrong, solution by solution."""
    for name in names:
        rows = [
            (value, float(right), pool.saved.problem.id)
            for pool, scores in zip(graded, values, strict=True)
            for value, right in zip(scores[name].tolist(), pool.correct, strict=True)
            if right is not None
        ]
        yield f"{name}: {_quality(rows)}"


def notes_on_votes(names: Iterable[str], values: Sequence[Mapping[str, npt.NDArray[np.float64]]]) -> Iterator[str]:
    """Of scores that make no weights of votes."""
    for name in names:
        if any((scores[name] < 0).any() for scores in values):
            yield (
                f"{name}: some scores are below 0; in weighted_majority each vote of these makes its answer lighter, "
                "so use probabilities there"
            )


def _quality(rows: Sequence[tuple[float, float, str]]) -> str:
    spoken = judged(rows)
    if not spoken.problems:
        return "no opinion on any solution"
    quality = quality_of(spoken)
    silent = f", silent on {quality.silent}" if quality.silent else ""
    if np.isnan(quality.auc):
        only = "right" if spoken.labels.all() else "wrong"
        return f"all {quality.labels} solutions with a score are {only}; nothing can be told apart{silent}"
    at_half = ""
    if spoken.scores.min() >= 0.0 and spoken.scores.max() <= 1.0:  # else a half means nothing
        at_half = (
            f"; right and wrong told apart at 0.5 with accuracy {quality.accuracy:.3f} "
            f"({quality.low:.3f}-{quality.high:.3f})"
        )
    return f"AUC {quality.auc:.3f}{at_half} on {quality.labels} solutions{silent}"
