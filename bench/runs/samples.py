"""Solutions, scores and costs as the rows of a run folder, and back."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from bench.files.rows import SampleRow, ScoreRow, TreeRow, read_spend, spend_row
from bench.inputs.task import Task
from search import Fate, Pool, SearchResult
from search.selection import weighted
from verifiers.grading.answers import extracted
from verifiers.interface.files import Row
from verifiers.interface.scoring import ZERO, Spend
from verifiers.interface.solution import Problem, Solution, Step, Stop


def sample_rows(task: Task, result: SearchResult, strategy: str, scorer: str | None, n: int) -> list[SampleRow]:
    """One row a solution of a result's pool, graded by the task's verifier.

    `correct` is None where the verifier could not decide; an unfinished or failed solution is wrong.
    """
    problem, pool = result.problem, result.pool
    grades = task.verifier.score([problem] * len(pool), pool)
    rows = []
    for i, (solution, grade, why) in enumerate(zip(pool, grades.values(), grades.reasons, strict=True)):
        unknown = solution.finished and bool(solution.steps) and bool(np.isnan(grade))
        row = SampleRow(
            problem=problem.id,
            strategy=strategy,
            scorer=scorer,
            n=n,
            index=i,
            steps=tuple(step.text for step in solution.steps),
            tokens=_tokens(solution),
            logprob=_logprob(solution),
            stop=solution.stop.value,
            reason=solution.reason or why,
            answer=extracted(task.answers, solution.text) if solution.finished else None,
            correct=None if unknown else bool(grade == 1.0),
            chosen=solution is result.solution,
        )
        rows.append(row)
    return rows


def most_voted(rows: Sequence[SampleRow], classes: Sequence[int]) -> list[SampleRow]:
    """A pool's rows with that chosen which self-consistency would choose; `classes` has each row's answer class."""
    votes = np.array([1.0 if row.stop == "eos" and row.steps else np.nan for row in rows])
    chosen = weighted(Pool(Problem("", ""), votes, lambda: classes))
    return [replace(row, chosen=i == chosen) for i, row in enumerate(rows)]


def solution_of(row: SampleRow) -> Solution:
    """The solution that a row of `samples.jsonl` holds; log-probabilities of single tokens are not kept."""
    tokens = row.tokens or [None] * len(row.steps)
    steps = tuple(Step(text, ids) for text, ids in zip(row.steps, tokens, strict=True))
    stop = Stop(row.stop)
    return Solution(steps, stop, row.reason if stop is Stop.FAILED else None)


def score_rows(result: SearchResult, rows: Sequence[SampleRow], scorer: str) -> list[ScoreRow]:
    """One row a solution: its step scores and their reduction."""
    scores = result.scores
    return [
        ScoreRow(row.problem, row.strategy, row.n, row.index, scorer, tuple(map(float, steps)), float(value), reason)
        for row, steps, value, reason in zip(rows, scores.steps, scores.values(), scores.reasons, strict=True)
    ]


def tree_rows(result: SearchResult, strategy: str, scorer: str | None, n: int) -> list[TreeRow]:
    """One row a candidate of a tree search: its text after its parent's, its parent's place, its value and its fate."""
    rows = []
    for place, node in enumerate(result.tree):
        steps = node.solution.steps
        above = len(result.tree[node.parent].solution.steps) if node.parent >= 0 else 0
        row = TreeRow(
            problem=result.problem.id,
            strategy=strategy,
            scorer=scorer,
            n=n,
            node=place,
            parent=int(node.parent),
            depth=int(node.depth),
            text="".join(step.text for step in steps[above:] or steps[-1:]),
            stop=node.solution.stop.value,
            value=float(node.value),
            fate=Fate(node.fate).value,
        )
        rows.append(row)
    return rows


def spend_record(results: Sequence[SearchResult], earlier: Mapping[str, Spend] | None = None) -> Row:
    """What a unit of work spent, problem by problem, for the journal; `earlier` is added to its problems'."""
    spends = {r.problem.id: r.spend + (earlier or {}).get(r.problem.id, ZERO) for r in results}
    return {"spend": {name: spend_row(spend) for name, spend in spends.items()}}


def kept_record(problems: Iterable[str], spent: Mapping[str, Spend], earlier: Mapping[str, Spend]) -> Row:
    """What the rows cost that stand, of problems with others that failed: these are drawn again without them."""
    return {name: spend_row(spent.get(name, ZERO) + earlier.get(name, ZERO)) for name in sorted(problems)}


def spend_of(record: Row, problem_id: str) -> Spend:
    """One problem's spend from a journal record."""
    return read_spend(record["spend"][problem_id])


def _tokens(solution: Solution) -> tuple[tuple[int, ...], ...] | None:
    ids = [step.tokens for step in solution.steps]
    return None if None in ids else tuple(t for t in ids if t is not None)


def _logprob(solution: Solution) -> float:
    parts = [step.logprobs for step in solution.steps]
    return math.nan if None in parts else float(sum(sum(p) for p in parts if p is not None))


def costs_of(committed: Mapping[str, Row]) -> dict[str, tuple[Spend, dict[str, Spend]]]:
    """For each problem of a run what its pool cost to draw and, by scorer, to judge, from the units of its journal."""
    costs: dict[str, tuple[Spend, dict[str, Spend]]] = {}
    for unit, record in committed.items():
        _, kind, *scorer = unit.split("/", 2)  # see `bench.runs.units`
        for problem in record.get("spend", {}):
            drawn, judged = costs.get(problem, (ZERO, {}))
            if kind == "sample":
                costs[problem] = spend_of(record, problem), judged
            elif kind == "score":
                costs[problem] = drawn, {**judged, scorer[0]: spend_of(record, problem)}
    return costs
