"""Scaled dot-product attention for decoding: no copies of grouped keys and values, no plans for each length."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

_NAME = "stepbeam_sdpa"
_SHORT = 1024  # tokens up to which the scores of an attention, T x T, are little memory


def _grouped_sdpa(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    rows, heads, new, dim = query.shape
    groups = key.shape[1]
    if new != 1 or heads == groups or options.get("position_bias") is not None:
        out: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **options
        )
        return out
    # The heads that share keys stand in the place of query tokens: all of them see the same columns,
    # so the stock path's copy of the keys for each head (with a mask, at every token) is not needed.
    grouped = torch.nn.functional.scaled_dot_product_attention(
        query.reshape(rows, groups, heads // groups, dim), key, value, attn_mask=attention_mask, scale=scaling
    )
    return grouped.reshape(rows, heads, 1, -1).transpose(1, 2).contiguous(), None


_SWITCH = threading.Lock()
_inside, _planned = 0, True

AttentionInterface.register(_NAME, _grouped_sdpa)
AttentionMaskInterface.register(_NAME, sdpa_mask)


@contextmanager
def any_length() -> Iterator[None]:
    """No cuDNN attention: it plans for every new length (45 ms on an H200), and each step of decoding has one."""
    global _inside, _planned
    # The switch is the whole process's: the first thread to come in turns it, the last to leave turns it back.
    with _SWITCH:
        if not _inside:
            _planned = torch.backends.cuda.cudnn_sdp_enabled()
            torch.backends.cuda.enable_cudnn_sdp(False)
        _inside += 1
    try:
        yield
    finally:
        with _SWITCH:
            _inside -= 1
            if not _inside:
                torch.backends.cuda.enable_cudnn_sdp(_planned)


def attention_for(longest: int, device: str) -> AbstractContextManager[None]:
    """The attention of a training, whose batches are of ever new lengths, up to `longest`.

    On a CPU it is the plain one for short rows: the gradient of flash attention takes half of a step there.
    """
    return sdpa_kernel(SDPBackend.MATH) if device == "cpu" and longest <= _SHORT else any_length()


@contextmanager
def grouped_attention(model: PreTrainedModel) -> Iterator[None]:
    """Let a model that uses sdpa use the grouped form inside the block; other models are left alone."""
    configs: dict[int, Any] = {id(m.config): m.config for m in model.modules() if hasattr(m, "config")}
    changed = [c for c in configs.values() if getattr(c, "_attn_implementation", None) == "sdpa"]
    for config in changed:
        config._attn_implementation = _NAME
    try:
        yield
    finally:
        for config in changed:
            config._attn_implementation = "sdpa"
