"""One update of the policy from a batch of groups, computed in parts that add up exactly."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch

from policies.backends.transformers import Transformers
from policies.grpo.advantages import Floats
from policies.grpo.config import GRPOConfig
from policies.grpo.loss import clipped_loss, k3, token_weights
from policies.grpo.processes import Processes
from policies.grpo.rollout import Group
from policies.models.attention import attention_for
from policies.models.batches import greedy_batches
from policies.training.token_logprobs import token_logprobs
from verifiers.interface.solution import Problem

ALONE = Processes()
Head: TypeAlias = Callable[[torch.Tensor], torch.Tensor]  # from hidden states to logits


@dataclass(slots=True)
class Row:
    """A solution to learn from: ids of prompt and solution, and what each token of the solution is worth.

    `old` has the log-probabilities of the policy that sampled it, once a first update has computed them.
    """

    ids: tuple[int, ...]
    prompt: int  # how many of the ids are the prompt's
    advantages: Floats
    weight: float
    old: torch.Tensor | None = None


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update was like: means over tokens, and the norm of the gradient before it was clipped."""

    loss: float
    entropy: float
    kl: float
    clipped: float
    grad_norm: float


def rows_of(groups: Sequence[Group], policy: Transformers, config: GRPOConfig) -> list[Row]:
    """The solutions that are trained on: those of live groups, whatever their own advantage, if they have tokens.

    A dead group is in no denominator, and in no KL term either. Give the groups of all processes, for the weights
    are those of the whole batch.
    """
    taught = [
        (group.problem, [i for step in s.steps for i in step.tokens or ()], advantages)
        for group in groups
        if not group.dead
        for s, advantages in zip(group.solutions, group.advantages, strict=True)
        if len(advantages)
    ]
    weights = token_weights([len(ids) for _, ids, _ in taught], loss=config.loss, max_tokens=config.sampling.max_tokens)
    prompts: dict[Problem, tuple[int, ...]] = {problem: policy.prompt_ids(problem) for problem, _, _ in taught}
    return [
        Row((*prompts[problem], *ids), len(prompts[problem]), advantages, float(weight))
        for (problem, ids, advantages), weight in zip(taught, weights, strict=True)
    ]


def update(
    model: Any,
    head: Head,
    rows: Sequence[Row],
    optimizer: torch.optim.Optimizer,
    config: GRPOConfig,
    *,
    processes: Processes = ALONE,
    reference: Callable[[], AbstractContextManager[tuple[Any, Head]]] | None = None,
) -> Updated:
    """One step of the optimizer on the gradient of the whole batch, of which each process computes its rows.

    `reference()` gives, inside its context, the model as it was at the start and its LM head. Raises
    FloatingPointError, before any weight is changed, where the gradient is not finite.
    """
    optimizer.zero_grad(set_to_none=True)
    totals = np.zeros(5)
    tokens = config.part_tokens or (2048 if model.device.type == "cpu" else 16384)
    with attention_for(max(len(row.ids) for row in rows), model.device.type):
        for part in parts(processes.mine(rows), tokens):
            totals += _backward(model, head, part, config, reference)
    totals = np.sum(processes.gathered([totals]), axis=0)
    processes.add_gradients(model)
    norm = float(
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], config.max_grad_norm)
    )
    if not np.isfinite(norm):
        raise FloatingPointError(f"the gradient is {norm}: lower the learning rate")
    optimizer.step()
    loss, entropy, kl, clipped, count = totals
    return Updated(loss, entropy / count, kl / count, clipped / count, norm)


def parts(rows: Sequence[Row], tokens: int) -> Iterator[list[Row]]:
    """Rows of like length in parts of at most so many tokens, padding counted; one row may have more."""
    longest_first = sorted(rows, key=lambda r: len(r.ids), reverse=True)
    return greedy_batches(longest_first, lambda part: len(part) * len(part[0].ids) <= tokens)


