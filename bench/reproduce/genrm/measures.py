"""What was measured of one arm on one suite, as tables of a value a training seed and problem."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from bench.reproduce.genrm.arms import ARMS, GenRMPlan, Suite
from bench.reproduce.genrm.rows import clean_solution
from bench.reproduce.genrm.votes import auc, best_of, majority, mean_of_votes
from bench.reproduce.genrm.work import pool, problems_of, scores
from bench.stats.arrays import Floats

_CHANCE = 0.5  # a verdict of which is as good as its opposite; a vote without one counts half right too


@dataclass(frozen=True, slots=True)
class Measured:
    """Tables (S, P), but for `auc` (S, 1); NaN where an arm, or a problem, has no such thing."""

    rationales: int  # a solution; 0 where its verdicts need none
    steps: int | None  # of its training
    by_n: dict[int, Floats]  # Best-of-1, 2, 4, ... and n
    few: Floats  # Best-of-n by as many votes as variants have
    auc: Floats  # over all solutions of all problems
    above: Floats  # the same over a problem's
    above_close: Floats  # and over its right ones and those in which one slip may be all
    accuracy: Floats  # of single verdicts, a vote's each, the share that is right (RM accuracy)
    solves: Floats  # its own solution within its rationales
    alone: Floats  # its own solution without one to verify

    @property
    def best(self) -> Floats:
        """Best-of-n."""
        return self.by_n[max(self.by_n)]


def measured(plan: GenRMPlan, suite: Suite, name: str) -> Measured:
    """From the units of an arm, which are made here where they are not there."""
    by_seed = [scores(plan, name, seed, suite) for seed in plan.seeds_of(name)]
    count = len(by_seed[0]["votes"])
    right = [row[: plan.n] for row in pool(plan, suite)["right"][:count]]
    values = [[mean_of_votes(votes) for votes in one["votes"]] for one in by_seed]
    drawn = zip(problems_of(plan, suite), pool(plan, suite)["texts"], right, strict=False)
    close = [
        [t is not None and (bool(r) or is_close(str(p.prompt), t)) for t, r in zip(texts, row, strict=False)]
        for p, texts, row in drawn
    ]

    def chosen(n: int, most: int | None) -> Floats:
        by_few = [[mean_of_votes([v[:most] for v in votes]) for votes in one["votes"]] for one in by_seed]
        return np.array([[best_of(r, v, n) for r, v in zip(right, one, strict=True)] for one in by_few])

    def of_itself(key: str) -> Floats:
        return np.array([one.get(key, [None] * count) for one in by_seed], dtype=np.float64)

    return Measured(
        plan.asked(name, suite)[1] if ARMS[name].rational else 0,
        plan.steps_of(name),
        {n: chosen(n, None) for n in (*(2**k for k in range(9) if 2**k < plan.n), plan.n)},
        chosen(plan.n, plan.few_votes),
        np.array([[auc(np.concatenate(right), np.concatenate(one))] for one in values]),
        np.array([[auc(r, v) for r, v in zip(right, one, strict=True)] for one in values]),
        np.array([[auc(np.array(r)[c], v[c]) for r, v, c in zip(right, one, close, strict=True)] for one in values]),
        np.array([[right_verdicts(r, v) for r, v in zip(right, one["votes"], strict=True)] for one in by_seed])
        if ARMS[name].kind != "dpo"  # whose reward is no probability
        else np.full((len(values), 1), np.nan),
        of_itself("solves"),
        of_itself("alone"),
    )


def known(table: Floats) -> Floats:
    """The problems (the last axis) of which all figures are there; all where no problem is so.

    >>> known(np.array([[0.1, 0.2, np.nan], [0.3, np.nan, 0.4]])).tolist()
    [[0.1], [0.3]]
    """
    there = ~np.isnan(table).any(axis=tuple(range(table.ndim - 1)))
    return table[..., there] if there.any() else table


def is_close(prompt: str, text: str) -> bool:
    r"""Whether at most two lines are not those of the clean solution: a slip and what follows from it, or a swap.

    >>> is_close("W dog cat ant\n", "ant\ndog\ncat"), is_close("W dog cat ant\n", "dog\nant\ncat")
    (True, False)
    """
    lines = zip_longest(text.split("\n"), clean_solution(prompt).split("\n"))
    return [one == other for one, other in lines].count(False) <= 2


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
