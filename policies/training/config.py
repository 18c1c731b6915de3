"""The options of a training."""

import math
from dataclasses import dataclass
from typing import Literal

from verifiers.interface.errors import check_kinds, check_ranges

SOLUTION_WEIGHT = 1 / 3  # of learning to solve, beside learning to verify: the lambda of Zhang et al. 2024


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How a model is trained; written into its folder.

    A step works on `batch_size` examples, in `accumulate` parts of which each is one forward and
    backward: the parts change the memory, not the gradient. An epoch draws as many examples as there are,
    rounded up to whole batches; with `balance` the rarer kind comes round more often and the other less.
    `max_steps` overrides `epochs`. `warmup` is a share of the steps. `lora_rank=0` trains all weights; above
    it, low-rank updates of the modules that `lora_targets` names (all linear layers by default), which are
    merged into the saved weights. `max_length` bounds an example's tokens, by default by the model's
    context. `bf16` computes in bfloat16 (slower by far on a CPU that has no instructions for it) and, under
    LoRA, holds the frozen weights in it. `balance` gives the labels
    below 0.5 and those from 0.5 on the same weight. A checkpoint is written every `save_every` steps
    (0: never); the `keep_last` latest stay, and where that is above 1 also once the training has ended, for
    `stepbeam export`. `device` is "auto" (CUDA where there is one), "cuda" or "cpu"; which GPU is chosen with
    CUDA_VISIBLE_DEVICES.

    >>> TrainConfig(max_steps=100, batch_size=16, learning_rate=1e-4, lora_rank=16).lora_alpha
    32

    Raises ValueError for a value out of range.
    """

    epochs: float = 1.0
    max_steps: int | None = None
    batch_size: int = 32
    accumulate: int = 1
    learning_rate: float = 2e-5
    warmup: float = 0.05
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    lora_rank: int = 0
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    lora_targets: tuple[str, ...] = ()
    max_length: int | None = None
    balance: bool = False
    bf16: bool = False
    gradient_checkpointing: bool = False
    save_dtype: Literal["float32", "bfloat16"] = "float32"
    device: str = "auto"
    seed: int = 0
    save_every: int = 200
    keep_last: int = 1
    log_every: int = 10

    def __post_init__(self) -> None:
        check_kinds(self)
        check_ranges(
            self,
            positive=("batch_size", "accumulate", "lora_alpha", "keep_last", "log_every"),
            not_negative=("max_grad_norm", "lora_rank", "save_every"),
            limits=("max_steps", "max_length"),
            others={
                "epochs": 0 < self.epochs < math.inf,
                "weight_decay": 0 <= self.weight_decay < math.inf,
                "learning_rate": 0 < self.learning_rate < math.inf,
                "seed": 0 <= self.seed < 1 << 63,  # torch's
                "warmup": 0 <= self.warmup < 1,
                "lora_dropout": 0 <= self.lora_dropout < 1,
            },
        )
        if self.device not in ("auto", "cpu", "cuda"):
            raise ValueError(
                f"device is {self.device!r}: use 'auto', 'cuda' or 'cpu', and choose a GPU with CUDA_VISIBLE_DEVICES"
            )
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"batch_size is {self.batch_size} and accumulate {self.accumulate}: the parts of a batch must be equal"
            )
