"""Solutions, scores and costs as the rows of a run folder, and back."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from bench.files.run_folder import json_number
from bench.inputs.task import Task
from search import Pool, SearchResult
from search.selection import weighted
from verifiers.interface.scoring import Spend
from verifiers.interface.solution import Problem, Solution, Step, Stop

Row = dict[str, Any]


def sample_rows(task: Task, result: SearchResult, strategy: str, scorer: str | None, n: int) -> list[Row]:
    """One row a solution of a result's pool, graded by the task's verifier.

    `correct` is None where the verifier could not decide; an unfinished or failed solution is wrong.
    """
    problem, pool = result.problem, result.pool
    grades = task.verifier.score([problem] * len(pool), pool)
    rows = []
    for i, (solution, grade, why) in enumerate(zip(pool, grades.values(), grades.reasons, strict=True)):
        unknown = solution.finished and bool(solution.steps) and bool(np.isnan(grade))
        rows.append(
            {
                "problem": problem.id,
                "strategy": strategy,
                "scorer": scorer,
                "n": n,
                "index": i,
                "steps": [step.text for step in solution.steps],
                "tokens": _tokens(solution),
                "logprob": _logprob(solution),
                "stop": solution.stop.value,
                "reason": solution.reason or why,
                "answer": task.answers.extract(solution.text) if solution.finished else None,
                "correct": None if unknown else bool(grade == 1.0),
                "chosen": solution is result.solution,
            }
        )
    return rows


def mark_most_voted(rows: Sequence[Row], classes: Sequence[int]) -> None:
    """Mark as chosen what self-consistency would choose of a pool; `classes` has each row's answer class."""
    votes = np.array([1.0 if row["stop"] == "eos" and row["steps"] else np.nan for row in rows])
    chosen = weighted(Pool(Problem("", ""), votes, lambda: classes))
    if chosen is not None:
        rows[chosen]["chosen"] = True


def solution_of(row: Row) -> Solution:
    """The solution that a row of `samples.jsonl` holds; log-probabilities of single tokens are not kept."""
    tokens = row["tokens"] or [None] * len(row["steps"])
    steps = tuple(
        Step(text, None if ids is None else tuple(ids)) for text, ids in zip(row["steps"], tokens, strict=True)
    )
    stop = Stop(row["stop"])
    return Solution(steps, stop, row["reason"] if stop is Stop.FAILED else None)


def score_rows(result: SearchResult, rows: Sequence[Row], scorer: str) -> list[Row]:
    """One row a solution: its step scores and their reduction; no opinion is None."""
    scores = result.scores
    return [
        {
            "problem": row["problem"],
            "strategy": row["strategy"],
            "n": row["n"],
            "index": row["index"],
            "scorer": scorer,
            "steps": [json_number(float(s)) for s in steps],
            "value": json_number(float(value)),
            "reason": reason,
        }
        for row, steps, value, reason in zip(rows, scores.steps, scores.values(), scores.reasons, strict=True)
    ]


def tree_rows(result: SearchResult, scorer: str, n: int) -> list[Row]:
    """One row a candidate of a tree search: its own last step, its parent's place, its value and its fate."""
    return [
        {
            "problem": result.problem.id,
            "strategy": "beam_search",
            "scorer": scorer,
            "n": n,
            "node": place,
            "parent": node.parent,
            "depth": node.depth,
            "text": node.solution.steps[-1].text if node.solution.steps else "",
            "stop": node.solution.stop.value,
            "value": json_number(node.value),
            "fate": node.fate.value,
        }
        for place, node in enumerate(result.tree)
    ]


def spend_record(results: Sequence[SearchResult]) -> Row:
    """What a unit of work spent, problem by problem, for the journal."""
    return {"spend": {r.problem.id: {k: v for k, v in asdict(r.spend).items() if v} for r in results}}


def spend_of(record: Row, problem_id: str) -> Spend:
    """One problem's spend from a journal record."""
    return Spend(**record["spend"][problem_id])


def _tokens(solution: Solution) -> list[list[int]] | None:
    ids = [step.tokens for step in solution.steps]
    return None if any(t is None for t in ids) else [list(t) for t in ids if t is not None]


def _logprob(solution: Solution) -> float | None:
    parts = [step.logprobs for step in solution.steps]
    return None if any(p is None for p in parts) else float(sum(sum(p) for p in parts if p is not None))
