"""Process scorers, which judge every step: PRMs, PAVs, values by rollouts, and public PRMs by name.

One room. `prm` and `public` ask models, `pav` and `best_of_k` make scorers of scorers, `values` and `rollouts`
estimate values from completions, `formats` are those of public PRMs, `load` makes a scorer from a folder or a name.
"""

from typing import TYPE_CHECKING

import policies.ownership  # noqa: F401
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
from verifiers.combinators.sharp import FirstErrorCut, Hazards
from verifiers.interface.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from prms.prm import PRM
    from prms.public import PublicErrorPRM, PublicPRM
    from prms.training import train_prm

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
    "FirstErrorCut",
    "Hazards",
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

__getattr__ = lazy_exports(
    __name__,
    {
        "PRM": "prms.prm",
        "PublicErrorPRM": "prms.public",
        "PublicPRM": "prms.public",
        "train_prm": "prms.training",
    },
)
