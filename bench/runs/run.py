"""A compute-vs-accuracy run: one task, one policy, many strategies, into a run folder."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

import search
from bench.files.rows import SampleRow, ScoreRow, TreeRow, by_problem
from bench.files.run_folder import RunFolder, open_run
from bench.inputs.specs import load_policy, load_scorer, separator_note
from bench.inputs.task import Task
from bench.runs.outputs import write_problems, write_results
from bench.runs.plan import RunPlan
from bench.runs.results import results_of
from bench.runs.samples import most_voted, sample_rows, score_rows, solution_of, spend_record, tree_rows
from bench.runs.units import beam_unit, chunks, pool_unit, score_unit
from bench.stats.curves import Results
from bench.tasks.tasks import load_task
from policies.policy import Policy, Sampling
from prms.pav import PAV
from verifiers.interface.capabilities import separator_of
from verifiers.interface.errors import BadArgument
from verifiers.interface.files import Row
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Problem

_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}"


def run(plan: RunPlan, out: Path, *, progress: bool = True) -> Results:
    """Do what the plan says, or what is left of it, and return its results.

    The folder holds `config.toml`, `problems.jsonl`, `samples.jsonl`, `scores.jsonl` (a row a solution),
    `trees.jsonl` (a row a candidate of a beam search), `journal.jsonl` (what each unit of work spent),
    `results.jsonl` and `points.jsonl` (the table). A run that was killed and started again ends
    with the same rows as one that was not. Raises BadInput for a plan that cannot be carried out.
    """
    contests = plan.contests()
    task = load_task(plan.task, limit=plan.limit, seed=plan.seed).with_thinking(plan.thinking)
    sampling = plan.sampling(task.sampling)
    with open_run(out, plan.config()) as folder:
        write_problems(out, task.problems)
        _work_off([u for u in _units(plan, task, sampling, folder) if u.name not in folder.committed], plan, progress)
        results = results_of(plan, task, contests, folder)
        results = replace(results, notes=(*results.notes, *_format_notes(folder, sampling)))
        write_results(out, results)
    return results


def _format_notes(folder: RunFolder, sampling: Sampling) -> list[str]:
    """Of scorers that are given steps of another format than their own, as the journal knows them."""
    records = [record for record in folder.committed.values() if record.get("separator")]
    said = {r["scorer"]: separator_note(r["scorer"], r["separator"], sampling.separator) for r in records}
    return [note for note in said.values() if note]


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is committed as a whole: `work` does it, with the policy and the scorer where it needs them."""

    name: str
    label: str
    weight: int  # for the progress bar: samples, roughly
    samples: bool  # whether it needs the policy
    scorer: str | None
    work: Callable[[Any, Any], None]


def _work_off(units: Sequence[_Unit], plan: RunPlan, progress: bool) -> None:
    # What is needed is loaded before anything is spent, and a finished run is shown without its models.
    needed = dict.fromkeys(unit.scorer for unit in units if unit.scorer is not None)
    with ExitStack() as stack:
        policy = load_policy(plan.policy, dtype=plan.dtype) if any(unit.samples for unit in units) else None
        if isinstance(policy, AbstractContextManager):  # an engine, which is to be stopped
            stack.enter_context(policy)
        scorers: dict[str | None, Scorer] = {name: load_scorer(plan.scorers[name]) for name in needed}
        total = sum(unit.weight for unit in units)
        # Without a terminal there is no bar: a log wants the table, and an error wants a line of its own.
        bar = stack.enter_context(tqdm(total=total, desc="run", disable=None if progress else True, bar_format=_BAR))
        for unit in units:
            bar.set_postfix_str(unit.label)
            unit.work(policy, scorers.get(unit.scorer))
            bar.update(unit.weight)


def _units(plan: RunPlan, task: Task, sampling: Sampling, folder: RunFolder) -> Iterator[_Unit]:
    """Per chunk of problems: a pool of samples, its scores by each scorer, and the beams."""
    contests = plan.contests()
    scorers = list(dict.fromkeys(c.scorer for c in contests if c.scorer and c.strategy != "beam_search"))
    beams = [c.scorer for c in contests if c.scorer and c.strategy == "beam_search"]
    for number, problems in enumerate(chunks(task.problems, plan.chunk)):
        chunk = _Chunk(plan, task, sampling, folder, number, problems)
        weight = plan.n * len(problems)
        yield _Unit(pool_unit(number), "sampling", weight, True, None, chunk.sample)
        for name in scorers:
            work = partial(chunk.score, name)
            yield _Unit(score_unit(number, name), f"scoring with {name}", weight // 4 + 1, False, name, work)
        for name in beams:
            for n, width, expand in plan.beams():
                work = partial(chunk.beam, name, n, width, expand)
                label = f"beam search ({name}), {n} candidates a step"
                yield _Unit(beam_unit(number, name, n), label, n * len(problems), True, name, work)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some problems that are worked on together, and what can be done with them."""

    plan: RunPlan
    task: Task
    sampling: Sampling
    folder: RunFolder
    number: int
    problems: Sequence[Problem]

    def sample(self, policy: Policy, _: None) -> None:
        drawn = search.sample(self.problems, policy, n=self.plan.n, sampling=self.sampling, seed=self.plan.seed)
        pools = [sample_rows(self.task, result, "sample", None, self.plan.n) for result in drawn]
        # Comparing answers takes time: it is done once, here, and the journal keeps what came of it.
        classes = self.task.answers.classes_of([[row.answer for row in pool] for pool in pools])
        rows = [row for pool in zip(pools, classes, strict=True) for row in most_voted(*pool)]
        record = spend_record(drawn) | {"classes": dict(zip((p.id for p in self.problems), classes, strict=True))}
        self.folder.commit(pool_unit(self.number), record, samples=rows)

    def score(self, name: str, _: Policy | None, scorer: Scorer) -> None:
        pools = by_problem(self.folder.samples(pool_unit(self.number)))
        scored = search.score([(p, [solution_of(row) for row in pools[p.id]]) for p in self.problems], scorer)
        rows = [row for result in scored for row in score_rows(result, pools[result.problem.id], name)]
        self.folder.commit(score_unit(self.number, name), _record(name, scorer, scored), scores=rows)

    def beam(self, name: str, n: int, width: int, expand: int, policy: Policy, scorer: Scorer) -> None:
        try:
            results = search.beam_search(
                self.problems,
                policy,
                scorer,
                width=width,
                expand=expand,
                max_steps=self.plan.max_steps,
                # Progress steers a search; what was reached is compared by value alone.
                final=scorer.base if isinstance(scorer, PAV) else None,
                answers=self.task.answers,
                sampling=self.sampling,
                seed=self.plan.seed,
            )
        except search.NoOpinionError as error:
            raise BadArgument("strategies", f"beam_search:{name}", str(error)) from None
        samples: list[SampleRow] = []
        scores: list[ScoreRow] = []
        trees: list[TreeRow] = []
        for result in results:
            rows = sample_rows(self.task, result, "beam_search", name, n)
            samples += rows
            scores += score_rows(result, rows, name)
            trees += tree_rows(result, name, n)
        record = _record(name, scorer, results)
        self.folder.commit(beam_unit(self.number, name, n), record, samples=samples, scores=scores, trees=trees)


def _record(name: str, scorer: Scorer, results: Sequence[search.SearchResult]) -> Row:
    """What the journal keeps of a scorer's work; a finished run is shown again without its models."""
    return {"scorer": name, "separator": separator_of(scorer), **spend_record(results)}
