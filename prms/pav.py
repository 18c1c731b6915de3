"""Process advantage verifiers: the value of a prefix plus the progress its last step made."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field, replace

import numpy as np

from prms.best_of_k import BestOfK
from verifiers.interface.arguments import check_scorer_argument
from verifiers.interface.capabilities import OfParts, RootValues, remembering, root_values_of
from verifiers.interface.errors import check_finite
from verifiers.interface.naming import name_of
from verifiers.interface.scoring import ZERO, FloatArray, Scorer, Scores, ask
from verifiers.interface.solution import Problem, Solution


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
    prover: Scorer
    alpha: float = 0.5
    _root_values: RootValues | None = field(init=False, default=None, repr=False)  # a memory's
    separator = OfParts(lambda self: [self.base])
    target = OfParts(lambda self: [self.base])

    def __post_init__(self) -> None:
        check_scorer_argument(self.base, name="base")
        check_scorer_argument(self.prover, name="prover")
        check_finite({"alpha": self.alpha})
        ask_roots = root_values_of(self.prover)
        methods = {"score": getattr(self.prover, "score", None), "root_values": ask_roots}
        missing = [method for method, value in methods.items() if value is None]
        if ask_roots is None or missing:
            raise TypeError(
                f"the prover {name_of(self.prover)} has no {' and no '.join(missing)}: a PAV needs a process scorer "
                "that also knows the value of a problem before its first step, such as a value PRM that was trained on "
                "rows with `root`, or prms.RolloutValue(verifier, policy, k)"
            )

    @classmethod
    def best_of_k(cls, prm: Scorer, k: int = 4, *, alpha: float = 0.5) -> PAV:
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
        if self.alpha == 0:
            return ask(self.base, problems, solutions).with_reduce("last")
        base, values = self._both_parts(problems, solutions)
        gains = self._gains(values, problems, solutions)
        steps: list[FloatArray] = []
        for q, a in zip(base.steps, gains.steps, strict=True):
            steps.append((q.astype(np.float64) + self.alpha * a.astype(np.float64)).astype(np.float32))
        spend = tuple(a + b for a, b in zip(base.spend, gains.spend, strict=True))
        return Scores(tuple(steps), spend, tuple(a or b for a, b in zip(base.reasons, gains.reasons, strict=True)))

    def advantages(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """The prover's A of every step alone; a row adds up to Q_T - Q_0."""
        return self._gains(ask(self.prover, problems, solutions), problems, solutions)

    def remembering(self) -> PAV:
        """A PAV that remembers what both parts and the root values were, for one search."""
        base = remembering(self.base)
        if self.prover is self.base:
            prover = base
        elif isinstance(self.prover, BestOfK) and self.prover.of is self.base:
            prover = BestOfK(base, self.prover.k)
        else:
            prover = remembering(self.prover)
        # A memory may have lost its root values: then those of the prover as it was given count.
        ask_roots = root_values_of(prover) or self._ask_roots
        twin = copy(self)
        for name, value in (("base", base), ("prover", prover), ("_root_values", _once(ask_roots))):
            object.__setattr__(twin, name, value)
        return twin

    def _ask_roots(self, problems: Sequence[Problem]) -> Scores:
        ask_roots = self._root_values or root_values_of(self.prover)
        assert ask_roots is not None  # or there would be no PAV
        return ask_roots(problems)

    def _both_parts(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> tuple[Scores, Scores]:
        """The scores of both; where the prover is made from the base, the base works and is paid once."""
        base, prover = self.base, self.prover
        if prover is base:
            q = ask(base, problems, solutions)
            return q, replace(q, spend=())
        if isinstance(prover, BestOfK) and prover.of is base:
            q, lifted = prover.with_base(problems, solutions)
            return q, replace(lifted, spend=())
        return ask(base, problems, solutions), ask(prover, problems, solutions)

    def _gains(self, values: Scores, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """Differences of the prover's values along each row, from the root on, which a problem's first row pays."""
        asked = list(dict.fromkeys(p for p, solution in zip(problems, solutions, strict=True) if solution.steps))
        roots = self._ask_roots(asked) if asked else Scores(())
        place, unpaid = {problem: k for k, problem in enumerate(asked)}, list(roots.spend)
        steps, reasons, spend = list(values.steps), list(values.reasons), list(values.spend)
        for i, (problem, solution) in enumerate(zip(problems, solutions, strict=True)):
            if solution.steps:
                k = place[problem]
                steps[i] = np.diff(steps[i].astype(np.float64), prepend=float(roots.steps[k][0])).astype(np.float32)
                reasons[i] = reasons[i] or roots.reasons[k]
                spend[i], unpaid[k] = spend[i] + unpaid[k], ZERO
        return Scores(tuple(steps), tuple(spend), tuple(reasons))


def _once(ask_roots: RootValues) -> RootValues:
    """Root values that are asked for once a problem; what is known costs nothing."""
    known: dict[Problem, tuple[FloatArray, str | None]] = {}

    def root_values(problems: Sequence[Problem]) -> Scores:
        new = [problem for problem in problems if problem not in known]
        asked = ask_roots(new) if new else Scores(())
        known.update(zip(new, zip(asked.steps, asked.reasons, strict=True), strict=True))
        cost = dict(zip(new, asked.spend, strict=True))
        steps, reasons = zip(*(known[problem] for problem in problems), strict=True)
        return Scores(steps, tuple(cost.get(problem, ZERO) for problem in problems), reasons)

    return root_values
