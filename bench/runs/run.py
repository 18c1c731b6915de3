"""A compute-vs-accuracy run: one task, one policy, many strategies, into a run folder."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from bench.files.memory import keep_freed_memory
from bench.files.progress import Progress
from bench.files.run_folder import RunFolder, open_again, open_run, put_in_place
from bench.inputs.specs import load_policy, load_scorer, separator_note
from bench.inputs.task import Task
from bench.report.breakdown import check_by
from bench.runs.chunk import Chunk, Parts
from bench.runs.limit import check_share
from bench.runs.outputs import RUN_FILES, check_problems, write_problems, write_results
from bench.runs.own_strategy import load_strategy
from bench.runs.plan import RunPlan, is_own, searches
from bench.runs.results import results_of
from bench.runs.retry import UnitRows, has_failures, rows_of
from bench.runs.same_models import POLICY, check_same, digests, scorer_called
from bench.runs.units import layout, pool_unit, score_unit, search_unit
from bench.stats.contest import Contest
from bench.stats.curves import Results
from bench.tasks.tasks import load_task
from policies.models.engine_options import DType
from policies.policy import Sampling
from policies.replicas.workers import Job, Replicas, Workers, work_off, workers
from verifiers.interface.capabilities import judges_ends_only
from verifiers.interface.checksums import write_checksums
from verifiers.interface.errors import NO_ROWS_FAULT, BadArgument, BadInput, EngineStoppedError, reason_of
from verifiers.interface.solution import Problem

Done: TypeAlias = Mapping[str, UnitRows]
Work: TypeAlias = Callable[[Parts], UnitRows]


def run(
    plan: RunPlan,
    out: Path,
    *,
    by: Sequence[str] = (),
    max_failed: float | None = None,
    retry_failed: bool = False,
    replicas: Replicas | None = None,
    progress: bool = True,
    begun: Callable[[], None] = lambda: None,
) -> Results:
    """Do what the plan says, or what is left of it, and return its results.

    The folder holds `config.toml`, `problems.jsonl`, `samples.jsonl`, `scores.jsonl` (a row a solution),
    `trees.jsonl` (a row a candidate of a search by steps), `journal.jsonl` (what each unit of work spent),
    `results.jsonl` and `points.jsonl` (the table). A run that was killed and started again ends
    with the same rows as one that was not.

    A sample that cannot be drawn or scored is a row that says why, and counts as wrong. Where all of a unit's rows
    fail, or a larger share than `max_failed`, the run ends before that unit is kept. `retry_failed` draws and scores
    what failed again; of a beam search, the whole search, and of a model with log-probabilities the whole unit, since
    its last digits depend on what is computed together. What comes of it are the rows of a run that never failed.
    `replicas` work side by side, each on a unit; the folder is written here, in the order and the bytes of one process.
    `begun` is called when all has been checked and loaded; before that nothing is left behind.
    `by` names fields of the problems that results will be broken down by. A run that is gone on with keeps the chunks
    that it has, whatever `plan.chunk` is now.
    Raises BadInput for a plan that cannot be carried out, EngineStoppedError where too much failed.
    """
    check_share(max_failed)
    contests = plan.contests()
    task = task_of(plan)
    check_by([problem.fields for problem in task.problems], by, of=plan.task)
    sampling = plan.sampling(task.sampling)
    with open_run(out, plan.config()) as folder:
        again = open_again(folder) if retry_failed and has_failures(folder) else None
        into, whole = again or folder, Chunk(plan, replace(task, problems=()), sampling, max_failed, ())
        check_problems(out, task.problems, folder.committed)
        parts = layout(task.problems, plan.chunk, {**folder.committed, **into.committed}, out)
        units = list(_units(plan, whole, parts, _Folders(into, folder if again else None)))
        todo = [unit for unit in units if unit.name not in into.committed]
        for contest in filter(is_own, contests if todo else ()):
            load_strategy(contest.strategy)  # known before anything is drawn
        with workers(_needed(todo, plan), replicas if todo else None) as them:
            models = digests(plan, {name for unit in todo for name in unit.parts})
            check_same(out, folder.committed.values(), models)
            begun()
            folder.begin()
            write_problems(out, task.problems)
            _work_off(todo, them, into, models, progress)
        folder = put_in_place(again) if again else folder
        results = results_of(plan, parts, contests, folder)
        results = replace(results, notes=(*results.notes, *_format_notes(folder, sampling)))
        write_results(out, results)
        write_checksums(out, RUN_FILES)
    return results


def task_of(plan: RunPlan) -> Task:
    """The task that a plan names, asked and graded as it says."""
    given = {
        name: getattr(plan, name) for name in ("columns", "system", "instruction", "shots", "answers", "separator")
    }
    return load_task(plan.task, limit=plan.limit, seed=plan.seed, **given).with_thinking(plan.thinking)


def _format_notes(folder: RunFolder, sampling: Sampling) -> list[str]:
    """Of scorers that are given steps of another format than their own, as the journal knows them."""
    records = [record for record in folder.committed.values() if record.get("separator")]
    said = {r["scorer"]: separator_note(r["scorer"], r["separator"], sampling.separator) for r in records}
    return [note for note in said.values() if note]


@dataclass(frozen=True, slots=True)
class _Unit(Job[Parts, UnitRows]):
    """What is committed as a whole."""

    label: str
    weight: int  # for the progress bar: samples, roughly
    samples: bool  # whether it needs the policy
    scorer: str | None

    @property
    def parts(self) -> list[str]:
        """Whom it asks, by their names in `bench.runs.same_models`."""
        return [POLICY] * self.samples + ([] if self.scorer is None else [scorer_called(self.scorer)])


@contextmanager
def _loaded(policy: str | None, scorers: Mapping[str, str], steering: Collection[str], dtype: DType) -> Iterator[Parts]:
    """The parts that specs name: loaded before anything is spent, and none for a finished run.

    Raises BadArgument where a beam would be steered by a scorer that judges finished solutions only.
    """
    keep_freed_memory()
    with ExitStack() as stack:
        loaded = None if policy is None else load_policy(policy, dtype=dtype)
        if isinstance(loaded, AbstractContextManager):  # an engine, which is to be stopped
            stack.enter_context(loaded)
        made = {name: load_scorer(spec) for name, spec in scorers.items()}
        for name in filter(lambda name: judges_ends_only(made[name]), steering):
            others = [other for other, scorer in made.items() if not judges_ends_only(scorer)]
            write = f"name one of steps, beam_search:{others[0]}" if others else "add one of steps, --scorer prm:MODEL"
            told = f"{name} judges finished solutions only, and beam search asks of each step; {write}"
            raise BadArgument("strategies", f"beam_search:{name}", told)
        yield Parts(loaded, made)


def _needed(units: Sequence[_Unit], plan: RunPlan) -> Callable[[], AbstractContextManager[Parts]]:
    scorers = {unit.scorer: plan.scorers[unit.scorer] for unit in units if unit.scorer is not None}
    policy = plan.policy if any(unit.samples for unit in units) else None
    steering = [str(contest.scorer) for contest in plan.contests() if contest.strategy == "beam_search"]
    return partial(_loaded, policy, scorers, [name for name in steering if name in scorers], plan.dtype)


def _shown(unit: _Unit, progress: Progress, done: Mapping[str, UnitRows]) -> Work:
    """What a worker is to do for a unit, which is named from now on."""
    progress.now(unit.label)
    return partial(_named, unit.label, unit.prepare(done))


def _named(label: str, work: Work, parts: Parts) -> UnitRows:
    try:
        return work(parts)
    except Exception as error:
        if isinstance(error, BadInput | EngineStoppedError) or not (
            isinstance(error, (ValueError, *NO_ROWS_FAULT)) or hasattr(error, "__notes__")
        ):
            raise
        # A reply of the wrong shape, or a mistake in somebody's code; or who has failed on every row, as is noted.
        notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
        said = reason_of(error).splitlines()[0] + notes
        raise EngineStoppedError(f"{label}: {said}; mend that and run the same command again") from error


def _work_off(
    units: Sequence[_Unit], them: Workers[Parts, UnitRows], folder: RunFolder, models: Mapping[str, str], shown: bool
) -> None:
    with Progress(sum(unit.weight for unit in units), "run", shown=shown) as progress:

        def commit(unit: _Unit, made: UnitRows) -> None:
            record = {**made.record, "models": {name: models[name] for name in unit.parts if name in models}}
            folder.commit(unit.name, record, samples=made.samples, scores=made.scores, trees=made.trees)
            progress.add(unit.weight)

        work_off([replace(unit, prepare=partial(_shown, unit, progress)) for unit in units], them, commit)


def _units(plan: RunPlan, whole: Chunk, parts: Sequence[Sequence[Problem]], folders: "_Folders") -> Iterator[_Unit]:
    """Per chunk of problems: a pool of samples, its scores by each scorer, and the searches that draw their own."""
    contests = plan.contests()
    scorers = list(dict.fromkeys(c.scorer for c in contests if c.scorer and not searches(c)))
    for number, problems in enumerate(parts):
        of = replace(whole, problems=problems)
        weight, pool = plan.n * len(problems), pool_unit(number)
        yield _Unit(pool, partial(folders.sample, of, pool), "sampling", weight, True, None)
        for name in scorers:
            unit, label = score_unit(number, name), f"scoring with {name}"
            prepare = partial(folders.score, of, name, unit, pool)
            yield _Unit(unit, prepare, label, weight // 4 + 1, False, name, needs=pool)
        for contest in filter(searches, contests):
            for n in plan.sizes(contest):
                unit, label = search_unit(number, contest, n), f"{contest}, n = {n}"
                prepare = partial(folders.search, of, contest, n, unit)
                yield _Unit(unit, prepare, label, n * len(problems), True, contest.scorer)


@dataclass(frozen=True, slots=True)
class _Folders:
    """Where units find what others left: the folder of the run, and the one whose failures are done again."""

    now: RunFolder
    before: RunFolder | None

    def sample(self, chunk: Chunk, unit: str, _: Done) -> Work:
        return partial(chunk.sample, rows_of(self.before, unit))

    def score(self, chunk: Chunk, name: str, unit: str, pool: str, done: Done) -> Work:
        rows = done[pool].samples if pool in done else self.now.samples(pool)
        return partial(chunk.score, name, rows, rows_of(self.before, unit), rows_of(self.before, pool).samples)

    def search(self, chunk: Chunk, contest: Contest, n: int, unit: str, _: Done) -> Work:
        before = rows_of(self.before, unit)
        if contest.strategy == "beam_search":
            shape = next(shape for shape in chunk.plan.beams() if shape[0] == n)
            return partial(chunk.beam, str(contest.scorer), shape, before)
        return partial(chunk.own, contest, n, before)
