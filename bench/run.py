"""A compute-vs-accuracy run: one task, one policy, many strategies, into a run folder."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

import search
from bench.curves import Results
from bench.errors import BadInput
from bench.plan import RunPlan
from bench.results import results_of
from bench.run_folder import Row, RunFolder, json_line, open_run, write_atomically
from bench.samples import sample_rows, score_rows, solution_of, spend_record
from bench.specs import load_policy, load_scorer
from bench.task import Task
from bench.tasks import load_task
from bench.units import beam_unit, chunks, pool_unit, score_unit
from policies.policy import Policy, Sampling
from verifiers.scoring import Scorer
from verifiers.solution import Problem


def run(plan: RunPlan, out: Path, *, progress: bool = True) -> Results:
    """Do what the plan says, or what is left of it, and return its results.

    The folder holds `config.toml`, `samples.jsonl`, `scores.jsonl` (a row a solution), `journal.jsonl`
    (what each unit of work spent) and `results.jsonl`. A run that was killed and started again ends
    with the same rows as one that was not. Raises BadInput for a plan that cannot be carried out.
    """
    contests = plan.contests()
    task = load_task(plan.task, limit=plan.limit, seed=plan.seed)
    sampling = plan.sampling(task.sampling)
    folder = open_run(out, plan.config())
    try:
        _Work(plan, task, sampling, folder).do(progress)
        results = results_of(plan, task, contests, folder)
        write_atomically(out / "results.jsonl", "".join(json_line(o.row()) for o in results.outcomes))
    finally:
        folder.close()
    return results


_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}"


class _Work:
    """The units of a run: per chunk of problems a pool of samples, its scores, and the beams."""

    def __init__(self, plan: RunPlan, task: Task, sampling: Sampling, folder: RunFolder) -> None:
        self.plan, self.task, self.sampling, self.folder = plan, task, sampling, folder
        self._policy: Policy | None = None
        self._scorers: dict[str, Scorer] = {}

    def do(self, progress: bool) -> None:
        plan, contests = self.plan, self.plan.contests()
        scorers = list(dict.fromkeys(c.scorer for c in contests if c.scorer and c.strategy != "beam_search"))
        beams = [c.scorer for c in contests if c.scorer and c.strategy == "beam_search"]
        parts = list(chunks(self.task.problems, plan.chunk))
        weights = {"pool": plan.n, "score": plan.n // 4 + 1}
        total = len(parts) * (
            weights["pool"] + len(scorers) * weights["score"] + len(beams) * sum(n for n, _, _ in plan.beams())
        )
        with tqdm(total=total, desc="run", unit="sample", disable=not progress, bar_format=_BAR) as bar:
            for number, problems in enumerate(parts):
                bar.set_postfix_str("sampling")
                self._pool(number, problems)
                bar.update(weights["pool"])
                for name in scorers:
                    bar.set_postfix_str(f"scoring with {name}")
                    self._score(number, problems, name)
                    bar.update(weights["score"])
                for name in beams:
                    for n, width, expand in plan.beams():
                        bar.set_postfix_str(f"beam search ({name}), {n} candidates a step")
                        self._beam(number, problems, name, n, width, expand)
                        bar.update(n)

    def policy(self) -> Policy:
        # Loaded at first need: a finished run is shown again without its models.
        if self._policy is None:
            self._policy = load_policy(self.plan.policy, dtype=self.plan.dtype)
        return self._policy

    def scorer(self, name: str) -> Scorer:
        if name not in self._scorers:
            self._scorers[name] = load_scorer(self.plan.scorers[name])
        return self._scorers[name]

    def _pool(self, number: int, problems: Sequence[Problem]) -> None:
        unit = pool_unit(number)
        if unit in self.folder.committed:
            return
        found = search.self_consistency(
            problems,
            self.policy(),
            n=self.plan.n,
            answers=self.task.answers,
            sampling=self.sampling,
            seed=self.plan.seed,
        )
        rows = [row for result in found for row in sample_rows(self.task, result, "sample", None, self.plan.n)]
        self.folder.commit(unit, rows, [], spend_record(found))

    def _score(self, number: int, problems: Sequence[Problem], name: str) -> None:
        unit = score_unit(number, name)
        if unit in self.folder.committed:
            return
        pools: dict[str, list[Row]] = {problem.id: [] for problem in problems}
        for row in self.folder.rows(pool_unit(number), "samples.jsonl"):
            pools[row["problem"]].append(row)
        scored = search.rerank(
            [(p, [solution_of(row) for row in pools[p.id]]) for p in problems],
            self.scorer(name),
            answers=self.task.answers,
        )
        rows = [row for result in scored for row in score_rows(result, pools[result.problem.id], name)]
        self.folder.commit(unit, [], rows, spend_record(scored))

    def _beam(self, number: int, problems: Sequence[Problem], name: str, n: int, width: int, expand: int) -> None:
        unit = beam_unit(number, name, n)
        if unit in self.folder.committed:
            return
        try:
            found = search.beam_search(
                problems,
                self.policy(),
                self.scorer(name),
                width=width,
                expand=expand,
                max_steps=self.plan.max_steps,
                answers=self.task.answers,
                sampling=self.sampling,
                seed=self.plan.seed,
            )
        except search.NoOpinionError as error:
            raise BadInput(f"--strategies beam_search:{name}: {error}") from None
        samples: list[Row] = []
        scores: list[Row] = []
        for result in found:
            rows = sample_rows(self.task, result, "beam_search", name, n)
            samples += rows
            scores += score_rows(result, rows, name)
        self.folder.commit(unit, samples, scores, spend_record(found))
