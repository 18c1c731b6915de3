"""A scorer whose exceptions become rows that say why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from verifiers.interface.capabilities import remembering
from verifiers.interface.errors import is_a_rows, reason_of
from verifiers.interface.scoring import Scorer, Scores, Spend, ask, silent_row
from verifiers.interface.solution import Problem, Solution


@dataclass(frozen=True, slots=True, eq=False)
class ForgivingScorer:
    """A scorer of which a row that raises has no score, so that a run can go on where all of a unit's do.

    What no row can be the cause of is raised. Whatever else the scorer knows it knows too.
    """

    scorer: Scorer

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """The scorer's own; of more rows than one what it raises, for the caller to ask for fewer."""
        try:
            return ask(self.scorer, problems, solutions)
        except Exception as error:
            if len(solutions) != 1 or not is_a_rows(error):
                raise
            return Scores((silent_row(len(solutions[0].steps)),), (Spend(scorer_calls=1),), (reason_of(error),))

    def remembering(self) -> "ForgivingScorer":
        """The same with a memory, where the scorer can have one; for one search."""
        return ForgivingScorer(remembering(self.scorer))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.scorer, name)
