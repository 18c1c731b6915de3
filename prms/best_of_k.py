"""The Best-of-K value of a policy: the chance that one of K completions is right."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from verifiers.combinators.cached import Cached
from verifiers.combinators.calibration import Calibrated
from verifiers.combinators.weighted import Weighted
from verifiers.interface.arguments import check_scorer_argument, numbers_argument
from verifiers.interface.capabilities import OfParts, RootValues, remembering, root_values_of
from verifiers.interface.errors import check_least
from verifiers.interface.naming import name_of
from verifiers.interface.scoring import FloatArray, Scorer, Scores, ask
from verifiers.interface.solution import Problem, Solution


@dataclass(frozen=True, slots=True)
class Counted:
    """Monte-Carlo scores with the counts behind them: for each row, shape (T_i,).

    At a finished solution the counts are those that its outcome would give every rollout.
    """

    scores: Scores
    successes: tuple[npt.NDArray[np.int64], ...]
    rollouts: tuple[npt.NDArray[np.int64], ...]


@runtime_checkable
class CountedValues(Protocol):
    """A scorer whose values are successes / rollouts, and that tells both."""

    def counts(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Counted: ...

    def root_counts(self, problems: Sequence[Problem]) -> Counted: ...


def best_of_k_value(successes: npt.ArrayLike, rollouts: npt.ArrayLike, k: int) -> npt.NDArray[np.float64]:
    """1 - C(n-c, k) / C(n, k), the unbiased estimate of 1 - (1-Q)^k from c successes in n rollouts.

    Putting the estimate c/n into 1 - (1-Q)^k instead is too low on average, because that curve bends
    down (Jensen); with 4 rollouts, k=4 and Q=0.1 it gives 0.25 where 0.34 is true. The estimator is that
    of pass@k (Chen et al. 2021, section 2.1).

    >>> best_of_k_value([0, 1, 4], [4, 4, 4], 4).tolist()
    [0.0, 1.0, 1.0]
    >>> round(best_of_k_value(1, 20, 4).item(), 6)
    0.2

    `successes` and `rollouts` broadcast. Raises ValueError where k is below 1 or above some number of
    rollouts, for counts that are no whole numbers, and for successes that are not between 0 and rollouts.
    """
    given = {"successes": successes, "rollouts": rollouts}
    c, n = np.broadcast_arrays(*(numbers_argument(name, count) for name, count in given.items()))
    check_least(1, {"k": k})
    if np.any(n < k):
        raise ValueError(f"{int(n.min())} rollouts cannot tell the best of {k}: take {k} or more rollouts a prefix")
    if not np.all((c >= 0) & (c <= n)):
        raise ValueError("successes must lie between 0 and the number of rollouts")
    if not (np.isfinite(n).all() and (n == np.trunc(n)).all() and (c == np.trunc(c)).all()):
        raise ValueError("successes and rollouts are counts: give whole numbers")
    none_right = np.ones(c.shape)
    for i in range(k):
        none_right = none_right * (np.maximum(n - c - i, 0.0) / (n - i))
    return np.asarray(1.0 - none_right)


@dataclass(frozen=True, slots=True, eq=False)
class BestOfK:
    """The value of sampling `k` completions and keeping a right one, from the value Q of one: 1 - (1-Q)^k.

    Where `of` tells its counts (`prms.RolloutValue`) the unbiased estimate from counts is used.
    A prover of PAV (Setlur et al. 2024, arXiv 2410.08146). Raises ValueError for a wrapper around a scorer with
    counts: without them the value would be biased in silence.
    """

    of: Scorer
    k: int
    separator = OfParts(lambda self: [self.of])
    target = OfParts(lambda self: [self.of])

    def __post_init__(self) -> None:
        check_scorer_argument(self.of)
        check_least(1, {"k": self.k}, who="BestOfK")
        if isinstance(self.of, CountedValues) and (n := getattr(self.of, "k", self.k)) < self.k:
            raise ValueError(f"{n} rollouts cannot tell the best of {self.k}: take {self.k} or more rollouts a prefix")

        if hidden := _hidden_counts(self.of):
            raise ValueError(
                f"{name_of(self.of)} hides the counts of {name_of(hidden)}, without which the best of {self.k} is "
                "biased: give it the scorer itself, and wrap cached(...) around its verifier or around the whole PAV"
            )

    @property
    def name(self) -> str:
        """What a run writes down."""
        return f"best_of_{self.k}({name_of(self.of)})"

    @property
    def root_values(self) -> RootValues | None:
        """The Best-of-K value of each empty prefix, shape (1,); None where its scorer knows no such value."""
        if isinstance(counted := self.of, CountedValues):
            return lambda problems: self._from_counts(counted.root_counts(problems))
        ask_roots = root_values_of(self.of)
        return None if ask_roots is None else lambda problems: self._from_values(ask_roots(problems))

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """The Best-of-K value at every step."""
        return self.with_base(problems, solutions)[1]

    def with_base(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> tuple[Scores, Scores]:
        """The values of one completion and of k, from one scoring; each carries its whole spend."""
        if isinstance(self.of, CountedValues):
            counted = self.of.counts(problems, solutions)
            return counted.scores, self._from_counts(counted)
        scores = ask(self.of, problems, solutions)
        return scores, self._from_values(scores)

    def remembering(self) -> "BestOfK":
        """The value from a scorer with a memory, where there can be one; for one search."""
        return BestOfK(remembering(self.of), self.k)

    def _from_values(self, scores: Scores) -> Scores:
        rows = []
        for row in scores.steps:
            q = row.astype(np.float64)
            if len(bad := q[(q < 0) | (q > 1)]):
                raise ValueError(f"{name_of(self.of)} gave {bad[0]}: a Best-of-{self.k} value needs a Q in [0, 1]")
            rows.append((1.0 - (1.0 - q) ** self.k).astype(np.float32))
        return Scores(tuple(rows), scores.spend, scores.reasons)

    def _from_counts(self, counted: Counted) -> Scores:
        rows: list[FloatArray] = []
        reasons = list(counted.scores.reasons)
        for i, (row, c, n) in enumerate(zip(counted.scores.steps, counted.successes, counted.rollouts, strict=True)):
            known = ~np.isnan(row)
            enough = known & (n >= self.k)
            out = np.full(len(row), np.nan, dtype=np.float32)
            out[enough] = best_of_k_value(c[enough], n[enough], self.k)
            if (known & ~enough).any():
                short = int(n[known & ~enough].min())
                reasons[i] = (
                    reasons[i] or f"only {short} rollouts have a known outcome, too few for the best of {self.k}"
                )
            rows.append(out)
        return Scores(tuple(rows), counted.scores.spend, tuple(reasons))


def _hidden_counts(scorer: Scorer) -> Scorer | None:
    """A scorer with counts inside a wrapper that does not tell them."""
    inside: list[Scorer] = []
    if isinstance(scorer, Cached | Calibrated):
        inside = [scorer.scorer]
    elif isinstance(scorer, Weighted):
        inside = [part for part, _ in scorer.parts]
    hidden = (part if isinstance(part, CountedValues) else _hidden_counts(part) for part in inside)
    return next((part for part in hidden if part is not None), None)
