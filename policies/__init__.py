"""Policies: what samples solutions."""

from typing import TYPE_CHECKING, Any

from policies.backends.load import load
from policies.backends.replay import Replay
from policies.backends.scripted import Scripted
from policies.grpo.advantages import GroupInfo, gated_advantages
from policies.grpo.config import GRPOConfig
from policies.models.engine_options import EngineOptions
from policies.policy import Extended, NextTokens, Policy, Sampling, TokenPolicy, Until

if TYPE_CHECKING:
    from policies.backends.transformers import Transformers
    from policies.backends.vllm import VLLM
    from policies.grpo.train import TrainResult, grpo_train

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
        from policies.backends.transformers import Transformers

        return Transformers
    if name == "VLLM":
        from policies.backends.vllm import VLLM

        return VLLM
    if name in ("TrainResult", "grpo_train"):
        import policies.grpo.train

        return getattr(policies.grpo.train, name)
    raise AttributeError(f"module 'policies' has no attribute {name!r}")
