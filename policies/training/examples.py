"""Training examples with read-outs, and their losses."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torch.utils.checkpoint import checkpoint

from policies.decoding.padding import padded
from policies.models.token_rows import unknown_id
from policies.training.batch_plan import Group, plan_batches
from policies.training.config import TrainConfig
from policies.training.hooks import OnMetrics
from policies.training.planned import step_count, train_planned
from verifiers.interface.errors import BadInput

Batch: TypeAlias = dict[str, torch.Tensor]
Loss: TypeAlias = Callable[[Any, Batch], torch.Tensor]
_AT_A_TIME = 256  # tokens whose probabilities are held


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """The ids of one text, and where the model's output is read and what it should have been.

    `at`, `targets` and `weights` have shape (R,): positions; labels in [0, 1] or ids of next tokens; and
    shares of the loss. The loss of a batch is the sum over its terms of the term's factor times the
    weighted mean over all read-outs of that term in the whole batch.
    """

    ids: npt.NDArray[np.int32]
    at: npt.NDArray[np.int32]
    targets: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    term: int = 0


def example(
    ids: Sequence[int], at: Sequence[int], targets: Sequence[float], weights: Sequence[float] = (), *, term: int = 0
) -> Example:
    """An example from plain sequences; every read-out has the same weight where none is given."""
    shares = np.asarray(weights, np.float64) if len(weights) else np.ones(len(at))
    return Example(np.asarray(ids, np.int32), np.asarray(at, np.int32), np.asarray(targets, np.float64), shares, term)


def continuation(context: Sequence[int], target: Sequence[int], *, term: int = 0) -> Example:
    """An example of what comes after a context: the output at a position tells of the token after it."""
    at = range(len(context) - 1, len(context) - 1 + len(target))
    return example([*context, *target[:-1]], at, target, term=term)


def reward_loss(model: Any, batch: Batch) -> torch.Tensor:
    """Cross-entropy between the head's probability at each read-out and its label, which may be soft."""
    hidden = model.base_model(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False
    ).last_hidden_state
    with torch.autocast(hidden.device.type, enabled=False):
        # The head without its dropout, as it is read when it scores.
        logits = model.score(hidden[batch["row"], batch["at"]].float())[:, 0]
        losses = binary_cross_entropy_with_logits(logits, batch["targets"].float(), reduction="none")
    return (losses * batch["weights"]).sum()


def next_token_losses(model: Any, batch: Batch) -> torch.Tensor:
    """Minus the log-probability of the token that follows each read-out, in nats; shape (R,)."""
    columns, column = torch.unique(batch["at"], return_inverse=True)
    some = "logits_to_keep" in inspect.signature(model.forward).parameters
    # The logits of a whole prompt would be most of the memory, and none of the loss.
    keep: dict[str, Any] = {"logits_to_keep": columns} if some else {}
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False, **keep).logits
    read = logits[batch["row"], column if some else batch["at"]]
    targets = batch["targets"].long()
    if len(read) <= _AT_A_TIME:
        return _losses(read, targets)
    # Some tokens at a time, and again in the backward pass: for all, float32 would be most of the memory.
    parts = zip(read.split(_AT_A_TIME), targets.split(_AT_A_TIME), strict=True)
    return torch.cat([checkpoint(_losses, *part, use_reentrant=False, preserve_rng_state=False) for part in parts])


def _losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return cross_entropy(logits.float(), targets, reduction="none")


def next_token_loss(model: Any, batch: Batch) -> torch.Tensor:
    """Cross-entropy of the token that follows each read-out."""
    return (next_token_losses(model, batch) * batch["weights"]).sum()


def fit(
    model: Any,
    examples: Sequence[Example],
    groups: Sequence[Group],
    loss: Loss,
    *,
    config: TrainConfig,
    out: Path,
    factors: Sequence[float] = (1.0,),
    on_metrics: OnMetrics | None = None,
) -> None:
    """Train the model's trainable weights in place, from the latest checkpoint in `out` where there is one.

    Raises BadInput for a token that the model does not have.
    """
    vocabulary = model.get_input_embeddings().weight.shape[0]
    if unknown := unknown_id([int(max(e.ids.max(), e.targets.max(initial=0))) for e in examples], vocabulary):
        raise BadInput(f"an example cannot be trained on: {unknown}")
    steps = step_count(groups, [e.term for e in examples], config)
    plan = plan_batches(
        groups, [len(e.ids) for e in examples], steps=steps, accumulate=config.accumulate, seed=config.seed
    )
    scaled = [_scaled(step, examples, factors) for step in plan]

    def values(part: list[tuple[int, float]]) -> dict[str, torch.Tensor]:
        batch = collated([examples[i] for i, _ in part], [scale for _, scale in part])
        made = loss(model, {name: tensor.to(model.device) for name, tensor in batch.items()})
        return {"loss": made, "tokens": batch["attention_mask"].sum()}

    longest = max(len(e.ids) for e in examples)
    train_planned(model, scaled, values, config=config, out=out, longest=longest, on_metrics=on_metrics)


def collated(examples: Sequence[Example], scales: Sequence[float]) -> Batch:
    """The tensors of some examples, the weights of each times its scale; rows are padded on the right."""
    ids, mask = padded([e.ids for e in examples])
    counts = torch.tensor([len(e.at) for e in examples])
    weights = [e.weights * scale for e, scale in zip(examples, scales, strict=True)]
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "row": torch.repeat_interleave(torch.arange(len(examples)), counts),
        "at": torch.from_numpy(np.concatenate([e.at for e in examples])).long(),
        "targets": torch.from_numpy(np.concatenate([e.targets for e in examples])),
        "weights": torch.from_numpy(np.concatenate(weights)).float(),
    }


def _scaled(
    step: Sequence[Sequence[int]], examples: Sequence[Example], factors: Sequence[float]
) -> list[list[tuple[int, float]]]:
    """Each example of a step's parts with its share of the loss, by its term's factor and total weight."""
    totals = [0.0] * len(factors)
    for i in (i for part in step for i in part):
        totals[examples[i].term] += float(examples[i].weights.sum())
    return [[(i, factors[examples[i].term] / totals[examples[i].term]) for i in part] for part in step]
