"""Self-consistency: sample N solutions, keep the most frequent answer."""

from collections.abc import Sequence

from policies.policy import Policy, Sampling
from search.budget import Budget
from search.driver import drive, started
from search.picking import pick
from search.requests import Strategy, extend
from search.result import SearchResult
from search.selection import weighted
from verifiers.grading.answers import MATH, Answers
from verifiers.interface.arguments import check_answers_argument
from verifiers.interface.scoring import outcome_scores
from verifiers.interface.solution import Problem, Solution


def self_consistency(
    problems: Sequence[Problem],
    policy: Policy,
    *,
    n: int,
    answers: Answers = MATH,
    sampling: Sampling | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    progress: bool = False,
) -> list[SearchResult]:
    r"""Sample `n` solutions a problem and choose the answer that most of them give (Wang et al. 2023).

    >>> import policies, search, verifiers
    >>> policy = policies.Scripted(lambda problem, prefix, seed: "The answer is " + ("1/2." if seed % 5 else "3."))
    >>> [result] = search.self_consistency([verifiers.Problem("p1", "3/6?")], policy, n=16)
    >>> result.answer
    '1/2'

    Votes count equivalence classes of answers: `1/2`, `0.5` and `\frac12` are one. A solution that is
    unfinished or states no answer does not vote against one that does. Each solution has the score 1.
    Raises ValueError for `n` below 1 and problem ids that occur twice.
    """
    searches = started(problems, lambda problem: self_consistency_strategy(problem, n, answers))
    return drive(searches, policy, {}, sampling=sampling, budget=budget, seed=seed, progress=progress)


def self_consistency_strategy(problem: Problem, n: int, answers: Answers) -> Strategy:
    check_answers_argument(answers)
    pool, out = yield from extend([Solution()], n, "end")
    one_vote_each = outcome_scores(pool, [1.0] * len(pool))
    return pick(problem, pool, one_vote_each, select=weighted, answers=answers, reason=out)
