"""Score saved pools, without choosing from them."""

from collections.abc import Sequence

from search import requests
from search.driver import drive
from search.result import SearchResult
from verifiers.interface.arguments import check_pools
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Problem, Solution


def score(
    pools: Sequence[tuple[Problem, Sequence[Solution]]], scorer: Scorer, *, progress: bool = False
) -> list[SearchResult]:
    """Score every solution of every pool.

    >>> import search, verifiers
    >>> from verifiers import Solution, Step, Stop
    >>> saved = [Solution((Step(text),), Stop.EOS) for text in ("4", "is 4", "four")]
    >>> length = verifiers.from_function(lambda problem, solution: len(solution.text))
    >>> [judged] = search.score([(verifiers.Problem("p1", "2+2?"), saved)], length)
    >>> judged.scores.values().tolist(), judged.spend.scorer_calls
    ([1.0, 4.0, 4.0], 3)

    A result has `pool`, `scores` row by row, and `spend`; nothing is chosen (`solution` and `answer` are None). A
    solution that cannot be scored has NaN with its reason. Pools may differ in size and may be empty. Raises
    ValueError for problem ids that occur twice.
    """
    searches = [(problem, score_strategy(problem, pool)) for problem, pool in check_pools(pools)]
    return drive(searches, None, {"search": scorer}, progress=progress)


def score_strategy(problem: Problem, pool: tuple[Solution, ...]) -> requests.Strategy:
    scores = yield from requests.score(pool)
    return SearchResult(problem, None, None, pool, scores)
