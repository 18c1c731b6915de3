"""Policies by a short name, as the command line gives them."""

from __future__ import annotations

from typing import Literal

from policies.policy import Policy
from verifiers.load import parts_of

_KINDS = "transformers:FOLDER_OR_HUB_NAME or vllm:FOLDER_OR_HUB_NAME[,context=T][,rows=R][,gib=G][,eager=yes]"


def load(spec: str, *, dtype: Literal["auto", "float32", "bfloat16"] = "auto") -> Policy:
    """The policy that `KIND:MODEL` names, its weights as `dtype`.

    `transformers:MODEL` decodes with this library's own loop, `vllm:MODEL` with vLLM's engine, which is to be closed
    (`policies.VLLM`): `context=4096` bounds a row's tokens, `rows=64` the rows computed side by side, `gib=3` the
    memory of keys and values, and `eager=yes` starts in seconds without compiling.

    >>> load("vllm:model,rows=none")
    Traceback (most recent call last):
    ...
    ValueError: 'vllm:model,rows=none': rows=none: use a whole number of 1 or more

    Raises ValueError for an unknown kind or option, and what the kind raises for a bad source.
    """
    kind, _, source = spec.partition(":")
    if kind == "transformers" and source:
        from policies.transformers import Transformers

        return Transformers.load(source, dtype=dtype)
    names, options = parts_of(source)
    if kind == "vllm" and len(names) == 1 and options.keys() <= {"context", "rows", "gib", "eager"}:
        from policies.vllm_engine import EngineOptions

        gib = _count(spec, "gib", options)
        chosen = EngineOptions(
            dtype=dtype,
            context=_count(spec, "context", options),
            max_rows=_count(spec, "rows", options) or EngineOptions().max_rows,
            memory_bytes=None if gib is None else gib << 30,
            eager=_yes(spec, "eager", options),
        )
        from policies.vllm import VLLM

        return VLLM(names[0], options=chosen)
    raise ValueError(f"unknown policy {spec!r}: use {_KINDS}")


def _count(spec: str, key: str, options: dict[str, str]) -> int | None:
    if key not in options:
        return None
    if not options[key].isdecimal() or int(options[key]) < 1:
        raise ValueError(f"{spec!r}: {key}={options[key]}: use a whole number of 1 or more")
    return int(options[key])


def _yes(spec: str, key: str, options: dict[str, str]) -> bool:
    if options.get(key, "no") not in ("yes", "no"):
        raise ValueError(f"{spec!r}: {key}={options[key]}: use yes or no")
    return options.get(key) == "yes"
