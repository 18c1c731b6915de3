"""Process advantage verifiers: the value of a prefix plus the progress its last step made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from prms.best_of_k import BestOfK
from verifiers.interface.naming import name_of
from verifiers.interface.scoring import ZERO, FloatArray, Scorer, Scores, Spend, ValueScorer, remembering
from verifiers.interface.solution import Problem, Solution

Roots = dict[Problem, tuple[float, str | None]]


@dataclass(frozen=True, slots=True, eq=False)
class PAV:
    r"""Q + alpha * A at every step: `base` tells Q of the policy, the `prover` the progress A.

    A_h = Q_h - Q_{h-1} are differences of the prover's values, and Q_0 is its value of the problem before
    the first step (`root_values`), so the advantages of a solution add up to Q_T - Q_0 (Setlur et al.
    2024, arXiv 2410.08146).

    >>> import numpy as np
    >>> from verifiers import Problem, Scores, Solution, split_steps
    >>> class Rises:  # Q is 0.5 at the root, and 0.5, 0.75, ... at the steps
    ...     def score(self, problems, solutions):
    ...         return Scores(tuple(0.5 + 0.25 * np.arange(len(s.steps)) for s in solutions))
    ...     def root_values(self, problems):
    ...         return Scores(tuple(np.array([0.5]) for _ in problems))
    >>> rises = Rises()
    >>> PAV(rises, rises, alpha=1.0).score([Problem("p", "?")], [Solution(split_steps("a\nb\n"))]).steps[0].tolist()
    [0.5, 1.0]

    In search the finished solutions are compared by Q alone: `beam_search(..., pav, final=pav.base)`. The
    paper's alpha is 0.5 for base models of 2B and 9B and 0.2 for 27B; all of [0.2, 0.6] helped. A prover
    equal to the base policy adds nothing to a policy gradient: take a complementary one, or
    `PAV.best_of_k`. `values()` is the last step's score, whatever the reducer of the parts.

    A step where either part is NaN is NaN, with that part's reason. `alpha=0` asks the prover nothing.
    Root values are paid by the first row of their problem; with `remembering()` once a search. Raises
    TypeError for a prover that has no `root_values`, ValueError for an alpha that is no finite number.
    """

    base: Scorer
    prover: ValueScorer
    alpha: float = 0.5

    def __post_init__(self) -> None:
        if missing := _missing(self.prover):
            raise TypeError(
                f"the prover {name_of(_source(self.prover))} has no {' and no '.join(missing)}: a PAV needs a "
                "process scorer that also knows the value of a problem before its first step, such as a value PRM or "
                "prms.RolloutValue(verifier, policy, k)"
            )
        if not math.isfinite(self.alpha):
            raise ValueError(f"alpha is {self.alpha}: give a finite number, such as 0.5")

    @classmethod
    def best_of_k(cls, prm: ValueScorer, k: int = 4, *, alpha: float = 0.5) -> PAV:
        """A PAV whose prover is Best-of-k of the base policy, from one PRM that is read once.

        With a learned Q the prover is 1 - (1-Q)^k; with counts (`prms.RolloutValue`) the unbiased
        1 - C(n-c, k) / C(n, k). The paper found k = 4 best for search (2 too weak, 32 too strong).
        """
        return cls(prm, BestOfK(prm, k), alpha)

    @property
    def name(self) -> str:
        """What a run writes down: both parts and alpha."""
        return f"pav(base={name_of(self.base)}, prover={name_of(self.prover)}, alpha={self.alpha:g})"

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """Q + alpha * A of every step; N rows."""
        return _score(self, problems, solutions, self.prover, {})

    def advantages(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """The prover's A of every step alone; a row adds up to Q_T - Q_0."""
        return _advantages(self.prover.score(problems, solutions), problems, solutions, self.prover, {})

    def remembering(self) -> Scorer:
        """The same scores; both parts and the root values are remembered, for one search."""
        base = remembering(self.base)
        prover: Any
        if self.prover is self.base:
            prover = base
        elif isinstance(self.prover, BestOfK) and self.prover.of is self.base:
            prover = BestOfK(base, self.prover.k)  # type: ignore[arg-type]  # it may have lost its root values
        else:
            prover = remembering(self.prover)
        return _Remembering(self, base, prover, self.prover if _missing(prover) else prover, {})


