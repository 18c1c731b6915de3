"""The options of a GRPO training."""

import math
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from policies.grpo.advantages import Credit, Gate
from policies.policy import Sampling
from verifiers.interface.errors import check_kinds, check_ranges

_FINITE = ("prm_coef", "right_above", "error_below", "beta", "weight_decay")

Loss: TypeAlias = Literal["grpo", "dr_grpo", "dapo"]


@dataclass(frozen=True, slots=True)
class GRPOConfig:
    r"""How a policy is trained; written into its folder.

    A step samples `group_size` solutions of each of `groups` problems, scores them, and makes `updates` updates
    of the whole batch from them. With `resample=k` (DAPO's dynamic sampling) dead groups, which have no
    signal, are replaced by other problems' up to k times a step; all that is sampled is counted.

    `gate`, `credit`, `scale`, `weight`, `baseline`, `prm_coef`, `right_above` and `error_below` are those of
    `gated_advantages` (VeriGate as published is `credit="future_sum"`); `loss` that of `token_weights`. `beta`
    weighs the KL to the policy as it was at the start (k3); at 0 there is no such copy. `part_tokens` bounds the
    tokens that go through the model at once in an update (None: 2,048 on a CPU, whose caches are small, and 16,384
    on a GPU): it changes the memory, not the gradient. `bf16` computes updates in bfloat16; weights are float32,
    but under LoRA (`lora_rank` above 0) the frozen ones stay as they are. `warmup` is a number of steps.

    A checkpoint is written every `save_every` steps (0: at the end alone), and the `keep_last` latest stay. The policy
    is evaluated every `evaluate_every` steps (0: never); with `keep_best`, the name of one of the evaluation's numbers,
    a checkpoint is also written where that is higher than ever before, and stays (`stepbeam export` makes a model of
    it). Every `attribute_every` steps (0: never) each step of each solution is written down with its score and its
    advantage. After every `refresh_every` steps (0: never) the PRM is made anew, where `grpo_train` was told how.

    >>> GRPOConfig(steps=50, group_size=4, gate="all_wrong", credit="min").updates
    1

    Raises ValueError for a value out of range.
    """

    steps: int = 100
    groups: int = 16
    group_size: int = 8
    sampling: Sampling = field(default_factory=Sampling)
    updates: int = 1
    resample: int = 0
    gate: Gate = "degenerate"
    credit: Credit = "advantage"
    scale: Literal["std", "none"] = "std"
    weight: Literal["step", "token"] = "step"
    baseline: Literal["none", "step"] = "none"
    prm_coef: float = 1.0
    right_above: float = 0.5
    error_below: float = 0.5
    loss: Loss = "dapo"
    clip_low: float = 0.2
    clip_high: float = 0.2
    beta: float = 0.0
    learning_rate: float = 1e-6
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup: int = 0
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    part_tokens: int | None = None
    bf16: bool = False
    gradient_checkpointing: bool = False
    lora_rank: int = 0
    lora_alpha: int = 32
    lora_targets: tuple[str, ...] = ()
    seed: int = 0
    save_every: int = 25
    keep_last: int = 1
    keep_best: str | None = None
    evaluate_every: int = 0
    attribute_every: int = 1
    refresh_every: int = 0

    def __post_init__(self) -> None:
        check_kinds(self)
        if self.group_size < 2:
            raise ValueError(
                f"group_size is {self.group_size}: an advantage compares solutions of one problem, so give 2 or more"
            )
        often = ("save_every", "evaluate_every", "attribute_every", "refresh_every")
        check_ranges(
            self,
            positive=("steps", "groups", "updates", "clip_high", "lora_alpha", "max_grad_norm", "keep_last"),
            not_negative=("resample", "beta", "warmup", "weight_decay", "lora_rank", *often),
            limits=("part_tokens",),
            others={
                "learning_rate": 0 < self.learning_rate < math.inf,
                **{name: math.isfinite(getattr(self, name)) for name in _FINITE},
                "seed": 0 <= self.seed < 1 << 63,  # torch's
                "clip_low": 0 < self.clip_low < 1,
            },
        )
        if self.keep_best is not None and not self.evaluate_every:
            raise ValueError(f"keep_best is {self.keep_best!r} and evaluate_every 0: nothing would be evaluated")
        if self.sampling.temperature == 0:
            raise ValueError("sampling.temperature is 0: a group of greedy samples is one solution, many times")
        for name, whole in (("top_p", 1.0), ("top_k", 0)):
            if (value := getattr(self.sampling, name)) != whole:
                raise ValueError(
                    f"sampling.{name} is {value}: a training's log-probabilities are those of the whole distribution, "
                    f"so its gradient would not be that of the policy that was sampled; leave it at {whole:g}"
                )
