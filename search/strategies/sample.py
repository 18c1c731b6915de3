"""Draw pools of solutions, without choosing from them."""

from collections.abc import Sequence

import numpy as np

from policies.policy import Policy, Sampling
from search.budget import Budget
from search.driver import drive, started
from search.requests import Strategy, extend
from search.result import SearchResult
from verifiers.interface.scoring import outcome_scores
from verifiers.interface.solution import Problem, Solution


def sample(
    problems: Sequence[Problem],
    policy: Policy,
    *,
    n: int,
    sampling: Sampling | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    progress: bool = False,
) -> list[SearchResult]:
    """Draw a pool of `n` solutions a problem.

    >>> import policies, search, verifiers
    >>> policy = policies.Scripted(lambda problem, prefix, seed: f"The answer is {seed % 3}.")
    >>> [drawn] = search.sample([verifiers.Problem("p1", "1+1?")], policy, n=16)
    >>> len(drawn.pool), drawn.spend.policy_calls
    (16, 16)

    A result has `pool`, `spend` and, where a budget cut the pool short, `reason`; nothing is scored (all `scores`
    are NaN) and nothing chosen (`solution` and `answer` are None). The same seed draws what `best_of_n` and
    `self_consistency` choose from, and the first 8 of 64 solutions are those of `n=8`. A sample that fails stays in
    the pool with its reason. Raises ValueError for `n` below 1 and problem ids that occur twice.
    """
    searches = started(problems, lambda problem: sample_strategy(problem, n))
    return drive(searches, policy, {}, sampling=sampling, budget=budget, seed=seed, progress=progress)


def sample_strategy(problem: Problem, n: int) -> Strategy:
    pool, out = yield from extend([Solution()], n, "end")
    return SearchResult(problem, None, None, pool, outcome_scores(pool, [np.nan] * len(pool)), reason=out)
