"""Policies, which sample solutions: the protocol, engines, saved and scripted solutions, and gated GRPO.

Rooms: backends (where samples come from), models (from a folder to tokens and tensors), decoding (our own engine),
training (from examples to weights, for all that is trained), grpo, replicas (who works jobs off). `policy` is the
protocol that the others speak.
"""

from typing import TYPE_CHECKING

import policies.ownership  # noqa: F401
from policies.backends.load import load
from policies.backends.replay import Replay
from policies.backends.scripted import Scripted
from policies.grpo.advantages import GroupInfo, gated_advantages
from policies.grpo.config import GRPOConfig
from policies.laws import check_policy
from policies.models.engine_options import EngineOptions
from policies.policy import Extended, NextTokens, Policy, RowStream, Sampling, StreamingPolicy, TokenPolicy, Until
from policies.replicas.workers import Replicas
from verifiers.interface.capabilities import remembering
from verifiers.interface.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from policies.backends.openai import OpenAI
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
    "OpenAI",
    "Policy",
    "Replay",
    "Replicas",
    "RowStream",
    "Sampling",
    "Scripted",
    "StreamingPolicy",
    "TokenPolicy",
    "TrainResult",
    "Transformers",
    "Until",
    "check_policy",
    "gated_advantages",
    "grpo_train",
    "load",
    "remembering",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "TrainResult": "policies.grpo.train",
        "OpenAI": "policies.backends.openai",
        "Transformers": "policies.backends.transformers",
        "VLLM": "policies.backends.vllm",
        "grpo_train": "policies.grpo.train",
    },
)
