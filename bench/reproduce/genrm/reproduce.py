"""`stepbeam reproduce genrm`: the claims of Zhang et al. 2024 (arXiv 2408.15240) on the embedded tasks.

Everything is made from the shipped policy and the shipped `drilled` base LM: the data, the trainings of
every arm, and their scores. A run killed at any point goes on where it stopped.
"""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from bench.reproduce.claim import Claim
from bench.reproduce.folder import plan_folder
from bench.reproduce.genrm.arms import ARMS, GenRMPlan, Suite, Writer
from bench.reproduce.genrm.claims import all_claims
from bench.reproduce.genrm.curves import compute_curves, notes, samples_to_the_rivals_best, vote_curve
from bench.reproduce.genrm.measures import consistent, measured
from bench.reproduce.genrm.report import TaskReport, write_report
from bench.reproduce.genrm.rows import data, written
from bench.reproduce.genrm.work import judge_in_words, many_votes, pool, scores
from bench.reproduce.savings import PLATEAU
from bench.reproduce.workers import carry_out


def reproduce_genrm(plan: GenRMPlan, *, processes: int = 2) -> list[TaskReport]:
    """Do what is not done yet, and write `genrm.md` and its plots into the folder.

    Raises BadInput where the folder belongs to a run with other settings.
    """
    with plan_folder(plan):
        # The variants come last: a run that is stopped early has the main table, or its first seeds.
        jobs = [(name, seed) for name in plan.arms for seed in plan.seeds_of(name)]
        jobs.sort(key=lambda job: (("main", "remedy", "variant").index(ARMS[job[0]].group), job[1]))
        ready: list[Callable[[], object]] = [partial(data, plan)]
        ready += [partial(pool, plan, suite) for suite in plan.suites]
        carry_out(ready, processes=processes, title="data and pools")
        carry_out([partial(written, plan, how) for how in _writers(plan.arms)], processes=processes, title="writers")
        judging: list[Callable[[], object]] = [partial(_job, plan, name, seed) for name, seed in jobs]
        judging += [partial(judge_in_words, plan, suite) for suite in plan.suites]
        carry_out(judging, processes=processes, title="verifiers")
        votes = [partial(many_votes, plan, seed, suite) for suite in _with_curve(plan) for seed in plan.seeds]
        carry_out(votes, processes=processes, title="many votes")
        reports = [_report(plan, suite) for suite in plan.suites]
        write_report(reports, plan)
        return reports


def _job(plan: GenRMPlan, name: str, seed: int) -> None:
    for suite in plan.suites_of(name):
        scores(plan, name, seed, suite)


def _with_curve(plan: GenRMPlan) -> tuple[Suite, ...]:
    return tuple(suite for suite in plan.suites if not suite.longer)


def _report(plan: GenRMPlan, suite: Suite) -> TaskReport:
    right = [row[: plan.n] for row in pool(plan, suite)["right"]]
    arms = {name: measured(plan, suite, name) for name in plan.arms if suite in plan.suites_of(name)}
    beside = {
        "self-consistency": consistent(plan, suite, plan.n),
        "any sample right": np.array([[max(row) for row in right]]),
        "one sample": np.array([[float(np.mean(row)) for row in right]]),
    }
    votes = vote_curve(plan, suite) if suite in _with_curve(plan) else None
    curves = compute_curves(plan, suite)
    saved, goal = samples_to_the_rivals_best(plan, suite)
    text = (
        f"GenRM-CoT comes to {goal:.3f}, within {PLATEAU:g} of the discriminative verifier's best, with fewer samples"
    )
    claims = [*all_claims(plan, arms, beside, votes), Claim(text, saved, 1.0, unit="times")]
    lines = notes(plan, suite, curves)
    for how in _writers(arms):
        said = written(plan, how)
        lines.append(
            f"rationales of the {how} model: {said['right']:.0%} have the right verdict, and {said['faulty']:.0%} of "
            "these are not what a program writes"
        )
    return TaskReport(suite.name, arms, beside, lines, votes, curves, claims)


def _writers(arms: Iterable[str]) -> list[Writer]:
    return list(dict.fromkeys(ARMS[name].writer for name in arms if ARMS[name].writer))
