"""From the rows of a run folder to its results."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from bench.files.rows import SampleRow, ScoreRow, by_problem, grouped
from bench.files.run_folder import RunFolder
from bench.runs.plan import RunPlan, searches, sizes_to
from bench.runs.retry import failed_scores
from bench.runs.samples import spend_of
from bench.runs.units import pool_unit, score_unit, search_unit
from bench.stats.contest import Contest
from bench.stats.curves import ANY_RIGHT, GradedPool, Results, notes_on, pool_outcomes
from bench.stats.outcomes import Outcome, Outcomes, ProblemOutcomes
from verifiers.interface.solution import Problem


def results_of(
    plan: RunPlan, parts: Sequence[Sequence[Problem]], contests: Sequence[Contest], folder: RunFolder
) -> Results:
    """Every contest at every size, from the committed rows of a run; `parts` are its chunks of problems."""
    outcomes: list[ProblemOutcomes] = []
    drawn = untold = 0
    odd: list[SampleRow] = []  # samples of which the notes tell
    unscored: list[ScoreRow] = []
    pooled = [ANY_RIGHT, *(c for c in contests if not searches(c))]
    scorers = list(dict.fromkeys(c.scorer for c in pooled if c.scorer is not None))
    for number, problems in enumerate(parts):
        pools = by_problem(folder.samples(pool_unit(number)))
        scores = {s: folder.scores(score_unit(number, s)) for s in scorers}
        said = {s: by_problem(rows) for s, rows in scores.items()}
        unscored += [row for rows in scores.values() for row in failed_scores(rows, pools)]
        record = folder.committed[pool_unit(number)]
        for problem in problems:
            rows = pools[problem.id]
            drawn += len(rows)
            untold += sum(row.stop != "failed" and math.isnan(row.logprob) for row in rows)
            odd += [row for row in rows if row.stop in ("failed", "length") or row.correct is None]
            pool = GradedPool(
                problem.id,
                correct=np.array([row.correct is True for row in rows], dtype=np.float64),
                finished=np.array([row.stop == "eos" for row in rows], dtype=np.bool_),
                classes=record["classes"][problem.id],
                values={s: np.array([row.value for row in said[s][problem.id]], dtype=np.float64) for s in scorers},
                drawn=spend_of(record, problem.id),
                judged={s: spend_of(folder.committed[score_unit(number, s)], problem.id) for s in scorers},
                kinds=[(row.steps, row.stop) for row in rows],
            )
            outcomes.append(pool_outcomes(pool, pooled, sizes_to(plan.n), seed=plan.seed))
        for contest in contests:
            if searches(contest):
                searched = _searched_outcomes(plan, folder, number, [p.id for p in problems], contest)
                outcomes += map(ProblemOutcomes.one, searched)
    table = Outcomes(tuple(outcomes))
    notes = [*notes_on(table, plan.n), *_notes_on_samples(odd, drawn), *_notes_on_scores(unscored, drawn)]
    if plan.logprobs and untold:
        why = "servers tell them at temperature 0 and 1 only, and servers and vLLM tell none with --top-p or --top-k"
        notes.append(f"{untold} of {drawn} samples have no log-probabilities, which --logprobs asked for: {why}")
    for contest in filter(searches, contests):
        units = [search_unit(number, contest, n) for number in range(len(parts)) for n in plan.sizes(contest)]
        notes += _notes_on_search(contest, folder, units)
    return Results(table, tuple(notes))


def _searched_outcomes(
    plan: RunPlan, folder: RunFolder, number: int, ids: Sequence[str], contest: Contest
) -> Iterator[Outcome]:
    for n in plan.sizes(contest):
        unit = search_unit(number, contest, n)
        kept = by_problem(folder.samples(unit))
        for problem in ids:
            right = any(row.chosen and row.correct is True for row in kept.get(problem, []))
            yield Outcome(problem, contest, n, float(right), 0.0, spend_of(folder.committed[unit], problem))


def _notes_on_samples(samples: Sequence[SampleRow], drawn: int) -> Iterator[str]:
    kinds = {
        "could not be sampled": [row for row in samples if row.stop == "failed"],
        "were cut by the token limit": [row for row in samples if row.stop == "length"],
        "could not be graded": [row for row in samples if row.correct is None],
    }
    for what, rows in kinds.items():
        if rows:
            yield f"{len(rows)} of {drawn} samples {what}{_first_reason(rows)}; they count as wrong"


def _notes_on_scores(scores: Sequence[ScoreRow], drawn: int) -> Iterator[str]:
    for scorer, rows in grouped(scores, lambda row: row.scorer).items():
        yield f"{len(rows)} of {drawn} samples have no score of {scorer}{_first_reason(rows)}"


def _notes_on_search(contest: Contest, folder: RunFolder, units: Sequence[str]) -> Iterator[str]:
    """Of searches with candidates that failed, and of those that chose no solution."""
    said = {
        key: [
            (problem, reason, unit) for unit in units for problem, reason in folder.committed[unit].get(key, {}).items()
        ]
        for key in ("failed", "nothing")
    }
    if said["failed"]:
        problem, reason, _ = said["failed"][0]
        trees = [folder.trees(unit) for unit in dict.fromkeys(unit for _, _, unit in said["failed"])]
        failed = sum(row.fate == "failed" for rows in trees for row in rows)
        yield f"{failed} candidates of {contest} failed (first, of problem {problem!r}: {reason})"
    if said["nothing"]:
        problem, reason, _ = said["nothing"][0]
        yield f"{len(said['nothing'])} searches by {contest} chose nothing (first, of problem {problem!r}: {reason})"


def _first_reason(rows: Sequence[SampleRow | ScoreRow]) -> str:
    told = [row for row in rows if row.reason]
    return f" (first, of problem {told[0].problem!r}: {told[0].reason})" if told else ""
