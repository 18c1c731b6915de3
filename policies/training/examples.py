"""Training examples with read-outs, their losses, and transformers' Trainer on them."""

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from transformers import Trainer, TrainingArguments

from policies.models.attention import attention_for
from policies.training.batch_plan import Group, plan_batches
from policies.training.config import TrainConfig
from policies.training.loop import Planned, arguments_for, device_of, on_one_device, own_randomness, run

Batch: TypeAlias = dict[str, torch.Tensor]
Loss: TypeAlias = Callable[[Any, Batch], torch.Tensor]


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


def next_token_loss(model: Any, batch: Batch) -> torch.Tensor:
    """Cross-entropy of the token that follows each read-out."""
    columns, column = torch.unique(batch["at"], return_inverse=True)
    some = "logits_to_keep" in inspect.signature(model.forward).parameters
    # The logits of a whole prompt would be most of the memory, and none of the loss.
    keep: dict[str, Any] = {"logits_to_keep": columns} if some else {}
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False, **keep).logits
    read = logits[batch["row"], column if some else batch["at"]].float()
    losses = cross_entropy(read, batch["targets"].long(), reduction="none")
    return (losses * batch["weights"]).sum()


def batch_of(examples: Sequence[Example], picks: Sequence[int], *, factors: Sequence[float] = (1.0,)) -> Batch:
    """The tensors of one batch in one part, as `fit` makes them; R read-outs of all its rows."""
    [part] = _scaled([picks], examples, factors)
    return _collate([(examples[i], scale) for i, scale in part])


def fit(
    model: Any,
    examples: Sequence[Example],
    groups: Sequence[Group],
    loss: Loss,
    *,
    config: TrainConfig,
    out: Path,
    factors: Sequence[float] = (1.0,),
) -> None:
    """Train the model's trainable weights in place, from the latest checkpoint in `out` where there is one."""
    steps = step_count(groups, [e.term for e in examples], config)
    plan = plan_batches(
        groups, [len(e.ids) for e in examples], steps=steps, accumulate=config.accumulate, seed=config.seed
    )
    batches = [part for step in plan for part in _scaled(step, examples, factors)]

    class ScorerTrainer(Planned, Trainer):
        # A batch's parts add up to it as they are. Transformers before 5.18 asks for a `compute_loss_func` instead.
        loss_is_scaled_for_ga = True

        def compute_loss(
            self,
            model: Any,
            inputs: Batch,
            return_outputs: bool = False,
            num_items_in_batch: Any = None,  # noqa: ARG002
        ) -> Any:
            with torch.autocast(self.args.device.type, torch.bfloat16, enabled=config.bf16):
                value = loss(model, inputs)
            return (value, None) if return_outputs else value

    with own_randomness(config.seed), attention_for(max(len(e.ids) for e in examples), device_of(config)):
        arguments = on_one_device(TrainingArguments(**arguments_for(model, config, out, steps)))
        trainer = ScorerTrainer(
            model=model,
            args=arguments,
            train_dataset=_Picked(examples),
            data_collator=_collate,
            compute_loss_func=lambda *_: None,  # never called, for `compute_loss` is our own
        )
        run(trainer, batches, config, out)


def step_count(groups: Sequence[Group], terms: Sequence[int], config: TrainConfig) -> int:
    """`max_steps`, or what it takes to draw as many examples of the first term as there are, `epochs` times.

    The last batch of an epoch may be filled up from the next one, and never leaves a row out.
    """
    if config.max_steps is not None:
        return config.max_steps
    first = sum(len(g.members) for g in groups if terms[g.members[0]] == 0)
    drawn = sum(g.count for g in groups if terms[g.members[0]] == 0)
    return max(1, math.ceil(config.epochs * first / drawn - 1e-9))


class _Picked:
    """Examples by (index, share of the batch's loss)."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self.examples = examples

    def __getitem__(self, pick: tuple[int, float]) -> tuple[Example, float]:
        return self.examples[pick[0]], pick[1]

    def __len__(self) -> int:
        return len(self.examples)


def _scaled(
    step: Sequence[Sequence[int]], examples: Sequence[Example], factors: Sequence[float]
) -> list[list[tuple[int, float]]]:
    totals = [0.0] * len(factors)
    for i in (i for part in step for i in part):
        totals[examples[i].term] += float(examples[i].weights.sum())
    return [[(i, factors[examples[i].term] / totals[examples[i].term]) for i in part] for part in step]


def _collate(picked: Sequence[tuple[Example, float]]) -> Batch:
    width = max(len(e.ids) for e, _ in picked)
    ids = torch.zeros((len(picked), width), dtype=torch.long)
    mask = torch.zeros((len(picked), width), dtype=torch.long)
    for i, (e, _) in enumerate(picked):
        ids[i, : len(e.ids)] = torch.from_numpy(e.ids)
        mask[i, : len(e.ids)] = 1
    counts = torch.tensor([len(e.at) for e, _ in picked])
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "row": torch.repeat_interleave(torch.arange(len(picked)), counts),
        "at": torch.from_numpy(np.concatenate([e.at for e, _ in picked])).long(),
        "targets": torch.from_numpy(np.concatenate([e.targets for e, _ in picked])),
        "weights": torch.from_numpy(np.concatenate([e.weights * scale for e, scale in picked])).float(),
    }
