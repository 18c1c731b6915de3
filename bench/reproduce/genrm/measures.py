"""What was measured of one arm on one suite, as tables of a value a training seed and problem."""

from dataclasses import dataclass

import numpy as np

from bench.reproduce.genrm.arms import ARMS, GenRMPlan, Suite
from bench.reproduce.genrm.claims import auc, best_of, majority, mean_of_votes
from bench.reproduce.genrm.work import pool, scores
from bench.stats.arrays import Floats

_CHANCE = 0.5  # a verdict of which is as good as its opposite


@dataclass(frozen=True, slots=True)
class Measured:
    """Tables (S, P), but for `auc` (S, 1); all NaN where an arm has no such thing."""

    best: Floats  # Best-of-n
    auc: Floats  # over all solutions of all problems
    accuracy: Floats  # of single verdicts, the share that is right (RM accuracy)
    solves: Floats  # its own solution within its rationales
    alone: Floats  # its own solution without one to verify


def measured(plan: GenRMPlan, suite: Suite, name: str) -> Measured:
    """From the units of an arm, which are made here where they are not there."""
    by_seed = [scores(plan, name, seed, suite) for seed in plan.seeds_of(name)]
    count = len(by_seed[0]["votes"])
    right = [row[: plan.n] for row in pool(plan, suite)["right"][:count]]
    values = [[mean_of_votes(votes) for votes in one["votes"]] for one in by_seed]

    def of_itself(key: str) -> Floats:
        table = np.array([one.get(key, [None] * count) for one in by_seed], dtype=np.float64)
        there = ~np.isnan(table).any(axis=0)  # a problem may have no solution with an end, and so no rationale
        return table[:, there] if there.any() else table

    return Measured(
        np.array([[best_of(r, v, plan.n) for r, v in zip(right, one, strict=True)] for one in values]),
        np.array([[auc(np.concatenate(right), np.concatenate(one))] for one in values]),
        np.array([[_right_verdicts(r, v) for r, v in zip(right, one, strict=True)] for one in values])
        if ARMS[name].kind != "dpo"  # whose reward is no probability
        else np.full((len(values), 1), np.nan),
        of_itself("solves"),
        of_itself("alone"),
    )


def consistent(plan: GenRMPlan, suite: Suite, n: int) -> Floats:
    """Self-consistency over n samples, shape (1, P)."""
    drawn = pool(plan, suite)
    return np.array([[majority(r[:n], c[:n], n) for r, c in zip(drawn["right"], drawn["classes"], strict=True)]])


def _right_verdicts(right: list[float], values: Floats) -> float:
    said = np.where(np.isnan(values), _CHANCE, values)
    return float(np.mean(np.where(said == _CHANCE, 0.5, (said > _CHANCE) == np.asarray(right, dtype=bool))))
