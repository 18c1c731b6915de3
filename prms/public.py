"""Public process reward models: any backbone and head, read as a format says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from policies.models.token_rows import TokenRow
from prms.format_rows import RowBuilder, row_builder, token_ids
from prms.formats import PRMFormat
from prms.incremental import StepReader
from verifiers.interface.capabilities import RootValues
from verifiers.interface.naming import model_name
from verifiers.interface.solution import Problem, Solution
from verifiers.reward_models.reward_model import (
    Readout,
    batch_tokens_on,
    check_sizes,
    context_of,
    no_error_yet,
    vocabulary_of,
)


class OfFormat:
    """What a PRM says of itself by its `format`, whatever computes it."""

    __slots__ = ()
    format: PRMFormat

    @property
    def target(self) -> Literal["error", "value"] | None:
        """What its labels were, None where nobody has said; see `prms.PRM`."""
        return self.format.target

    @property
    def separator(self) -> str:
        """What ended the steps it was trained on."""
        return self.format.separator

    @property
    def root_values(self) -> RootValues | None:
        """1.0 a problem, shape (1,) a row, of a model that was taught errors: no step, no error yet; else None."""
        return no_error_yet if self.target == "error" else None


@dataclass(frozen=True, slots=True, eq=False)
class PublicPRM(OfFormat, StepReader):
    r"""P(good) of every step of finished and unfinished solutions, by a PRM of a public format.

    Load one with `prms.load("Qwen/Qwen2.5-Math-PRM-7B")`, or from a folder:

    >>> from prms.formats import MATH_SHEPHERD
    >>> MATH_SHEPHERD.target, MATH_SHEPHERD.separator
    ('value', '\n')

    One forward a solution, causal: later steps change no score. `backbone` gives hidden states of
    shape (N, L, d), `head` maps (n, d) to logits as `format.head` says. Scores are NaN, with a
    reason, where a row is over the context, a step is blank, or a text holds a token that the format
    keeps for itself; nothing is truncated. `batch_tokens` bounds a batch (None: as the device likes), `memory_bytes`
    that of `remembering`. Raises ValueError where the tokenizer is not one for the format.
    """

    backbone: Any
    head: Any
    tokenizer: Any
    format: PRMFormat
    batch_tokens: int | None = None
    memory_bytes: int = 1 << 30
    _builder: RowBuilder = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_sizes(self)
        object.__setattr__(self, "_builder", row_builder(self.tokenizer, self.format))
        if self.format.head == "tokens":
            token_ids(self.tokenizer, self.format)

    @property
    def name(self) -> str:
        """What a run writes down."""
        return f"prm({model_name(self.backbone)}, {self.format.name})"

    @property
    def _readout(self) -> Readout:
        tokens = self.batch_tokens or batch_tokens_on(self.backbone)
        return Readout(self.backbone, self.head, self._judge, tokens, self.format.reduce)

    def _rows(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> list[TokenRow | str]:
        limit, vocabulary = context_of(self.backbone), vocabulary_of(self.backbone)
        return self._builder.rows(problems, solutions, limit=limit, vocabulary=vocabulary)

    def _judge(self, hidden: torch.Tensor) -> torch.Tensor:
        logits = self.head(hidden.to(next(self.head.parameters()).dtype))
        if self.format.head == "value":
            return torch.sigmoid(logits[:, 0].float())
        if self.format.head == "tokens":
            logits = logits[:, token_ids(self.tokenizer, self.format)]
        return torch.softmax(logits.float(), dim=-1)[:, 1]


PublicErrorPRM = PublicPRM
"""The earlier name of `PublicPRM`."""