def _backward(
    model: Any,
    head: Head,
    part: Sequence[Row],
    config: GRPOConfig,
    reference: Callable[[], AbstractContextManager[tuple[Any, Head]]] | None,
) -> Floats:
    """Add a part's gradient; the sums over its tokens of loss, entropy, KL, clipped and one."""
    device = model.device
    counts = [len(row.ids) - row.prompt for row in part]
    with autocast(device, config):
        logprobs, entropy = row_logprobs(model, head, part, config.sampling.temperature)
        # In the first update after a rollout the policy is the one that sampled: the ratio is 1.
        for row, own in zip(part, logprobs.detach().split(counts), strict=True):
            row.old = own if row.old is None else row.old
        old = torch.cat([row.old for row in part if row.old is not None])
        advantages = torch.tensor(np.concatenate([row.advantages for row in part]), device=device).to(logprobs.dtype)
        weights = torch.tensor(np.repeat([row.weight for row in part], counts), device=device).to(logprobs.dtype)
        losses = clipped_loss(logprobs, old, advantages, clip_low=config.clip_low, clip_high=config.clip_high)
        kl = torch.zeros_like(losses)
        if reference is not None:
            with torch.no_grad(), reference() as (other, its_head):
                before, _ = row_logprobs(other, its_head, part, config.sampling.temperature)
            kl = k3(logprobs, before)
            losses = losses + config.beta * kl
        total = (weights * losses).sum()
    total.backward()
    with torch.no_grad():
        ratio = (logprobs - old).exp()
        clipped = ((advantages > 0) & (ratio > 1 + config.clip_high)) | (
            (advantages < 0) & (ratio < 1 - config.clip_low)
        )
        sums = [total, entropy.sum(), kl.sum(), clipped.sum(), torch.tensor(float(len(losses)))]
        return np.array([float(x) for x in sums])


def row_logprobs(model: Any, head: Head, rows: Sequence[Row], temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The log-probability and the entropy of every token of the rows' solutions, one after another, shape (N,)."""
    device = model.device
    width = max(len(row.ids) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)] = torch.tensor(row.ids)
        mask[i, : len(row.ids)] = 1
    hidden = _body(model)(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False)[0]
    # The state at a position tells of the token after it.
    at = [torch.arange(row.prompt - 1, len(row.ids) - 1) + i * width for i, row in enumerate(rows)]
    targets = torch.tensor([t for row in rows for t in row.ids[row.prompt :]], device=device)
    return token_logprobs(hidden.flatten(0, 1)[torch.cat(at).to(device)], head, targets, temperature=temperature)


def lm_head(model: Any) -> Head:
    """From hidden states to logits as the model itself computes them.

    Raises ValueError where its logits are not those of its output embeddings, scaled or capped.
    """
    text = model.config.get_text_config()
    linear = model.get_output_embeddings()
    cap, divisor, factor = (
        getattr(text, name, None) for name in ("final_logit_softcapping", "logits_scaling", "logit_scale")
    )

    def head(hidden: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = linear(hidden)
        if divisor:
            logits = logits / divisor
        if factor:
            logits = logits * factor
        return cap * torch.tanh(logits / cap) if cap else logits

    with torch.no_grad():
        probe = torch.tensor([[0, 1, 2]], device=model.device)
        hidden, logits = _body(model)(input_ids=probe, use_cache=False)[0], model(input_ids=probe, use_cache=False)[0]
        if linear is None or not torch.allclose(head(hidden).float(), logits.float(), atol=1e-3, rtol=1e-3):
            raise ValueError(
                f"{type(model).__name__} does more to its hidden states than its LM head says: its log-probabilities "
                "cannot be computed in chunks, and this trainer does not support it"
            )
    return head


def autocast(device: torch.device, config: GRPOConfig) -> AbstractContextManager[Any]:
    """bfloat16 arithmetic where it was asked for."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if config.bf16 else nullcontext()


def _body(model: Any) -> Any:
    """The model without its LM head; under peft, the one inside."""
    return getattr(model, model.base_model_prefix)
