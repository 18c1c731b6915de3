"""The outcome reward model: a classifier's view of a finished solution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from transformers import AutoModelForSequenceClassification

from policies.models.token_rows import TokenRow
from verifiers.interface.arguments import check_asked
from verifiers.interface.scoring import Scores, Spend, outcome_scores
from verifiers.interface.solution import Problem, Solution
from verifiers.reward_models.reward_model import RewardModel, read_rows


@dataclass(frozen=True, slots=True, eq=False)
class ORM(RewardModel):
    r"""P(the solution is right), read at the end-of-sequence token of a finished solution (Cobbe et al. 2021).

    >>> from verifiers import Problem, Solution, Stop, split_steps
    >>> orm = ORM.load("tiny:orm")
    >>> texts = ("7-9=8\n8*3=4\n4+5=9\n9-2=7\n=7", "7-9=2\n2*3=6\n6+5=1\n1-2=9\n=9")
    >>> right, wrong = (Solution(split_steps(text), Stop.EOS) for text in texts)
    >>> scores = orm.score([Problem("p1", "C 7-9*3+5-2\n")] * 2, [right, wrong]).values()
    >>> bool(scores[0] > 0.5 > scores[1])
    True

    Scores are NaN on an unfinished solution, for which nothing is computed, and, with a reason, on
    one over the model's context. `model` has a `score` head with one output, as
    `AutoModelForSequenceClassification` with `num_labels=1`; `batch_tokens` bounds a batch (None: as
    the device likes). Raises ValueError for another head or a tokenizer without an end of sequence.
    """

    _kind = "orm"
    _auto_class = AutoModelForSequenceClassification
    ends_only = True

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """One P(right) a finished solution, at its last step; N rows."""
        problems, solutions = check_asked({"problems": problems, "solutions": solutions})
        finished = [i for i, solution in enumerate(solutions) if solution.finished and solution.steps]
        asked = [problems[i] for i in finished]
        rows = self._rows(asked, [solutions[i] for i in finished])
        ends = [row if isinstance(row, str) else TokenRow(row.ids, row.ends[-1:]) for row in rows]
        scores = read_rows(self._readout, asked, ends, [1] * len(ends))
        values, spend = [math.nan] * len(solutions), [Spend(scorer_calls=1)] * len(solutions)
        reasons: list[str | None] = [None] * len(solutions)
        for k, i in enumerate(finished):
            values[i], spend[i], reasons[i] = float(scores.steps[k][0]), scores.spend[k], scores.reasons[k]
        return outcome_scores(solutions, values, spend, reasons)
