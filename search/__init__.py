"""Search strategies: Best-of-N, self-consistency, weighted majority, beam search, and reranking of saved pools."""

from search.ownership import require_own_verifiers

require_own_verifiers()

from search.budget import Budget  # noqa: E402
from search.driver import drive  # noqa: E402
from search.requests import Extend, OutOfBudget, Score, Strategy  # noqa: E402
from search.result import Fate, Node, SearchResult  # noqa: E402
from search.selection import Pool, Select, Selector, pessimistic, soft  # noqa: E402
from search.strategies.beam_search import NoOpinionError, beam_search  # noqa: E402
from search.strategies.best_of_n import best_of_n, weighted_majority  # noqa: E402
from search.strategies.rerank import rerank  # noqa: E402
from search.strategies.sample import sample  # noqa: E402
from search.strategies.score import score  # noqa: E402
from search.strategies.self_consistency import self_consistency  # noqa: E402

__all__ = [
    "Budget",
    "Extend",
    "Fate",
    "NoOpinionError",
    "Node",
    "OutOfBudget",
    "Pool",
    "Score",
    "SearchResult",
    "Select",
    "Selector",
    "Strategy",
    "beam_search",
    "best_of_n",
    "drive",
    "pessimistic",
    "rerank",
    "sample",
    "score",
    "self_consistency",
    "soft",
    "weighted_majority",
]
