"""Process reward models: scorers that judge every step."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from prms.best_of_k import BestOfK, best_of_k_value
from prms.formats import (
    FORMATS,
    MATH_SHEPHERD,
    QWEN_MATH_PRM,
    RLHFLOW_DEEPSEEK,
    RLHFLOW_MISTRAL,
    SKYWORK,
    VERSA_PRM,
    VERSA_PRM_QWEN,
    PRMFormat,
)
from prms.load import load
from prms.pav import PAV
from prms.rollout_value import RolloutValue
from prms.value_rows import labelled
from prms.values import collect_values

if TYPE_CHECKING:
    from prms.prm import PRM
    from prms.public import PublicErrorPRM, PublicPRM
    from prms.train_prm import train_prm

__all__ = [
    "FORMATS",
    "MATH_SHEPHERD",
    "PAV",
    "PRM",
    "QWEN_MATH_PRM",
    "RLHFLOW_DEEPSEEK",
    "RLHFLOW_MISTRAL",
    "SKYWORK",
    "VERSA_PRM",
    "VERSA_PRM_QWEN",
    "BestOfK",
    "PRMFormat",
    "PublicErrorPRM",
    "PublicPRM",
    "RolloutValue",
    "best_of_k_value",
    "collect_values",
    "labelled",
    "load",
    "train_prm",
]

# What is imported only when it is asked for: torch takes seconds to import.
_LAZY = {
    "PRM": "prms.prm",
    "PublicErrorPRM": "prms.public",
    "PublicPRM": "prms.public",
    "train_prm": "prms.train_prm",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
