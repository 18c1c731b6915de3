"""How one solution is chosen from a scored pool.

One rule for all: only a finished solution with a score that is not NaN can be chosen, and in a vote
a solution without a readable answer never beats one that has an answer. Ties go to the earlier row.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from verifiers.interface.arguments import check_takes
from verifiers.interface.errors import check_finite, check_whole
from verifiers.interface.scoring import FloatArray, outweighing
from verifiers.interface.seeds import seed_at
from verifiers.interface.solution import Problem


@dataclass(frozen=True, slots=True)
class Pool:
    """What a selector sees of N solutions.

    `values` has shape (N,), NaN where a row cannot be chosen. `classes()` gives the equivalence class
    of each row's answer, -1 where it has none; it is a call because comparing answers takes time.
    """

    problem: Problem
    values: FloatArray
    classes: Callable[[], Sequence[int]]

    def eligible(self) -> list[int]:
        """The rows that can be chosen, in order."""
        return [int(i) for i in np.flatnonzero(~np.isnan(self.values))]


Selector: TypeAlias = Callable[[Pool], int | None]
"""Chooses from a pool: the index of a solution, or None where none can be chosen."""
Select: TypeAlias = Literal["best", "weighted", "pessimistic", "soft"] | Selector
"""How a solution is chosen: by name, or by a function of the pool."""


def best(pool: Pool) -> int | None:
    """The row with the highest score.

    >>> best(Pool(Problem("p", "?"), np.array([0.2, np.nan, 0.7]), lambda: [0, 0, 1]))
    2
    """
    rows = pool.eligible()
    return max(rows, key=lambda i: pool.values[i]) if rows else None


def weighted(pool: Pool) -> int | None:
    """The best row of the answer class with the highest sum of scores (Li et al. 2023, DiVeRSe).

    >>> weighted(Pool(Problem("p", "?"), np.array([0.7, 0.4, 0.4]), lambda: [0, 1, 1]))
    1
    """
    return _best_class(pool, lambda scores: float(outweighing(scores).sum()))


def pessimistic(alpha: float = 0.5) -> Selector:
    """The best row of the class with the highest `mean score - alpha * ln(N) / (N_a + 1)`.

    N is the number of rows that can be chosen, N_a that of the class: a high score counts less where
    few solutions agree with it, which is where a verifier is most often fooled (arXiv 2510.14913).

    >>> lone_and_lucky = Pool(Problem("p", "?"), np.array([0.8, 0.7, 0.7, 0.7]), lambda: [0, 1, 1, 1])
    >>> best(lone_and_lucky), pessimistic(0.5)(lone_and_lucky)
    (0, 1)

    Raises ValueError for an alpha below 0.
    """
    check_finite({"alpha": alpha}, who="pessimistic")
    if alpha < 0:
        raise ValueError(f"pessimistic(alpha={alpha}): it must be 0 or more")

    def select(pool: Pool) -> int | None:
        penalty = alpha * math.log(max(1, len(pool.eligible())))
        return _best_class(pool, lambda scores: float(outweighing(scores).mean()) - penalty / (len(scores) + 1))

    return select


def soft(temperature: float = 0.1, seed: int = 0) -> Selector:
    """A row drawn with probability proportional to exp(score / temperature) (soft Best-of-N, arXiv 2505.03156).

    The draw depends on (seed, problem id) only.

    >>> soft(1e-6)(Pool(Problem("p", "?"), np.array([0.2, 0.9]), lambda: [0, 1]))
    1

    Raises ValueError where the temperature is not positive.
    """
    check_finite({"temperature": temperature}, who="soft")
    check_whole({"seed": seed})
    if not temperature > 0:
        raise ValueError(f"soft(temperature={temperature}): it must be positive; use 'best' for the limit at 0")

    def select(pool: Pool) -> int | None:
        rows = pool.eligible()
        if not rows:
            return None
        logits = outweighing(pool.values[rows].astype(np.float64) / temperature)
        weights = np.exp(logits - logits.max())
        rng = np.random.default_rng(seed_at(seed, pool.problem.id, "soft"))
        return rows[int(rng.choice(len(rows), p=weights / weights.sum()))]

    return select


def selector(select: Select, *, seed: int = 0) -> Selector:
    """The selector that a name stands for; a function is returned as it is.

    Raises ValueError for an unknown name.
    """
    if callable(select):
        check_takes("select", select, 1, "it is given a search.Pool, and returns the place of a row, or None")
        return select
    known: dict[str, Selector] = {
        "best": best,
        "weighted": weighted,
        "pessimistic": pessimistic(),
        "soft": soft(seed=seed),
    }
    if not isinstance(select, str) or select not in known:
        raise ValueError(f"unknown select {select!r}: use one of {', '.join(known)} or a function of a Pool")
    return known[select]


def _best_class(pool: Pool, weigh: Callable[[FloatArray], float]) -> int | None:
    """The best row of the class that weighs most; rows without an answer are a class of last resort."""
    classes = pool.classes()
    members: dict[int, list[int]] = {}
    for i in pool.eligible():
        members.setdefault(classes[i], []).append(i)
    parsed = {c: rows for c, rows in members.items() if c >= 0} or members
    if not parsed:
        return None
    heaviest = max(parsed.values(), key=lambda rows: weigh(pool.values[rows]))
    return max(heaviest, key=lambda i: pool.values[i])
