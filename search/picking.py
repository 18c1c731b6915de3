"""From a scored pool to a `SearchResult`: the last move of every strategy."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np

from search.result import Node, SearchResult
from search.selection import Pool, Selector
from verifiers.grading.answers import Answers, extracted
from verifiers.interface.scoring import Scores
from verifiers.interface.solution import Problem, Solution


def pick(
    problem: Problem,
    pool: Sequence[Solution],
    scores: Scores,
    *,
    select: Selector,
    answers: Answers,
    tree: tuple[Node, ...] = (),
    reason: str | None = None,
) -> SearchResult:
    """Choose one finished, scored solution; without one, say why."""
    values = scores.values()
    unfinished = [i for i, solution in enumerate(pool) if not solution.finished]
    values[unfinished] = np.nan
    chosen = _place(select(Pool(problem, values, lambda: answer_classes(pool, answers))), problem, len(pool))
    answer = solution = None
    if chosen is None:
        reason = reason or _why_nothing(pool, scores)
    else:
        solution = pool[chosen]
        answer = extracted(answers, solution.text)
    return SearchResult(problem, answer, solution, tuple(pool), scores, tree=tree, reason=reason)


def _place(chosen: Any, problem: Problem, rows: int) -> int | None:
    """What a selector chose; raises ValueError for what is no row's place, since it may be a function of one's own."""
    if chosen is None:
        return None
    if isinstance(chosen, bool) or not isinstance(chosen, Integral):
        raise ValueError(
            f"problem {problem.id!r}: the selector returned {chosen!r}; return the place of a row, or None"
        )
    if not 0 <= int(chosen) < rows:
        raise ValueError(f"problem {problem.id!r}: the selector returned {chosen}, of {rows} rows, counted from 0")
    return int(chosen)


def answer_classes(pool: Sequence[Solution], answers: Answers) -> list[int]:
    """The equivalence class of each solution's answer, -1 for none; a solution that is not finished has none."""
    return answers.classes([extracted(answers, s.text) if s.finished else None for s in pool])


def _why_nothing(pool: Sequence[Solution], scores: Scores) -> str:
    reasons = [s.reason for s in pool if s.reason] + [r for r in scores.reasons if r]
    stops = sorted({s.stop.value for s in pool})
    first = f"; first reason: {reasons[0]}" if reasons else ""
    return f"none of {len(pool)} solutions is finished and scored (stops: {', '.join(stops) or 'none'}){first}"
