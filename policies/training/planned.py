"""Training by a plan: which examples each step sees is decided beforehand."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from policies.models.attention import attention_for
from policies.training.batch_plan import Group
from policies.training.config import TrainConfig
from policies.training.folder import record
from policies.training.hooks import OnMetrics
from policies.training.loop import Loop, Values, device_of
from policies.training.schedule import rate_at

T = TypeVar("T")

_MOST = 100_000_000  # examples drawn: the plan is held in memory


def train_planned(
    model: Any,
    plan: Sequence[Sequence[T]],
    loss: Callable[[T], Values],
    *,
    config: TrainConfig,
    out: Path,
    longest: int,
    on_metrics: OnMetrics | None = None,
) -> None:
    """Train in place by a plan, steps x parts, whose rows have up to `longest` tokens; its log is `out/log.jsonl`.

    Raises ValueError for a device that is not there.
    """
    device = device_of(config)
    model.to(device).train()
    if config.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    record(out, planned_steps=len(plan))
    warmup = math.ceil(len(plan) * config.warmup)
    loop = Loop(
        model=model,
        optimizer=_optimizer(model, config),
        steps=len(plan),
        rate=lambda step: (
            config.learning_rate * rate_at(step, steps=len(plan), warmup=warmup, schedule=config.schedule)
        ),
        max_grad_norm=config.max_grad_norm,
        bf16=config.bf16,
        out=out,
        save_every=config.save_every,
        keep_last=config.keep_last,
        on_metrics=on_metrics,
    )
    with attention_for(longest, device.type):
        for step in loop:
            loop.log(loop.update(plan[step - 1], loss), every=config.log_every)


def step_count(groups: Sequence[Group], terms: Sequence[int], config: TrainConfig) -> int:
    """`max_steps`, or what it takes to draw as many examples of the first term as there are, `epochs` times.

    The last batch of an epoch may be filled up from the next one, and never leaves a row out.
    Raises ValueError for more than can be planned.
    """
    first = sum(len(g.members) for g in groups if terms[g.members[0]] == 0)
    drawn = sum(g.count for g in groups if terms[g.members[0]] == 0)
    by_epochs = max(1, math.ceil(config.epochs * first / drawn - 1e-9))
    steps = by_epochs if config.max_steps is None else config.max_steps
    if steps * sum(g.count for g in groups) > _MOST:
        raise ValueError(
            f"a training of {steps:.3g} steps draws more than {_MOST:,} examples; give fewer steps or epochs"
        )
    return steps


def _optimizer(model: Any, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW; norms and biases do not decay."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
