"""A compute-vs-accuracy run: one task, one policy, many strategies, into a run folder."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

import search
from bench.files.checksums import write_checksums
from bench.files.rows import SampleRow, ScoreRow, TreeRow, by_problem, read_spend
from bench.files.run_folder import RunFolder, open_again, open_run, put_in_place
from bench.inputs.specs import load_policy, load_scorer, separator_note
from bench.inputs.task import Task
from bench.runs.forgiving_policy import ForgivingPolicy
from bench.runs.outputs import write_problems, write_results
from bench.runs.plan import RunPlan
from bench.runs.results import results_of
from bench.runs.retry import (
    UnitRows,
    check_candidates,
    check_samples,
    check_scores,
    failed_candidates,
    failed_problems,
    has_failures,
    reusable,
    rows_of,
    same_pool,
)
from bench.runs.samples import (
    kept_record,
    most_voted,
    sample_rows,
    score_rows,
    solution_of,
    spend_record,
    tree_rows,
)
from bench.runs.units import beam_unit, chunks, pool_unit, score_unit
from bench.stats.curves import Results
from bench.tasks.tasks import load_task
from policies.policy import Policy, Sampling
from prms.pav import PAV
from search.driver import sample_seed
from verifiers.interface.capabilities import separator_of
from verifiers.interface.errors import BadArgument, BadInput, EngineStoppedError, first_line
from verifiers.interface.files import Row
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Problem

_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}"


def run(
    plan: RunPlan,
    out: Path,
    *,
    max_failed: float | None = None,
    retry_failed: bool = False,
    progress: bool = True,
    begun: Callable[[], None] = lambda: None,
) -> Results:
    """Do what the plan says, or what is left of it, and return its results.

    The folder holds `config.toml`, `problems.jsonl`, `samples.jsonl`, `scores.jsonl` (a row a solution),
    `trees.jsonl` (a row a candidate of a beam search), `journal.jsonl` (what each unit of work spent),
    `results.jsonl` and `points.jsonl` (the table). A run that was killed and started again ends
    with the same rows as one that was not.

    A sample that cannot be drawn or scored is a row that says why, and counts as wrong. Where all of a unit's rows
    fail, or a larger share than `max_failed`, the run ends before that unit is kept. `retry_failed` draws and scores
    what failed again; of a beam search, the whole search, and of a model with log-probabilities the whole unit, since
    its last digits depend on what is computed together. What comes of it are the rows of a run that never failed.
    `begun` is called when all has been checked and loaded; before that nothing is left behind.
    Raises BadInput for a plan that cannot be carried out, EngineStoppedError where too much failed.
    """
    if max_failed is not None and not 0 <= max_failed <= 1:
        raise BadArgument("max_failed", max_failed, "it is a share of rows, from 0 to 1")
    contests = plan.contests()
    task = load_task(plan.task, limit=plan.limit, seed=plan.seed).with_thinking(plan.thinking)
    sampling = plan.sampling(task.sampling)
    with open_run(out, plan.config()) as folder:
        again = open_again(folder) if retry_failed and has_failures(folder) else None
        units = _units(plan, task, sampling, again or folder, folder if again else None, max_failed)
        todo = [unit for unit in units if unit.name not in (again or folder).committed]
        with _parts(todo, plan) as (policy, scorers):
            begun()
            folder.begin()
            write_problems(out, task.problems)
            _work_off(todo, policy, scorers, progress)
        folder = put_in_place(again) if again else folder
        results = results_of(plan, task, contests, folder)
        results = replace(results, notes=(*results.notes, *_format_notes(folder, sampling)))
        write_results(out, results)
        write_checksums(out)
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


@contextmanager
def _parts(units: Sequence[_Unit], plan: RunPlan) -> Iterator[tuple[Policy | None, dict[str | None, Scorer]]]:
    """The policy and the scorers that units need: loaded before anything is spent, and none for a finished run."""
    needed = dict.fromkeys(unit.scorer for unit in units if unit.scorer is not None)
    with ExitStack() as stack:
        policy = load_policy(plan.policy, dtype=plan.dtype) if any(unit.samples for unit in units) else None
        if isinstance(policy, AbstractContextManager):  # an engine, which is to be stopped
            stack.enter_context(policy)
        yield policy, {name: load_scorer(plan.scorers[name]) for name in needed}


def _work_off(
    units: Sequence[_Unit], policy: Policy | None, scorers: Mapping[str | None, Scorer], progress: bool
) -> None:
    total = sum(unit.weight for unit in units)
    # Without a terminal there is no bar: a log wants the table, and an error wants a line of its own.
    with tqdm(total=total, desc="run", disable=None if progress else True, bar_format=_BAR) as bar:
        for unit in units:
            bar.set_postfix_str(unit.label)
            try:
                unit.work(policy, scorers.get(unit.scorer))
            except Exception as error:
                if isinstance(error, BadInput | EngineStoppedError) or not hasattr(error, "__notes__"):
                    raise
                # a scorer that has failed on every row: the driver notes so
                said = f"{type(error).__name__}: {first_line(error)} ({error.__notes__[0]})"
                raise EngineStoppedError(f"{unit.label}: {said}; mend that and run the same command again") from error
            bar.update(unit.weight)


def _units(
    plan: RunPlan,
    task: Task,
    sampling: Sampling,
    folder: RunFolder,
    before: RunFolder | None,
    max_failed: float | None,
) -> Iterator[_Unit]:
    """Per chunk of problems: a pool of samples, its scores by each scorer, and the beams."""
    contests = plan.contests()
    scorers = list(dict.fromkeys(c.scorer for c in contests if c.scorer and c.strategy != "beam_search"))
    beams = [c.scorer for c in contests if c.scorer and c.strategy == "beam_search"]
    for number, problems in enumerate(chunks(task.problems, plan.chunk)):
        chunk = _Chunk(plan, task, sampling, folder, before, max_failed, number, problems)
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
    before: RunFolder | None  # has the units of which only what failed is done again
    max_failed: float | None
    number: int
    problems: Sequence[Problem]

    def sample(self, policy: Policy, _: None) -> None:
        unit, n, seed = pool_unit(self.number), self.plan.n, self.plan.seed
        before = rows_of(self.before, unit)
        before = reusable(before, failed_problems(before, {}), before.samples)
        kept = {(row.problem, row.index): row for row in before.samples if row.stop != "failed"}
        missing = {p.id: [i for i in range(n) if (p.id, i) not in kept] for p in self.problems}
        again = [p for p in self.problems if missing[p.id]]
        seeds = {sample_seed(seed, name, i) for name, places in missing.items() for i in places}
        drawer = ForgivingPolicy(policy, seeds if kept else None)
        drawn = search.sample(again, drawer, n=n, sampling=self.sampling, seed=seed)
        pools = [sample_rows(self.task, result, "sample", None, n) for result in drawn]
        new = [row for pool in pools for row in pool if row.index in missing[row.problem]]
        check_samples(new, "sampling", unit=n * len(self.problems), max_failed=self.max_failed)
        pools = [[kept.get((row.problem, row.index), row) for row in pool] for pool in pools]
        # Comparing answers takes time: it is done once, here, and the journal keeps what came of it.
        classes = self.task.answers.classes_of([[row.answer for row in pool] for pool in pools])
        rows = [row for pool in zip(pools, classes, strict=True) for row in most_voted(*pool)]
        earlier = {name: read_spend(spend) for name, spend in before.record.get("kept", {}).items()}
        record = spend_record(drawn, earlier)
        if failed_again := {row.problem for row in rows if row.stop == "failed"}:
            record["kept"] = kept_record(failed_again, drawer.spent, earlier)
        record["classes"] = dict(zip((p.id for p in again), classes, strict=True))
        self._commit(unit, before.with_new(self.problems, UnitRows(record, samples=rows)))

    def score(self, name: str, _: Policy | None, scorer: Scorer) -> None:
        unit = score_unit(self.number, name)
        pools = by_problem(self.folder.samples(pool_unit(self.number)))
        before, old_pools = rows_of(self.before, unit), by_problem(rows_of(self.before, pool_unit(self.number)).samples)
        failed = failed_problems(before, old_pools)
        failed |= {p.id for p in self.problems if not same_pool(pools[p.id], old_pools.get(p.id, []))}
        before = reusable(before, failed, self.folder.samples(pool_unit(self.number)))
        again = [p for p in self.problems if p.id in failed or p.id not in before.problems]
        scored = search.score([(p, [solution_of(row) for row in pools[p.id]]) for p in again], scorer)
        rows = [row for result in scored for row in score_rows(result, pools[result.problem.id], name)]
        check_scores(rows, pools, f"scoring with {name}", max_failed=self.max_failed)
        self._commit(unit, before.with_new(self.problems, UnitRows(_record(name, scorer, scored), scores=rows)))

    def beam(self, name: str, n: int, width: int, expand: int, policy: Policy, scorer: Scorer) -> None:
        unit = beam_unit(self.number, name, n)
        before = rows_of(self.before, unit)
        failed = failed_problems(before, by_problem(before.samples))
        before = reusable(before, failed, before.samples)
        try:
            results = search.beam_search(
                [p for p in self.problems if p.id in failed or p.id not in before.problems],
                ForgivingPolicy(policy),
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
        if reasons := {result.problem.id: bad[0][1] for result in results if (bad := failed_candidates(result))}:
            record["failed"] = reasons  # rows of trees have none
        whole = before.with_new(self.problems, UnitRows(record, samples, scores, trees))
        what = f"beam search ({name})"
        check_candidates(results, what, unit=len(whole.trees), max_failed=self.max_failed)
        check_scores(scores, by_problem(whole.samples), what, max_failed=self.max_failed)
        self._commit(unit, whole)

    def _commit(self, unit: str, whole: UnitRows) -> None:
        self.folder.commit(unit, whole.record, samples=whole.samples, scores=whole.scores, trees=whole.trees)


def _record(name: str, scorer: Scorer, results: Sequence[search.SearchResult]) -> Row:
    """What the journal keeps of a scorer's work; a finished run is shown again without its models."""
    return {"scorer": name, "separator": separator_of(scorer), **spend_record(results)}
