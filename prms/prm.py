"""The process reward model: a classifier's view of every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from transformers import AutoModelForTokenClassification

from policies.models.engine_options import DType, EngineChoice
from policies.models.token_rows import TokenRow
from prms.incremental import IncrementalPRM
from verifiers.interface.capabilities import RootValues
from verifiers.interface.naming import model_name
from verifiers.interface.scoring import Scores, check_rows
from verifiers.interface.solution import Problem, Solution
from verifiers.reward_models.reward_model import (
    HiddenStates,
    check_head,
    entry_of,
    head_parameters,
    judge_of,
    load_reward_model,
    no_error_yet,
    read_rows,
    rows_for,
)


@dataclass(frozen=True, slots=True, eq=False)
class PRM:
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
    `batch_tokens` bounds the memory of a batch, `memory_bytes` that of `remembering`. Raises ValueError for
    another head or a tokenizer without an end of sequence.
    """

    model: Any
    tokenizer: Any
    batch_tokens: int = 16_384
    memory_bytes: int = 1 << 30

    def __post_init__(self) -> None:
        check_head(self.model, self.tokenizer, "prm")

    @classmethod
    def load(
        cls, name: str | Path, *, dtype: DType = "float32", device: str = "auto", engine: EngineChoice = "transformers"
    ) -> PRM:
        """The PRM in a folder (or of a hub name); FileNotFoundError names what is missing.

        `engine="vllm"`, or `policies.EngineOptions` (its dtype is this call's), computes the body on vLLM's pooling
        runner, to be stopped with `.model.close()`; where it runs is then vLLM's to say.
        """
        model, tokenizer = load_reward_model(
            AutoModelForTokenClassification, name, "prm", dtype=dtype, device=device, engine=engine
        )
        return cls(model, tokenizer)

    @property
    def name(self) -> str:
        """What a run writes down."""
        return f"prm({model_name(self.model)})"

    @property
    def target(self) -> str | None:
        """What its labels were ("error" or "value"), None where the model's config does not say."""
        return entry_of(self.model).get("target")

    @property
    def separator(self) -> str | None:
        """What ended the steps it was trained on, None where the model's config does not say."""
        return entry_of(self.model).get("separator")

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """P(good) of every prefix, one a step; N rows."""
        rows = rows_for(self.model, self.tokenizer, problems, solutions)
        return check_rows(self, problems, solutions, self._read(problems, rows, [len(s.steps) for s in solutions]))

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
        prompts = rows_for(self.model, self.tokenizer, problems, [Solution()] * len(problems))
        rows = [_at_the_end(row) if isinstance(row, TokenRow) else row for row in prompts]
        return self._read(problems, rows, [1] * len(problems))

    def _read(self, problems: Sequence[Problem], rows: Sequence[TokenRow | str], lengths: Sequence[int]) -> Scores:
        body, head, judge = self.model.base_model, self.model.score, judge_of(self.model)
        return read_rows(body, head, judge, problems, rows, lengths, batch_tokens=self.batch_tokens)

    def remembering(self) -> IncrementalPRM | PRM:
        """A scorer with a memory of prefixes, for one search (`prms.incremental`); itself on vLLM, where none is kept.

        Raises ValueError for a model without a plain key-value cache in each layer.
        """
        if isinstance(self.model.base_model, HiddenStates):
            return self
        return IncrementalPRM(
            self,
            partial(rows_for, self.model, self.tokenizer),
            self.model.base_model,
            judge_of(self.model),
            head_flops=2.0 * head_parameters(self.model.score),
            memory_bytes=self.memory_bytes,
        )


def _at_the_end(row: TokenRow) -> TokenRow | str:
    if not row.ids:
        return "the prompt has no tokens: there is none to read its value at"
    return TokenRow(row.ids, (len(row.ids) - 1,))
