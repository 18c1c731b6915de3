"""The process reward model: a classifier's view of every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import AutoModelForTokenClassification

from policies.models.token_rows import TokenRow
from prms.incremental import StepReader
from verifiers.interface.arguments import check_asked
from verifiers.interface.capabilities import RootValues
from verifiers.interface.scoring import Scores
from verifiers.interface.solution import Problem, Solution
from verifiers.reward_models.reward_model import RewardModel, entry_of, no_error_yet, read_rows


@dataclass(frozen=True, slots=True, eq=False)
class PRM(RewardModel, StepReader):
    r"""P(good) of the prefix that ends with each step, read at the step's last token.

    What "good" means is the model's `target`: "error" is trained on labels that are 1 up to the
    first error and 0 from there on (Lightman et al. 2023, section 2.6); "value" on the chance that the
    policy ends right from there (Wang et al. 2024, Math-Shepherd, section 3.2), which is Q of the prefix.

    >>> from verifiers import Problem, Solution, split_steps
    >>> prm = PRM.load("tiny:prm_error")
    >>> prm.target
    'error'
    >>> wrong = Solution(split_steps("7-9=8\n8*3=1\n"))
    >>> (prm.score([Problem("p1", "C 7-9*3+5-2\n")], [wrong]).steps[0] > 0.5).tolist()
    [True, False]

    One forward a solution. The end-of-sequence token belongs to the last step of a finished
    solution. Scores are NaN, with a reason, on a solution over the model's context. `model` has a
    `score` head with one output, as `AutoModelForTokenClassification` with `num_labels=1`;
    `batch_tokens` bounds a batch (None: as the device likes), `memory_bytes` that of `remembering`. Raises
    ValueError for another head or a tokenizer without an end of sequence.
    """

    memory_bytes: int = 1 << 30
    _kind = "prm"
    _auto_class = AutoModelForTokenClassification

    @property
    def target(self) -> str | None:
        """What its labels were ("error" or "value"), None where the model's config does not say."""
        return entry_of(self.model).get("target")

    @property
    def separator(self) -> str | None:
        """What ended the steps it was trained on, None where the model's config does not say."""
        return entry_of(self.model).get("separator")

    @property
    def root_values(self) -> RootValues | None:
        """The value of each problem before its first step, shape (1,) a row; None where the model was not taught it.

        Of a PRM with `target="error"` it is 1 and costs nothing: a solution without steps has no error. Of
        one with `target="value"` that was trained on rows with `Labelled.root` it is read at the prompt's last token.
        """
        if self.target == "error":
            return no_error_yet
        return self._root_values if entry_of(self.model).get("root") else None

    def _root_values(self, problems: Sequence[Problem]) -> Scores:
        [problems] = check_asked({"problems": problems})
        prompts = self._rows(problems, [Solution()] * len(problems))
        rows = [_at_the_end(row) if isinstance(row, TokenRow) else row for row in prompts]
        return read_rows(self._readout, problems, rows, [1] * len(problems))


def _at_the_end(row: TokenRow) -> TokenRow | str:
    if not row.ids:
        return "the prompt has no tokens: there is none to read its value at"
    return TokenRow(row.ids, (len(row.ids) - 1,))
