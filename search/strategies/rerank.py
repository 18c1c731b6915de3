"""Choose from saved generations: no policy needed."""

from collections.abc import Sequence

from search.driver import drive
from search.picking import pick
from search.requests import Strategy, score
from search.result import SearchResult
from search.selection import Select, Selector, selector
from verifiers.grading.answers import MATH, Answers
from verifiers.interface.arguments import check_answers_argument, check_pools
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Problem, Solution


def rerank(
    pools: Sequence[tuple[Problem, Sequence[Solution]]],
    scorer: Scorer,
    *,
    select: Select = "best",
    answers: Answers = MATH,
    seed: int = 0,
    progress: bool = False,
) -> list[SearchResult]:
    """Score pools of saved solutions and choose one of each.

    >>> import search, verifiers
    >>> from verifiers import Solution, Step, Stop
    >>> saved = [Solution((Step(f"The answer is {x}."),), Stop.EOS) for x in ("4", "5", "4")]
    >>> longest = verifiers.from_function(lambda problem, solution: len(solution.text))
    >>> [result] = search.rerank([(verifiers.Problem("p1", "2+2?"), saved)], longest, select="weighted")
    >>> result.answer
    '4'

    Pools may differ in size and may be empty. Raises ValueError for an unknown `select` and problem
    ids that occur twice.
    """
    chooser = selector(select, seed=seed)
    searches = [(problem, rerank_strategy(problem, pool, chooser, answers)) for problem, pool in check_pools(pools)]
    return drive(searches, None, {"search": scorer}, seed=seed, progress=progress)


def rerank_strategy(problem: Problem, pool: tuple[Solution, ...], select: Selector, answers: Answers) -> Strategy:
    check_answers_argument(answers)
    scores = yield from score(pool)
    return pick(problem, pool, scores, select=select, answers=answers)
