"""Policies: what samples solutions."""

from typing import TYPE_CHECKING, Any

from policies.advantages import GroupInfo, gated_advantages
from policies.engine_options import EngineOptions
from policies.grpo_config import GRPOConfig
from policies.load import load
from policies.policy import Extended, NextTokens, Policy, Sampling, TokenPolicy, Until
from policies.replay import Replay
from policies.scripted import Scripted

if TYPE_CHECKING:
    from policies.grpo import TrainResult, grpo_train
    from policies.transformers import Transformers
    from policies.vllm import VLLM

__all__ = [
    "VLLM",
    "EngineOptions",
    "Extended",
    "GRPOConfig",
    "GroupInfo",
    "NextTokens",
    "Policy",
    "Replay",
    "Sampling",
    "Scripted",
    "TokenPolicy",
    "TrainResult",
    "Transformers",
    "Until",
    "gated_advantages",
    "grpo_train",
    "load",
]


def __getattr__(name: str) -> Any:
    # torch and transformers take seconds to import; only what needs them pays.
    if name == "Transformers":
        from policies.transformers import Transformers

        return Transformers
    if name == "VLLM":
        from policies.vllm import VLLM

        return VLLM
    if name in ("TrainResult", "grpo_train"):
        import policies.grpo

        return getattr(policies.grpo, name)
    raise AttributeError(f"module 'policies' has no attribute {name!r}")
