"""What the policy learns from a batch of groups, in parts that add up exactly."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch

from policies.backends.transformers import Transformers
from policies.decoding.padding import padded
from policies.grpo.advantages import Floats
from policies.grpo.config import GRPOConfig
from policies.grpo.loss import clipped_loss, k3, token_weights
from policies.grpo.rollout import Group
from policies.models.batches import greedy_batches
from policies.training.token_logprobs import token_logprobs
from verifiers.interface.solution import Problem

Head: TypeAlias = Callable[[torch.Tensor], torch.Tensor]  # from hidden states to logits


@dataclass(slots=True)
class TrainingRow:
    """A solution to learn from: ids of prompt and solution, and what each token of the solution is worth.

    `old` has the log-probabilities of the policy that sampled it, once a first update has computed them.
    """

    ids: tuple[int, ...]
    prompt: int  # how many of the ids are the prompt's
    advantages: Floats
    weight: float
    old: torch.Tensor | None = None


def rows_of(groups: Sequence[Group], policy: Transformers, config: GRPOConfig) -> list[TrainingRow]:
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
        TrainingRow((*prompts[problem], *ids), len(prompts[problem]), advantages, float(weight))
        for (problem, ids, advantages), weight in zip(taught, weights, strict=True)
    ]


def parts(rows: Sequence[TrainingRow], tokens: int) -> Iterator[list[TrainingRow]]:
    """Rows of like length in parts of at most so many tokens, padding counted; one row may have more."""
    longest_first = sorted(rows, key=lambda r: len(r.ids), reverse=True)
    return greedy_batches(longest_first, lambda part: len(part) * len(part[0].ids) <= tokens)


def part_values(
    model: Any,
    part: Sequence[TrainingRow],
    config: GRPOConfig,
    *,
    reference: Callable[[], AbstractContextManager[Any]] | None = None,
) -> dict[str, torch.Tensor]:
    """The loss of a part, and sums over its tokens: entropy, KL, how many were clipped, and how many there are.

    `reference()` gives, inside its context, the model as it was at the start; without it no KL is known.
    """
    device = model.device
    counts = [len(row.ids) - row.prompt for row in part]
    logprobs, entropy = row_logprobs(model, part, config.sampling.temperature)
    # In the first update after a rollout the policy is the one that sampled: the ratio is 1.
    for row, sampled in zip(part, logprobs.detach().split(counts), strict=True):
        row.old = sampled if row.old is None else row.old
    old = torch.cat([row.old for row in part if row.old is not None])
    advantages = torch.tensor(np.concatenate([row.advantages for row in part]), device=device).to(logprobs.dtype)
    weights = torch.tensor(np.repeat([row.weight for row in part], counts), device=device).to(logprobs.dtype)
    losses = clipped_loss(logprobs, old, advantages, clip_low=config.clip_low, clip_high=config.clip_high)
    kl = None
    if reference is not None:
        with torch.no_grad(), reference() as model_before:
            before, _ = row_logprobs(model_before, part, config.sampling.temperature)
        kl = k3(logprobs, before)
        losses = losses + config.beta * kl
    with torch.no_grad():
        ratio = (logprobs - old).exp()
        clipped = ((advantages > 0) & (ratio > 1 + config.clip_high)) | (
            (advantages < 0) & (ratio < 1 - config.clip_low)
        )
    return {
        "loss": (weights * losses).sum(),
        "entropy": entropy.sum(),
        **({} if kl is None else {"kl": kl.sum()}),
        "clipped": clipped.sum(),
        "tokens": torch.tensor(len(losses)),
    }


def row_logprobs(model: Any, rows: Sequence[TrainingRow], temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The log-probability and the entropy of every token of the rows' solutions, one after another, shape (N,)."""
    device = model.device
    ids, mask = padded([row.ids for row in rows])
    hidden = _body(model)(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False)[0]
    # The state at a position tells of the token after it.
    at = [torch.arange(row.prompt - 1, len(row.ids) - 1) + i * ids.shape[1] for i, row in enumerate(rows)]
    targets = torch.tensor([t for row in rows for t in row.ids[row.prompt :]], device=device)
    return token_logprobs(
        hidden.flatten(0, 1)[torch.cat(at).to(device)], lm_head(model), targets, temperature=temperature
    )


def lm_head(model: Any) -> Head:
    """From hidden states to logits, with what its config says is done to them."""
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

    return head


def check_lm_head(model: Any) -> None:
    """Raise ValueError where a model's logits are not those of its output embeddings, scaled or capped."""
    probe = torch.tensor([[0, 1, 2]], device=model.device)
    with torch.no_grad():
        hidden, logits = _body(model)(input_ids=probe, use_cache=False)[0], model(input_ids=probe, use_cache=False)[0]
        if model.get_output_embeddings() is None or not torch.allclose(
            lm_head(model)(hidden).float(), logits.float(), atol=1e-3, rtol=1e-3
        ):
            raise ValueError(
                f"{type(model).__name__} does more to its hidden states than its LM head says: its log-probabilities "
                "cannot be computed in chunks, and this trainer does not support it"
            )


def _body(model: Any) -> Any:
    """The model without its LM head; under peft, the one inside."""
    return getattr(model, model.base_model_prefix)