@dataclass(frozen=True, slots=True, eq=False)
class _Remembering:
    """A PAV in one search, which asks for the root value of a problem once."""

    pav: PAV
    base: Scorer
    prover: Scorer
    root_source: ValueScorer
    roots: Roots

    @property
    def name(self) -> str:
        return self.pav.name

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        return _score(self, problems, solutions, self.root_source, self.roots)

    @property
    def alpha(self) -> float:
        return self.pav.alpha


def _source(prover: object) -> object:
    """Whose root values a prover gives: a Best-of-k prover has those of its own scorer."""
    return prover.of if isinstance(prover, BestOfK) else prover


def _missing(prover: object) -> list[str]:
    """What a prover lacks to be one."""
    return [m for m in ("score", "root_values") if not callable(getattr(_source(prover), m, None))]


def _score(
    pav: PAV | _Remembering,
    problems: Sequence[Problem],
    solutions: Sequence[Solution],
    root_source: ValueScorer,
    roots: Roots,
) -> Scores:
    if pav.alpha == 0:
        return pav.base.score(problems, solutions).with_reduce("last")
    base, prover = _both_parts(pav.base, pav.prover, problems, solutions)
    gains = _advantages(prover, problems, solutions, root_source, roots)
    steps: list[FloatArray] = []
    for q, a in zip(base.steps, gains.steps, strict=True):
        steps.append((q.astype(np.float64) + pav.alpha * a.astype(np.float64)).astype(np.float32))
    spend = tuple(a + b for a, b in zip(base.spend, gains.spend, strict=True))
    return Scores(tuple(steps), spend, tuple(a or b for a, b in zip(base.reasons, gains.reasons, strict=True)))


def _both_parts(
    base: Scorer, prover: Scorer, problems: Sequence[Problem], solutions: Sequence[Solution]
) -> tuple[Scores, Scores]:
    """The scores of both; where the prover is made from the base, the base works and is paid once."""
    if prover is base:
        q = base.score(problems, solutions)
        return q, replace(q, spend=())
    if isinstance(prover, BestOfK) and prover.of is base:
        q, lifted = prover.with_base(problems, solutions)
        return q, replace(lifted, spend=())
    return base.score(problems, solutions), prover.score(problems, solutions)


def _advantages(
    prover: Scores, problems: Sequence[Problem], solutions: Sequence[Solution], root_source: ValueScorer, roots: Roots
) -> Scores:
    """Differences of the prover's values along each row, from the root on."""
    asked = [problem for problem, solution in zip(problems, solutions, strict=True) if solution.steps]
    new = [problem for problem in dict.fromkeys(asked) if problem not in roots]
    cost: dict[Problem, Spend] = {}
    if new:
        found = root_source.root_values(new)
        for problem, row, reason, spend in zip(new, found.steps, found.reasons, found.spend, strict=True):
            if row.shape != (1,):
                raise ValueError(f"problem {problem.id!r}: root_values gave {row.tolist()}: expected one number")
            roots[problem] = (float(row[0]), reason)
            cost[problem] = spend
    steps, reasons, spends = [], list(prover.reasons), []
    for i, (problem, solution, q) in enumerate(zip(problems, solutions, prover.steps, strict=True)):
        if len(q) != len(solution.steps):
            raise ValueError(f"problem {problem.id!r}: {len(q)} scores for a solution of {len(solution.steps)} steps")
        root, why = roots[problem] if solution.steps else (0.0, None)
        steps.append(np.diff(q.astype(np.float64), prepend=root).astype(np.float32))
        reasons[i] = reasons[i] or why
        spends.append(prover.spend[i] + (cost.pop(problem, ZERO) if solution.steps else ZERO))
    return Scores(tuple(steps), tuple(spends), tuple(reasons))
