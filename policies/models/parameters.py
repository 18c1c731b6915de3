"""What a model computes: how many of its parameters a token passes through, and the FLOPs of rows of tokens."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

Span: TypeAlias = tuple[int, int]
"""Tokens of a row that a model computed together: the place of the first, and the one behind the last."""


@dataclass(frozen=True, slots=True)
class FlopPrice:
    """FLOPs of a forward pass: 2 a parameter and token, and attention (Kaplan et al. 2020, section 2.1).

    `attention` has for each kind of layer the FLOPs of a token for each one that it attends to, itself among them, and
    how many these are at most (None: all before it).

    >>> price = FlopPrice(parameters=100, attention=((8.0, None),))
    >>> price.flops((0, 3)), price.flops((0, 2)) + price.flops((2, 3))
    (648.0, 648.0)
    """

    parameters: float
    attention: tuple[tuple[float, int | None], ...] = ()

    def flops(self, *spans: Span) -> float:
        """What these tokens cost, each of which attends to all tokens of its row up to itself, cached ones too."""
        paid = 2.0 * self.parameters * tokens_in(spans)
        for each, window in self.attention:
            paid += each * sum(_attended(end, window) - _attended(begin, window) for begin, end in spans)
        return paid


def tokens_in(spans: Sequence[Span]) -> int:
    """How many tokens the spans have.

    >>> tokens_in([(0, 3), (7, 8)])
    4
    """
    return sum(end - begin for begin, end in spans)


def flop_price(model: Any) -> FlopPrice:
    """The price of a model's tokens; one on torch's meta device has it too.

    A token attends to the others in queries times keys and in weights times values: 4 FLOPs for each of them, layer and
    dimension of its heads. Layers of another kind (convolutions, recurrences) have parameters only; a chunk counts as a
    window.
    """
    text = model.config.get_text_config(decoder=True)
    heads = text.num_attention_heads
    plain = getattr(text, "head_dim", None) or text.hidden_size // heads
    keys, values = (getattr(text, name, None) or plain for name in ("qk_head_dim", "v_head_dim"))
    layers = [layer for layer in DynamicCache(config=model.config).layers if isinstance(layer, DynamicLayer)]
    windows = Counter(getattr(layer, "sliding_window", None) for layer in layers)
    attention = tuple((2.0 * heads * (keys + values) * count, window) for window, count in windows.items())
    return FlopPrice(flop_parameters(model), attention)


def flop_parameters(model: Any) -> int:
    """Parameters that a token passes through: all but the embedding tables, and the LM head (tied or not).

    Kaplan et al. leave the head out too; here it counts because small models spend much of their time in it. All
    experts of a mixture are counted.
    """
    head = model.get_output_embeddings()
    tables = {id(p) for m in model.modules() if isinstance(m, torch.nn.Embedding) for p in m.parameters()}
    if head is not None:
        tables -= {id(p) for p in head.parameters()}
    return sum(p.numel() for p in {id(p): p for p in model.parameters()}.values() if id(p) not in tables)


def _attended(tokens: int, window: int | None) -> int:
    """How many tokens the first so many of a row attend to, all together."""
    near = tokens if window is None else min(tokens, window)
    return near * (near + 1) // 2 + (tokens - near) * near
