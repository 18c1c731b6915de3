"""What was measured of one arm on one suite, as tables of a value a training seed and problem."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.reproduce.genrm.arms import ARMS, GenRMPlan, Suite
from bench.reproduce.genrm.claims import auc, best_of, majority, mean_of_votes
from bench.reproduce.genrm.work import pool, scores
from bench.stats.arrays import Floats

_CHANCE = 0.5  # a verdict of which is as good as its opposite; a vote without one counts half right too


@dataclass(frozen=True, slots=True)
class Measured:
    """Tables (S, P), but for `auc` (S, 1); all NaN where an arm has no such thing."""

    rationales: int  # a solution; 0 where its verdicts need none
    steps: int | None  # of its training
    best: Floats  # Best-of-n
    few: Floats  # the same by as many votes as variants have
    auc: Floats  # over all solutions of all problems
    accuracy: Floats  # of single verdicts, a vote's each, the share that is right (RM accuracy)
    solves: Floats  # its own solution within its rationales
    alone: Floats  # its own solution without one to verify


def measured(plan: GenRMPlan, suite: Suite, name: str) -> Measured:
    """From the units of an arm, which are made here where they are not there."""
    by_seed = [scores(plan, name, seed, suite) for seed in plan.seeds_of(name)]
    count = len(by_seed[0]["votes"])
    right = [row[: plan.n] for row in pool(plan, suite)["right"][:count]]
    values = [[mean_of_votes(votes) for votes in one["votes"]] for one in by_seed]

    def chosen(most: int | None) -> Floats:
        by_few = [[mean_of_votes([v[:most] for v in votes]) for votes in one["votes"]] for one in by_seed]
        return np.array([[best_of(r, v, plan.n) for r, v in zip(right, one, strict=True)] for one in by_few])

    def of_itself(key: str) -> Floats:
        table = np.array([one.get(key, [None] * count) for one in by_seed], dtype=np.float64)
        there = ~np.isnan(table).any(axis=0)  # a problem may have no solution with an end, and so no rationale
        return table[:, there] if there.any() else table

    return Measured(
        plan.asked(name, suite)[1] if ARMS[name].rational else 0,
        plan.steps_of(name),
        chosen(None),
        chosen(plan.few_votes),
        np.array([[auc(np.concatenate(right), np.concatenate(one))] for one in values]),
        np.array([[right_verdicts(r, v) for r, v in zip(right, one["votes"], strict=True)] for one in by_seed])
        if ARMS[name].kind != "dpo"  # whose reward is no probability
        else np.full((len(values), 1), np.nan),
        of_itself("solves"),
        of_itself("alone"),
    )


def consistent(plan: GenRMPlan, suite: Suite, n: int) -> Floats:
    """Self-consistency over n samples, shape (1, P)."""
    drawn = pool(plan, suite)
    return np.array([[majority(r[:n], c[:n], n) for r, c in zip(drawn["right"], drawn["classes"], strict=True)]])


def right_verdicts(right: Sequence[float], votes: Sequence[Sequence[float | None]]) -> float:
    """The share of right verdicts of single votes, as many of each sample; one that came to none counts a half.

    >>> right_verdicts([1, 0], [[0.9, 0.2], [0.7, None]])
    0.375
    """
    said = [np.array([_CHANCE if v is None else v for v in row]) for row in votes]
    is_right = [np.where(v == _CHANCE, 0.5, (v > _CHANCE) == bool(r)) for r, v in zip(right, said, strict=True)]
    return float(np.mean([row.mean() for row in is_right]))
