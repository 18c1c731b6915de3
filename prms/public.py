"""Public process reward models: any backbone and head, read as a format says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from policies.models.token_rows import TokenRow
from prms.format_rows import RowBuilder, row_builder, token_ids
from prms.formats import PRMFormat
from verifiers.interface.naming import model_name
from verifiers.interface.scoring import FloatArray, Scores, Spend
from verifiers.interface.solution import Problem, Solution
from verifiers.reward_models.reward_model import HiddenStates, context_of, head_parameters, nan_row, read_ends, spend_of

if TYPE_CHECKING:
    from prms.incremental import IncrementalPRM


@dataclass(frozen=True, slots=True, eq=False)
class PublicPRM:
    r"""P(good) of every step of finished and unfinished solutions, by a PRM of a public format.

    Load one with `prms.load("Qwen/Qwen2.5-Math-PRM-7B")`, or from a folder:

    >>> from prms.formats import MATH_SHEPHERD
    >>> MATH_SHEPHERD.target, MATH_SHEPHERD.separator
    ('value', '\n')

    One forward a solution, causal: later steps change no score. `backbone` gives hidden states of
    shape (N, L, d), `head` maps (n, d) to logits as `format.head` says. Scores are NaN, with a
    reason, where a row is over the context, a step is blank, or a text holds a token that the format
    keeps for itself; nothing is truncated. `batch_tokens` bounds the memory of a batch, `memory_bytes`
    that of `remembering`. Raises ValueError where the tokenizer is not one for the format.
    """

    backbone: Any
    head: Any
    tokenizer: Any
    format: PRMFormat
    batch_tokens: int = 16_384
    memory_bytes: int = 1 << 30
    _builder: RowBuilder = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_builder", row_builder(self.tokenizer, self.format))
        if self.format.head == "tokens":
            token_ids(self.tokenizer, self.format)

    @property
    def name(self) -> str:
        """What a run writes down."""
        return f"prm({model_name(self.backbone)}, {self.format.name})"

    @property
    def target(self) -> Literal["error", "value"] | None:
        """What its labels were, None where nobody has said; see `prms.PRM`."""
        return self.format.target

    @property
    def separator(self) -> str:
        """What ended the steps it was trained on."""
        return self.format.separator

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """P(good) of every prefix, one a step, with the format's reducer; N rows."""
        rows = self._rows(problems, solutions)
        read = {i: row for i, row in enumerate(rows) if isinstance(row, TokenRow) and row.ends}
        asked = [problems[i] for i in read]
        found = read_ends(self.backbone, self._judge, asked, list(read.values()), batch_tokens=self.batch_tokens)
        values = dict(zip(read, found, strict=True))
        steps = [values.get(i, nan_row(len(solution.steps))) for i, solution in enumerate(solutions)]
        for problem, solution, scores in zip(problems, solutions, steps, strict=True):
            if len(scores) != len(solution.steps):
                raise AssertionError(f"problem {problem.id!r}: {len(solution.steps)} steps but {len(scores)} scores")
        spend = spend_of(self.backbone, self.head, problems, [read.get(i) for i in range(len(rows))])
        reasons = tuple(row if isinstance(row, str) else None for row in rows)
        return Scores(tuple(steps), tuple(spend), reasons, self.format.reduce)

    def remembering(self) -> IncrementalPRM | PublicPRM:
        """The same scores with a memory of prefixes, for one search; see `prms.incremental`. None is kept on vLLM.

        Raises ValueError for a model without a plain key-value cache in each layer.
        """
        if isinstance(self.backbone, HiddenStates):
            return self
        from prms.incremental import IncrementalPRM

        return IncrementalPRM(
            self._rows,
            self.backbone,
            self._judge,
            head_flops=2.0 * head_parameters(self.head),
            memory_bytes=self.memory_bytes,
            reduce=self.format.reduce,
        )

    def _rows(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> list[TokenRow | str]:
        return self._builder.rows(problems, solutions, limit=context_of(self.backbone))

    def _judge(self, hidden: torch.Tensor) -> torch.Tensor:
        logits = self.head(hidden.to(next(self.head.parameters()).dtype))
        if self.format.head == "value":
            return torch.sigmoid(logits[:, 0].float())
        if self.format.head == "tokens":
            logits = logits[:, token_ids(self.tokenizer, self.format)]
        return torch.softmax(logits.float(), dim=-1)[:, 1]


@dataclass(frozen=True, slots=True, eq=False)
class PublicErrorPRM(PublicPRM):
    """A public PRM trained on error labels, so that it also knows the value of a problem: no step, no error yet."""

    def root_values(self, problems: Sequence[Problem]) -> Scores:
        """1.0 for each problem, `steps[i]` of shape (1,); nothing is computed."""
        rows: list[FloatArray] = [np.ones(1, dtype=np.float32) for _ in problems]
        return Scores(tuple(rows), (Spend(scorer_calls=1),) * len(rows))
