"""The work of a run's units: from problems, models and what other units left to rows; nothing is written here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import search
from bench.files.rows import SampleRow, ScoreRow, TreeRow, by_problem, read_spend
from bench.inputs.task import Task
from bench.runs.forgiving_policy import ForgivingPolicy
from bench.runs.forgiving_scorer import ForgivingScorer
from bench.runs.limit import Limit
from bench.runs.own_strategy import run_strategy
from bench.runs.plan import RunPlan
from bench.runs.retry import (
    UnitRows,
    check_candidates,
    check_samples,
    check_scores,
    failed_candidates,
    failed_problems,
    reusable,
    same_pool,
    same_solutions,
)
from bench.runs.samples import kept_record, most_voted, sample_rows, score_rows, solution_of, spend_record, tree_rows
from bench.stats.contest import Contest
from policies.policy import Policy, Sampling
from prms.pav import PAV
from search.driver import sample_seed
from verifiers.interface.capabilities import separator_of
from verifiers.interface.errors import BadArgument
from verifiers.interface.files import Row
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Problem


@dataclass(frozen=True, slots=True)
class Parts:
    """The policy and the scorers, where units need them."""

    policy: Policy | None
    scorers: Mapping[str, Scorer]

    def drawer(self) -> Policy:
        """The policy of a unit that needs one."""
        assert self.policy is not None
        return self.policy


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some problems that are worked on together, and what can be done with them, in this process or another.

    `before` is what a unit left of which only what failed is done again.
    """

    plan: RunPlan
    task: Task
    sampling: Sampling
    max_failed: float | None
    problems: Sequence[Problem]

    def sample(self, before: UnitRows, parts: Parts) -> UnitRows:
        """The pool of each problem, graded."""
        n, seed, was = self.plan.n, self.plan.seed, before.samples
        before = reusable(before, failed_problems(before, {}), before.samples)
        kept = {(row.problem, row.index): row for row in before.samples if row.stop != "failed"}
        missing = {p.id: [i for i in range(n) if (p.id, i) not in kept] for p in self.problems}
        again = [p for p in self.problems if missing[p.id]]
        seeds = {sample_seed(seed, name, i) for name, places in missing.items() for i in places}
        drawer = ForgivingPolicy(parts.drawer(), seeds if kept else None)
        drawn = search.sample(again, drawer, n=n, sampling=self.sampling, seed=seed)
        pools = [sample_rows(self.task, result, "sample", None, n) for result in drawn]
        new = [row for pool in pools for row in pool if row.index in missing[row.problem]]
        check_samples(new, was, "sampling", self._limit(n * len(self.problems), was))
        pools = [[kept.get((row.problem, row.index), row) for row in pool] for pool in pools]
        # Comparing answers takes time: it is done once, here, and the journal keeps what came of it.
        classes = self.task.answers.classes_of([[row.answer for row in pool] for pool in pools])
        rows = [row for pool in zip(pools, classes, strict=True) for row in most_voted(*pool)]
        earlier = {name: read_spend(spend) for name, spend in before.record.get("kept", {}).items()}
        record = spend_record(drawn, earlier)
        if failed_again := {row.problem for row in rows if row.stop == "failed"}:
            record["kept"] = kept_record(failed_again, drawer.spent, earlier)
        record["classes"] = dict(zip((p.id for p in again), classes, strict=True))
        return before.with_new(self.problems, UnitRows(record, samples=rows))

    def score(
        self, name: str, pool: Sequence[SampleRow], before: UnitRows, old_pool: Sequence[SampleRow], parts: Parts
    ) -> UnitRows:
        """What a scorer says of each problem's pool; `old_pool` is what it said `before` of."""
        scorer, pools, old_pools = parts.scorers[name], by_problem(pool), by_problem(old_pool)
        failed = failed_problems(before, old_pools)
        changed = {p.id for p in self.problems if not same_pool(pools[p.id], old_pools.get(p.id, []))}
        same = same_solutions(pool, old_pool)
        was, failed = [row for row in before.scores if (row.problem, row.index) in same], failed | changed
        before = reusable(before, failed, pool)
        again = [p for p in self.problems if p.id in failed or p.id not in before.problems]
        scored = search.score([(p, [solution_of(row) for row in pools[p.id]]) for p in again], ForgivingScorer(scorer))
        rows = [row for result in scored for row in score_rows(result, pools[result.problem.id], name)]
        alive = sum(row.stop != "failed" for row in pool)
        check_scores(rows, pools, was, f"scoring with {name}", self._limit(alive, was))
        return before.with_new(self.problems, UnitRows(_record(name, scorer, scored), scores=rows))

    def beam(self, name: str, shape: tuple[int, int, int], before: UnitRows, parts: Parts) -> UnitRows:
        """The beam search of each problem; its shape is candidates a step, width and expand."""
        (n, width, expand), scorer = shape, parts.scorers[name]
        was, failed = before, failed_problems(before, by_problem(before.samples))
        before = reusable(before, failed, before.samples)
        again = [p for p in self.problems if p.id in failed or p.id not in before.problems]
        try:
            results = search.beam_search(
                again,
                ForgivingPolicy(parts.drawer()),
                ForgivingScorer(scorer),
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
        made = self._made(Contest("beam_search", name), n, results, scorer)
        whole = before.with_new(self.problems, made)
        what = f"beam search ({name})"
        unit = len(self.problems) if self.max_failed is None else len(whole.trees)
        check_candidates(results, was, failed, what, self._limit(unit, was.trees))
        check_scores(made.scores, by_problem(whole.samples), (), what, self._limit(len(whole.samples), was.trees))
        return whole

    def own(self, contest: Contest, n: int, before: UnitRows, parts: Parts) -> UnitRows:
        """The searches of a strategy of one's own, with n samples to spend."""
        scorer = None if contest.scorer is None else parts.scorers[contest.scorer]
        was, failed = before, failed_problems(before, by_problem(before.samples))
        before = reusable(before, failed, before.samples)
        again = [p for p in self.problems if p.id in failed or p.id not in before.problems]
        results = run_strategy(
            contest.strategy,
            again,
            n,
            ForgivingPolicy(parts.drawer()),
            None if scorer is None else ForgivingScorer(scorer),
            answers=self.task.answers,
            sampling=self.sampling,
            seed=self.plan.seed,
        )
        made = self._made(contest, n, results, scorer)
        if reasons := {r.problem.id: r.reason or "it gave no reason" for r in results if r.solution is None}:
            made.record["nothing"] = reasons
        whole = before.with_new(self.problems, made)
        limit = self._limit(len(whole.samples), was.samples)
        stood = [row for row in was.samples if row.problem not in failed]
        check_samples(made.samples, stood, str(contest), limit)
        check_scores(made.scores, by_problem(whole.samples), (), str(contest), limit)
        return whole

    def _made(
        self, contest: Contest, n: int, results: Sequence[search.SearchResult], scorer: Scorer | None
    ) -> UnitRows:
        """The rows of searches that drew their own samples."""
        samples: list[SampleRow] = []
        scores: list[ScoreRow] = []
        trees: list[TreeRow] = []
        for result in results:
            rows = sample_rows(self.task, result, contest.strategy, contest.scorer, n)
            samples += rows
            if contest.scorer is not None:
                scores += score_rows(result, rows, contest.scorer)
            trees += tree_rows(result, contest.strategy, contest.scorer, n)
        record = spend_record(results) if scorer is None else _record(str(contest.scorer), scorer, results)
        if reasons := {result.problem.id: bad[0][2] for result in results if (bad := failed_candidates(result))}:
            record["failed"] = reasons  # rows of trees have none
        return UnitRows(record, samples, scores, trees)

    def _limit(self, rows: int, before: Sequence[object]) -> Limit:
        return Limit(self.max_failed, rows, kept_before=bool(before))


def _record(name: str, scorer: Scorer, results: Sequence[search.SearchResult]) -> Row:
    """What the journal keeps of a scorer's work; a finished run is shown again without its models."""
    return {"scorer": name, "separator": separator_of(scorer), **spend_record(results)}
