"""`stepbeam reproduce genrm`: the claims of Zhang et al. 2024 (arXiv 2408.15240) on the embedded tasks.

Everything is made from the shipped policy and the shipped `drilled` base LM: the data, three trainings of
every verifier, and their scores. A run killed at any point goes on where it stopped.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from bench.reproduce.claim import Claim
from bench.reproduce.folder import plan_folder
from bench.reproduce.genrm.claims import best_of, by_votes, majority, mean_of_votes, stays_above
from bench.reproduce.genrm.report import ComputeCurve, TaskReport, write_report
from bench.reproduce.genrm.work import RIVALS, GenRMPlan, Suite, data, judge_in_words, pool, scores, votes_of
from bench.reproduce.over_seeds import difference, estimate
from bench.reproduce.workers import carry_out
from bench.runs.table import short
from bench.stats.compute_to_reach import costs_to_reach

MARGIN = 0.10
NOT_WORSE = -0.05


def reproduce_genrm(plan: GenRMPlan, *, processes: int = 2) -> list[TaskReport]:
    """Do what is not done yet, and write `genrm.md` and its plots into the folder.

    Raises BadInput where the folder belongs to a run with other settings.
    """
    with plan_folder(plan):
        # The variants come last: a run that is stopped early has the main table, or its first seeds.
        jobs = [(name, seed) for name in plan.rivals for seed in _seeds(plan, name)]
        jobs.sort(key=lambda job: (RIVALS[job[0]].variant, job[1]))
        ready: list[Callable[[], object]] = [
            partial(data, plan),
            *(partial(pool, plan, suite) for suite in plan.suites),
        ]
        carry_out(ready, processes=processes, title="data and pools")
        judging: list[Callable[[], object]] = [partial(_job, plan, name, seed) for name, seed in jobs]
        judging += [partial(judge_in_words, plan, suite) for suite in plan.suites]
        carry_out(judging, processes=processes, title="verifiers")
        reports = [_report(plan, suite) for suite in plan.suites]
        write_report(reports, plan)
        return reports


def _job(plan: GenRMPlan, name: str, seed: int) -> None:
    for suite in _suites(plan, name):
        scores(plan, name, seed, suite)


def _report(plan: GenRMPlan, suite: Suite) -> TaskReport:
    drawn = pool(plan, suite)
    right = [row[: plan.n] for row in drawn["right"]]
    classes = drawn["classes"]
    picked = {
        name: np.array([_best(plan, suite, name, s, right) for s in _seeds(plan, name)])
        for name in plan.rivals
        if suite in _suites(plan, name)
    }
    consistent = np.array([[majority(r, c[: plan.n], plan.n) for r, c in zip(right, classes, strict=True)]])
    labels = {
        name: name if values.shape[1] == len(right) else f"{name} (first {values.shape[1]} problems)"
        for name, values in picked.items()
    }
    table = {labels[name]: estimate(values) for name, values in picked.items()}
    table["self-consistency"] = estimate(consistent)
    table["any sample right"] = estimate([[float(max(row)) for row in right]])
    table["one sample"] = estimate([[float(np.mean(row)) for row in right]])
    votes = _vote_curve(plan, suite, right)
    curves = _curves(plan, suite, right)
    claims = _claims(picked, consistent, votes)
    per_seed = {labels[name]: values.mean(axis=1).tolist() for name, values in picked.items()}
    few = next(iter(votes.values())).shape[1]
    rivals = {"discriminative": picked["orm"], "direct GenRM": picked["genrm"], "self-consistency": consistent}
    beside = {name: estimate(values[:, :few]) for name, values in rivals.items()}
    notes = [_compute_note(curves), *_notes(plan, suite, curves)]
    return TaskReport(suite.name, len(right), table, per_seed, notes, votes, beside, curves, claims)


def _claims(picked: dict[str, np.ndarray], consistent: np.ndarray, votes: dict[int, np.ndarray]) -> list[Claim]:
    cot = picked["genrm_cot"]
    over_orm = difference(cot, picked["orm"])
    direct = difference(picked["genrm"], picked["orm"])
    most = max(votes)
    claims = [
        Claim("GenRM-CoT beats the discriminative verifier by 10 points or more", over_orm, MARGIN, unit="points"),
        _better("GenRM-CoT beats self-consistency", cot, consistent),
    ]
    if (few := votes[most].shape[1]) < cot.shape[1]:
        text = f"GenRM-CoT with {most} rationales beats self-consistency (first {few} problems)"
        claims.append(_better(text, votes[most], consistent[:, :few]))
    claims += [
        Claim("direct GenRM is not worse than the discriminative one by 5 points", direct, NOT_WORSE, unit="points"),
        _better(f"accuracy rises with the number of rationales (K = {most} against 1)", votes[most], votes[1]),
    ]
    for name, text in (
        ("genrm_cot, lambda 0", "lambda 1/3 is better than 0"),
        ("genrm_cot, lambda 1", "lambda 1/3 is better than 1"),
        ("genrm_cot, one rationale", "several rationales a solution are better than one"),
    ):
        if name in picked:
            claims.append(_better(text, cot[:, : picked[name].shape[1]], picked[name]))
    return claims


def _better(text: str, one: np.ndarray, other: np.ndarray) -> Claim:
    return Claim(text, difference(one, other), unit="points")


def _compute_note(curves: dict[str, ComputeCurve]) -> str:
    majority_curve = curves["self-consistency"]
    best = int(np.argmax(majority_curve.values))
    goal, price = majority_curve.values[best], majority_curve.flops[best]
    cot = _cot_curves(curves).values()
    costs = [costs_to_reach(np.array([c.values]), np.array([c.flops]), np.array([goal]))[0] for c in cot]
    ratio = float(min(costs)) / price
    when = "never" if np.isinf(ratio) else f"at {ratio:.2f} times its compute"
    return f"GenRM-CoT comes to self-consistency's best ({goal:.3f}) {when}"


def _cot_curves(curves: dict[str, ComputeCurve]) -> dict[str, ComputeCurve]:
    return {name: curve for name, curve in curves.items() if name.startswith("GenRM-CoT")}


def _suites(plan: GenRMPlan, name: str) -> tuple[Suite, ...]:
    return tuple(suite for suite in plan.suites if not (RIVALS[name].variant and suite.longer))


def _seeds(plan: GenRMPlan, name: str) -> tuple[int, ...]:
    return (0,) if name == "judge" else plan.seeds


def _best(plan: GenRMPlan, suite: Suite, name: str, seed: int, right: list[list[float]]) -> list[float]:
    """The chance, a problem, that the best of the n samples is right."""
    rows = scores(plan, name, seed, suite)["votes"]
    limit = votes_of(plan, suite) if name == "genrm_cot" else None
    return _chances(right[: len(rows)], rows, limit, len(right[0]))


def _chances(right: list[list[float]], rows: list[Any], k: int | None, n: int) -> list[float]:
    """The chance, a problem, that the best of n samples by their first k votes is right."""
    return [best_of(r, mean_of_votes([v[:k] for v in votes]), n) for r, votes in zip(right, rows, strict=True)]


def _notes(plan: GenRMPlan, suite: Suite, curves: dict[str, ComputeCurve]) -> list[str]:
    votes = [v for s in plan.seeds for p in scores(plan, "genrm_cot", s, suite)["votes"] for row in p for v in row]
    silent = float(np.mean([v is None for v in votes]))
    spoken = judge_in_words(plan, suite)["verdicts"]
    rival = curves["self-consistency"]
    notes = [
        f"GenRM-CoT: {silent:.1%} of the votes came to no verdict, after three more draws",
        f"the untrained base, left to its own words, came to a verdict in {spoken:.1%} of its rationales",
    ]
    for name in ("discriminative", "direct GenRM"):
        top = int(np.argmax(curves[name].values))
        notes.append(f"{name} is best at N = {2**top}: {curves[name].values[top]:.3f}")
    for name, curve in _cot_curves(curves).items():
        at = stays_above(curve.flops, curve.values, rival.flops, rival.values)
        where = "at no N" if np.isnan(at) else f"from {short(at)} FLOPs a problem on"
        notes.append(
            f"{name} is above self-consistency at equal compute {where} (beyond {short(rival.flops[-1])} "
            "self-consistency's last point stands)"
        )
    return notes


def _vote_curve(plan: GenRMPlan, suite: Suite, right: list[list[float]]) -> dict[int, np.ndarray]:
    """Best-of-n by K on the problems that have the most votes, shape (seeds, problems) each."""
    by_seed = [scores(plan, "genrm_cot", s, suite)["votes"] for s in plan.seeds]
    most = max(len(row) for row in by_seed[0][0])
    count = sum(max(len(row) for row in rows) == most for rows in by_seed[0])
    return {
        k: np.array([[by_votes(r, v, k) for r, v in zip(right[:count], one[:count], strict=True)] for one in by_seed])
        for k in (1, 2, 4, 8, 16, 32, 64)
        if k <= most
    }


def _curves(plan: GenRMPlan, suite: Suite, right: list[list[float]]) -> dict[str, ComputeCurve]:
    """Accuracy against FLOPs a problem, policy and verifier together."""
    drawn = pool(plan, suite)
    sizes = [n for n in (1, 2, 4, 8, 16, 32, 64, 128, 256) if n <= plan.pool]
    prompt, sample = float(np.mean(drawn["prompt_flops"])), float(np.mean(drawn["sample_flops"]))
    curves = {
        "self-consistency": ComputeCurve(
            [prompt + n * sample for n in sizes],
            [
                estimate([[majority(r, c, n) for r, c in zip(drawn["right"], drawn["classes"], strict=True)]])
                for n in sizes
            ],
        )
    }
    for label, name, k in (
        ("discriminative", "orm", 1),
        ("direct GenRM", "genrm", 1),
        ("GenRM-CoT, K = 1", "genrm_cot", 1),
        (f"GenRM-CoT, K = {votes_of(plan, suite)}", "genrm_cot", votes_of(plan, suite)),
    ):
        by_seed = [scores(plan, name, s, suite) for s in plan.seeds]
        price = float(np.mean([f[0] + k * f[1] for one in by_seed for row in one["flops"] for f in row]))
        below = [n for n in sizes if n <= plan.n]
        curves[label] = ComputeCurve(
            [prompt + n * (sample + price) for n in below],
            [estimate([_chances(right, one["votes"], k, n) for one in by_seed]) for n in below],
        )
    return curves
