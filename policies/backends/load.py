"""Policies by a short name, as the command line gives them."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from policies.models.engine_options import SPEC_OPTIONS, options_from
from policies.policy import Policy
from verifiers.interface.spec_parts import parts_of

_KINDS = (
    "transformers:FOLDER_OR_HUB_NAME or vllm:FOLDER_OR_HUB_NAME[,context=T][,rows=R][,gib=G][,share=S][,gpus=N]"
    "[,eager=yes]"
)


def load(spec: str, *, dtype: Literal["auto", "float32", "bfloat16"] = "auto") -> Policy:
    """The policy that `KIND:MODEL` names, its weights as `dtype`.

    `transformers:MODEL` decodes with this library's own loop, `vllm:MODEL` with vLLM's engine, which is to be closed
    (`policies.VLLM`): `context=4096` bounds a row's tokens, `rows=64` the rows computed side by side, `gib=3` the
    memory of keys and values, `share=0.45` the engine's part of a GPU, `gpus=2` splits the model over two, and
    `eager=yes` starts in seconds without compiling.

    >>> load("vllm:model,rows=none")
    Traceback (most recent call last):
    ...
    ValueError: 'vllm:model,rows=none': rows=none: use a whole number of 1 or more

    Raises ValueError for an unknown kind or option, and what the kind raises for a bad source.
    """
    kind, _, source = spec.partition(":")
    if kind == "transformers" and source:
        from policies.backends.transformers import Transformers

        return Transformers.load(source, dtype=dtype)
    names, options = parts_of(source)
    if kind == "vllm" and len(names) == 1 and options.keys() <= SPEC_OPTIONS:
        chosen = replace(options_from(spec, options), dtype=dtype)
        from policies.backends.vllm import VLLM

        return VLLM(names[0], options=chosen)
    raise ValueError(f"unknown policy {spec!r}: use {_KINDS}")
