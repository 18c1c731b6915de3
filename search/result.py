"""What a search returns."""

from dataclasses import dataclass
from enum import StrEnum

from verifiers.interface.scoring import ZERO, Scores, Spend
from verifiers.interface.solution import Problem, Solution


class Fate(StrEnum):
    """What became of a candidate in a tree search."""

    KEPT = "kept"  # it was in the beam and was extended
    DONE = "done"  # finished and kept
    PRUNED = "pruned"  # outscored, or the same text as another candidate
    CUT = "cut"  # reached a length or step limit unfinished
    FAILED = "failed"  # could not be generated or scored


@dataclass(frozen=True, slots=True)
class Node:
    """One candidate of a tree search; `parent` is its parent's place in `SearchResult.tree`, -1 for the root's."""

    parent: int
    depth: int
    solution: Solution
    value: float
    fate: Fate


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found for one problem.

    `scores` judges `pool`, row by row. `answer` and `solution` are None where nothing could be
    chosen, and `reason` then says why; it also says where a budget ended the search early.
    `tree` has the candidates of a search that drew step by step, a parent before its children; it is empty where whole
    solutions were drawn. A strategy that gives none has that of what it asked for and was sent.
    """

    problem: Problem
    answer: str | None
    solution: Solution | None
    pool: tuple[Solution, ...]
    scores: Scores
    spend: Spend = ZERO
    tree: tuple[Node, ...] = ()
    reason: str | None = None

    def __repr__(self) -> str:
        rows = zip(self.pool, self.scores.values(), strict=False)
        score = next((f", score {value:.3g}" for solution, value in rows if solution is self.solution), "")
        found = "nothing chosen" if self.solution is None else f"answer {self.answer!r}{score}"
        why = f" ({self.reason})" if self.reason else ""
        tree = f", a tree of {len(self.tree)}" if self.tree else ""
        return (
            f"<SearchResult {self.problem.id!r}: {found}{why}; {len(self.pool)} solutions{tree}, "
            f"{self.spend.sampled_tokens:g} tokens sampled>"
        )
