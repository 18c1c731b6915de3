"""Search: Best-of-N, self-consistency, weighted majority, beam search, and reranking of saved pools.

Rooms: strategies (a file each, a generator for one problem), live (searches that join while others run). Beside
them `driver` runs the strategies of many problems; `searching` is one of them under way, `calls` and `streaming` are
how they share a policy and scorers; `requests` is what they ask for, `grown` makes a tree of it, `selection` picks
from a pool, `budget` limits what is spent.
"""

import policies.ownership  # noqa: F401
from search.budget import Budget
from search.driver import drive
from search.live.session import Pending, Session
from search.requests import Extend, OutOfBudget, Score, Strategy
from search.result import Fate, Node, SearchResult
from search.selection import Pool, Select, Selector, pessimistic, soft
from search.strategies.beam_search import beam_search
from search.strategies.best_of_n import best_of_n, weighted_majority
from search.strategies.rerank import rerank
from search.strategies.sample import sample
from search.strategies.score import score
from search.strategies.self_consistency import self_consistency
from verifiers.interface.errors import NoOpinionError

__all__ = [
    "Budget",
    "Extend",
    "Fate",
    "NoOpinionError",
    "Node",
    "OutOfBudget",
    "Pending",
    "Pool",
    "Score",
    "SearchResult",
    "Select",
    "Selector",
    "Session",
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
