"""`stepbeam reproduce genrm`: the claims of Zhang et al. 2024 (arXiv 2408.15240) on the embedded tasks.

Everything is made from the shipped policy and the shipped `drilled` base LM: the data, the trainings of
every arm, and their scores. A run killed at any point goes on where it stopped.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from bench.reproduce.claim import Claim
from bench.reproduce.folder import plan_folder
from bench.reproduce.genrm.arms import ARMS, GenRMPlan, Suite, Writer
from bench.reproduce.genrm.curves import VoteCurve, compute_curves, notes, samples_to_the_rivals_best, vote_curve
from bench.reproduce.genrm.measures import Measured, consistent, measured
from bench.reproduce.genrm.report import TaskReport, write_report
from bench.reproduce.genrm.rows import data, written
from bench.reproduce.genrm.work import judge_in_words, many_votes, pool, scores
from bench.reproduce.over_seeds import difference
from bench.reproduce.savings import PLATEAU
from bench.reproduce.workers import carry_out
from bench.stats.arrays import Floats
from bench.stats.intervals import Estimate

MARGIN = 0.10
NOT_WORSE = -0.05
# What is claimed of Best-of-n: one arm is above another by more than a margin.
_ABOVE = (
    ("GenRM-CoT beats the discriminative verifier by 10 points or more", "genrm_cot", "orm", MARGIN),
    ("with rehearsal it does so", "genrm_cot, rehearsal", "orm", MARGIN),
    ("with rehearsal of whole rationales it does so", "genrm_cot, rehearsal of whole rationales", "orm", MARGIN),
    ("with LoRA it does so", "genrm_cot, LoRA", "orm", MARGIN),
    ("with LoRA and whole rationales it does so", "genrm_cot, LoRA and whole rationales", "orm", MARGIN),
    ("GenRM-CoT beats a discriminative one that compared the base's lists", "genrm_cot", "orm, drills", 0.0),
    (
        "with rehearsal of whole rationales it beats the discriminative one that compared lists",
        "genrm_cot, rehearsal of whole rationales",
        "orm, drills",
        0.0,
    ),
    ("direct GenRM beats the discriminative one", "genrm", "orm", 0.0),
    ("direct GenRM is not worse than the discriminative one by 5 points", "genrm", "orm", NOT_WORSE),
    ("GenRM-CoT beats DPO", "genrm_cot", "dpo", 0.0),
    ("the untrained base, asked in two parts, beats GenRM-CoT", "judge, in two parts", "genrm_cot", 0.0),
    ("lambda 1/3 is better than 0", "genrm_cot", "genrm_cot, lambda 0", 0.0),
    ("lambda 1/3 is better than 1/4", "genrm_cot", "genrm_cot, lambda 1/4", 0.0),
    ("lambda 1/3 is better than 1/2", "genrm_cot", "genrm_cot, lambda 1/2", 0.0),
    ("lambda 1/3 is better than 1", "genrm_cot", "genrm_cot, lambda 1", 0.0),
    ("lambda 0 is better than 1", "genrm_cot, lambda 0", "genrm_cot, lambda 1", 0.0),
    ("several rationales by a model are better than one", "genrm_cot, by a model", "genrm_cot, by a model, one", 0.0),
    ("a guided model's are better", "genrm_cot, by a guided model", "genrm_cot, by a model", 0.0),
    ("a program's are better still", "genrm_cot, 1/4 of the rows", "genrm_cot, by a guided model", 0.0),
    (
        "with 1/4 of the rows GenRM-CoT beats the discriminative verifier with all",
        "genrm_cot, 1/4 of the rows",
        "orm",
        0.0,
    ),
    ("with 1/16 of the rows it does so", "genrm_cot, 1/16 of the rows", "orm", 0.0),
)


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
        carry_out([partial(written, plan, how) for how in _writers(plan)], processes=processes, title="writers")
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
    claims = [*_claims(arms, beside, votes), Claim(text, saved, 1.0, unit="times")]
    lines = notes(plan, suite, curves)
    for how in _writers(plan):
        said = written(plan, how)
        lines.append(
            f"rationales of the {how} model: {said['right']:.0%} have the right verdict, and {said['faulty']:.0%} of "
            "these are not what a program writes"
        )
    return TaskReport(suite.name, arms, beside, lines, votes, curves, claims)


def _writers(plan: GenRMPlan) -> list[Writer]:
    return list(dict.fromkeys(ARMS[name].writer for name in plan.arms if ARMS[name].writer))


def _claims(arms: dict[str, Measured], beside: dict[str, Floats], votes: VoteCurve | None) -> list[Claim]:
    best = {name: arm.best for name, arm in arms.items()}
    above: list[tuple[str, Floats, Floats, float]] = [
        (text, *at_equal_votes(arms[one], arms[other]), margin)
        for text, one, other, margin in _ABOVE
        if one in arms and other in arms
    ]
    above += [
        (f"{name} beats self-consistency", table, beside["self-consistency"], 0.0)
        for name, table in best.items()
        if ARMS.get(name) and ARMS[name].rational and ARMS[name].group != "variant"
    ]
    if votes:
        most = max(votes.by_k)
        text = f"accuracy rises with the number of rationales (K = {most} against 1)"
        above.append((text, votes.by_k[most], votes.by_k[1], 0.0))
        text = f"with {most} rationales it beats self-consistency (best of {votes.n})"
        above.append((text, votes.by_k[most], votes.beside["self-consistency"], 0.0))
    if "judge" in arms:
        text = "the untrained base, asked directly for its verdict, chooses worse than chance does"
        above.append((text, beside["one sample"], best["judge"], 0.0))
    if "orm" in arms and "genrm_cot" in arms:
        text = "GenRM-CoT's single verdicts are better than the discriminative verifier's (RM accuracy)"
        above.append((text, arms["genrm_cot"].accuracy, arms["orm"].accuracy, 0.0))
    if "solutions alone" in arms:
        text = "verdicts improve its own solving (lambda 1/3 against solutions alone)"
        above.append((text, arms["genrm_cot"].alone, arms["solutions alone"].alone, 0.0))
    return [Claim(text, _difference(one, other), margin, unit="points") for text, one, other, margin in above]


def at_equal_votes(one: Measured, other: Measured) -> tuple[Floats, Floats]:
    """Best-of-n of two arms, by as many rationales where both write some and one has more."""
    if 0 in (one.rationales, other.rationales) or one.rationales == other.rationales:
        return one.best, other.best
    return one.few, other.few


def _difference(one: Floats, other: Floats) -> Estimate:
    """By the problems that both have."""
    common = min(one.shape[1], other.shape[1])
    return difference(one[:, :common], other[:, :common])
