"""Policies: what samples solutions."""

from typing import TYPE_CHECKING, Any

from policies.advantages import GroupInfo, gated_advantages
from policies.load import load
from policies.policy import Extended, NextTokens, Policy, Sampling, TokenPolicy, Until
from policies.replay import Replay
from policies.scripted import Scripted

if TYPE_CHECKING:
    from policies.transformers import Transformers

__all__ = [
    "Extended",
    "GroupInfo",
    "NextTokens",
    "Policy",
    "Replay",
    "Sampling",
    "Scripted",
    "TokenPolicy",
    "Transformers",
    "Until",
    "gated_advantages",
    "load",
]


def __getattr__(name: str) -> Any:
    # torch and transformers take seconds to import; only what needs them pays.
    if name == "Transformers":
        from policies.transformers import Transformers

        return Transformers
    raise AttributeError(f"module 'policies' has no attribute {name!r}")
