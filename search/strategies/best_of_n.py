"""Best-of-N and weighted majority: sample N solutions, score them, choose."""

from collections.abc import Sequence

from policies.policy import Policy, Sampling
from search.budget import Budget
from search.driver import drive, started
from search.picking import pick
from search.requests import Strategy, extend, score
from search.result import SearchResult
from search.selection import Select, Selector, selector, weighted
from verifiers.grading.answers import MATH, Answers
from verifiers.interface.arguments import check_answers_argument
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Problem, Solution


def best_of_n(
    problems: Sequence[Problem],
    policy: Policy,
    scorer: Scorer,
    *,
    n: int,
    select: Select = "best",
    answers: Answers = MATH,
    sampling: Sampling | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    progress: bool = False,
) -> list[SearchResult]:
    """Sample `n` solutions a problem and choose one by its score.

    >>> import policies, search, verifiers
    >>> policy = policies.Scripted(lambda problem, prefix, seed: f"The answer is {seed % 3}.")
    >>> near_two = verifiers.from_function(lambda problem, solution: float("2" in solution.text))
    >>> [result] = search.best_of_n([verifiers.Problem("p1", "1+1?")], policy, near_two, n=16)
    >>> result.answer, len(result.pool), result.spend.scorer_calls
    ('2', 16, 16)

    `select` is "best", "weighted" (the answer class with the highest sum of scores), "pessimistic",
    "soft", or a function of a `search.Pool`. Results are in the order of `problems`. A sample that
    fails stays in the pool with its reason. Raises ValueError for `n` below 1, an unknown `select`
    and problem ids that occur twice.
    """
    chooser = selector(select, seed=seed)
    searches = started(problems, lambda problem: best_of_n_strategy(problem, n, chooser, answers))
    scorers = {"search": scorer}
    return drive(searches, policy, scorers, sampling=sampling, budget=budget, seed=seed, progress=progress)


def weighted_majority(
    problems: Sequence[Problem],
    policy: Policy,
    scorer: Scorer,
    *,
    n: int,
    answers: Answers = MATH,
    sampling: Sampling | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    progress: bool = False,
) -> list[SearchResult]:
    """Sample `n` solutions a problem; each votes for its answer with its score as its weight.

    >>> import policies, search, verifiers
    >>> policy = policies.Scripted(lambda problem, prefix, seed: f"The answer is {seed % 3}.")
    >>> flat = verifiers.from_function(lambda problem, solution: 1.0)
    >>> [result] = search.weighted_majority([verifiers.Problem("p1", "1+1?")], policy, flat, n=16)
    >>> result.solution.text == f"The answer is {result.answer}."
    True

    It is `best_of_n(select="weighted")` (Li et al. 2023, section 3.2).
    """
    searches = started(problems, lambda problem: best_of_n_strategy(problem, n, weighted, answers))
    scorers = {"search": scorer}
    return drive(searches, policy, scorers, sampling=sampling, budget=budget, seed=seed, progress=progress)


def best_of_n_strategy(problem: Problem, n: int, select: Selector, answers: Answers) -> Strategy:
    check_answers_argument(answers)
    pool, out = yield from extend([Solution()], n, "end")
    scores = yield from score(pool)
    return pick(problem, pool, scores, select=select, answers=answers, reason=out)
