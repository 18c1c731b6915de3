"""What a model computes: how many of its parameters a token passes through, and the FLOPs of rows of tokens."""

from collections import Counter
from collections.abc import Iterator, Sequence
from copy import copy
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
    how many these are at most (None: all before it). `chunked` has the same of layers in which a token attends to those
    before it in its own chunk of so many.

    >>> price = FlopPrice(parameters=100, attention=((8.0, None),))
    >>> price.flops((0, 3)), price.flops((0, 2)) + price.flops((2, 3))
    (648.0, 648.0)
    """

    parameters: float
    attention: tuple[tuple[float, int | None], ...] = ()
    chunked: tuple[tuple[float, int], ...] = ()

    def flops(self, *spans: Span) -> float:
        """What these tokens cost, each of which attends to all tokens of its row up to itself, cached ones too."""
        paid = 2.0 * self.parameters * tokens_in(spans)
        for each, window in self.attention:
            paid += each * sum(_attended(end, window) - _attended(begin, window) for begin, end in spans)
        for each, size in self.chunked:
            paid += each * sum(_in_chunks(end, size) - _in_chunks(begin, size) for begin, end in spans)
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
    dimension of its heads. Layers of another kind (convolutions, recurrences) have parameters only.
    """
    layers = Counter(_attention_layers(model.config.get_text_config(decoder=True)))
    attention: dict[int | None, float] = {}
    chunked: dict[int, float] = {}
    for (dimensions, reach, in_chunks), count in layers.items():
        if in_chunks and reach is not None:
            chunked[reach] = chunked.get(reach, 0.0) + 2.0 * dimensions * count
        else:
            attention[reach] = attention.get(reach, 0.0) + 2.0 * dimensions * count
    return FlopPrice(
        flop_parameters(model),
        tuple((each, window) for window, each in attention.items()),
        tuple((each, size) for size, each in chunked.items()),
    )


def _attention_layers(text: Any) -> Iterator[tuple[int, int | None, bool]]:
    """Of each layer with attention: dimensions of its heads' keys and values, how far it sees, and if in chunks."""
    own = copy(text)
    if getattr(own, "num_kv_shared_layers", None):
        own.num_kv_shared_layers = 0  # layers that use another's keys have none in a cache, and attend all the same
    kinds, local = (getattr(text, name, None) or () for name in ("layer_types", "attention_layers"))
    layers = DynamicCache(config=own).layers
    configs = getattr(text, "per_layer_config", None) or [text] * len(layers)  # early versions of transformers lack it
    for i, (layer, config) in enumerate(zip(layers, configs, strict=False)):
        heads = getattr(config, "num_attention_heads", None)
        if heads is None or not isinstance(layer, DynamicLayer):
            continue
        plain = getattr(config, "head_dim", None) or config.hidden_size // heads
        keys, values = (getattr(config, name, None) or plain for name in ("qk_head_dim", "v_head_dim"))
        reach = getattr(layer, "sliding_window", None)
        if local and local[i] == "local":  # GPT-Neo, whose cache keeps all keys
            reach = config.window_size
        in_chunks = kinds[i] == "chunked_attention" if kinds else not getattr(config, "sliding_window", None)
        yield heads * (keys + values), reach, in_chunks and getattr(config, "attention_chunk_size", None) is not None


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


def _in_chunks(tokens: int, size: int) -> int:
    """The same where each attends within its chunk."""
    return tokens // size * _attended(size, None) + _attended(tokens % size, None)
