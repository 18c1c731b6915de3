"""Accuracy by rationales a solution and against compute, and what is noted of both."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.reproduce.genrm.arms import GenRMPlan, Suite
from bench.reproduce.genrm.measures import consistent
from bench.reproduce.genrm.votes import best_of, by_votes, majority, mean_of_votes, stays_above
from bench.reproduce.genrm.work import judge_in_words, many_votes, pool, scores
from bench.reproduce.over_seeds import estimate
from bench.reproduce.savings import SeededCurve, replicate, samples_saved
from bench.runs.table import short
from bench.stats.arrays import Floats
from bench.stats.compute_to_reach import costs_to_reach
from bench.stats.intervals import Estimate


@dataclass(frozen=True, slots=True)
class ComputeCurve:
    """Accuracy against FLOPs a problem."""

    flops: list[float]
    accuracy: list[Estimate]

    @property
    def values(self) -> list[float]:
        """The accuracies without their intervals."""
        return [estimate.value for estimate in self.accuracy]


@dataclass(frozen=True, slots=True)
class VoteCurve:
    """Best-of-n by the rationales a solution, and of other ways to choose on the same problems; tables (S, P)."""

    n: int
    by_k: dict[int, Floats]
    beside: dict[str, Floats]


def vote_curve(plan: GenRMPlan, suite: Suite) -> VoteCurve:
    """Of the problems and samples that have the most votes."""
    by_seed = [many_votes(plan, seed, suite)["votes"] for seed in plan.seeds]
    right = [row[: plan.curve_n] for row in pool(plan, suite)["right"]]
    count = len(by_seed[0])
    by_k = {
        k: np.array([[by_votes(r, v, k) for r, v in zip(right, one, strict=False)] for one in by_seed])
        for k in (1, 2, 4, 8, 16, 32, 64)
        if k <= plan.many
    }
    beside = {"self-consistency": consistent(plan, suite, plan.curve_n)[:, :count]}
    for label, name in (("discriminative", "orm"), ("direct GenRM", "genrm")):
        rows = [scores(plan, name, seed, suite)["votes"][:count] for seed in plan.seeds]
        beside[label] = np.array([_chances(right, one, None, plan.curve_n) for one in rows])
    return VoteCurve(plan.curve_n, by_k, beside)


def compute_curves(plan: GenRMPlan, suite: Suite) -> dict[str, ComputeCurve]:
    """Accuracy against FLOPs a problem, policy and verifier together."""
    drawn = pool(plan, suite)
    right = [row[: plan.n] for row in drawn["right"]]
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
    _, votes = plan.asked("genrm_cot", suite)
    arms = [("discriminative", "orm", 1), ("direct GenRM", "genrm", 1)]
    for label, name, k in [*arms, *((f"GenRM-CoT, K = {k}", "genrm_cot", k) for k in sorted({1, votes}))]:
        by_seed = [scores(plan, name, s, suite) for s in plan.seeds]
        price = float(np.mean([f[0] + k * f[1] for one in by_seed for row in one["flops"] for f in row]))
        below = [n for n in sizes if n <= plan.n]
        curves[label] = ComputeCurve(
            [prompt + n * (sample + price) for n in below],
            [estimate([_chances(right, one["votes"], k, n) for one in by_seed]) for n in below],
        )
    return curves


def samples_to_the_rivals_best(plan: GenRMPlan, suite: Suite) -> tuple[Estimate, float]:
    """`samples_saved` by GenRM-CoT to the discriminative verifier's best accuracy over 1 to `plan.n` samples."""
    right = [row[: plan.n] for row in pool(plan, suite)["right"]]
    sizes = range(1, plan.n + 1)

    def curve(name: str) -> SeededCurve:
        by_seed = [scores(plan, name, seed, suite)["votes"] for seed in plan.seeds]
        chances = np.array([[_chances(right, one, None, n) for n in sizes] for one in by_seed]).swapaxes(1, 2)
        return SeededCurve(chances, np.broadcast_to(np.array(sizes), chances.shape))

    rows = replicate({name: curve(name) for name in ("genrm_cot", "orm")})
    return samples_saved(rows["genrm_cot"][0], rows["orm"][0])


def notes(plan: GenRMPlan, suite: Suite, curves: dict[str, ComputeCurve]) -> list[str]:
    """What the curves come to, and how often there was no verdict."""
    votes = [v for s in plan.seeds for p in scores(plan, "genrm_cot", s, suite)["votes"] for row in p for v in row]
    silent = float(np.mean([v is None for v in votes]))
    spoken = judge_in_words(plan, suite)["verdicts"]
    rival = curves["self-consistency"]
    lines = [
        compute_note(curves),
        f"GenRM-CoT: {silent:.1%} of the votes came to no verdict, after three more draws",
        f"the untrained base, left to its own words, came to a verdict in {spoken:.1%} of its rationales",
    ]
    for name, curve in _cot_curves(curves).items():
        at = stays_above(curve.flops, curve.values, rival.flops, rival.values)
        where = "at no N" if np.isnan(at) else f"from {short(at)} FLOPs a problem on"
        lines.append(
            f"{name} is above self-consistency at equal compute {where} (beyond {short(rival.flops[-1])} "
            "self-consistency's last point stands)"
        )
    return lines


def compute_note(curves: dict[str, ComputeCurve]) -> str:
    """At what multiple of its compute GenRM-CoT comes to self-consistency's best."""
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


def _chances(
    right: list[list[float]], rows: Sequence[Sequence[Sequence[float | None]]], k: int | None, n: int
) -> list[float]:
    """The chance, a problem, that the best of its first n samples by their first k votes is right."""
    return [
        best_of(r, mean_of_votes([v[:k] for v in votes[: len(r)]]), n) for r, votes in zip(right, rows, strict=False)
    ]
