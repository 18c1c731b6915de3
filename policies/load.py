"""Policies by a short name, as the command line gives them."""

from __future__ import annotations

from typing import Literal

from policies.policy import Policy

_KINDS = ("transformers",)


def load(spec: str, *, dtype: Literal["auto", "float32", "bfloat16"] = "auto") -> Policy:
    """The policy that `KIND:SOURCE` names; so far `transformers:FOLDER_OR_HUB_NAME`, its weights as `dtype`.

    >>> load("gpt:4")
    Traceback (most recent call last):
    ...
    ValueError: unknown policy 'gpt:4': use transformers:FOLDER_OR_HUB_NAME

    Raises ValueError for an unknown kind, and what the kind raises for a bad source.
    """
    kind, _, source = spec.partition(":")
    if kind == "transformers" and source:
        from policies.transformers import Transformers

        return Transformers.load(source, dtype=dtype)
    raise ValueError(f"unknown policy {spec!r}: use {' or '.join(f'{k}:FOLDER_OR_HUB_NAME' for k in _KINDS)}")
