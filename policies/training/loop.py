"""The training loop of all learned scorers: transformers' Trainer over batches decided beforehand."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from tqdm import tqdm
from transformers import PrinterCallback, ProgressCallback, TrainerCallback

from policies.training.config import TrainConfig
from policies.training.resume import (
    latest_checkpoint,
    restore_optimizer,
    restore_randomness,
    restore_weights,
    write_checkpoint,
)

_SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


def arguments_for(model: Any, config: TrainConfig, out: Path, steps: int) -> dict[str, Any]:
    """What the Trainer is told; checkpoints, logs and batches are our own.

    Raises ValueError for a device that is not there.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is 'cuda', and there is none: use 'cpu' or 'auto'")
    return {
        "output_dir": str(out),
        "max_steps": steps,
        "per_device_train_batch_size": config.batch_size // config.accumulate,
        "gradient_accumulation_steps": config.accumulate,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": _SCHEDULES[config.schedule],
        "warmup_steps": config.warmup,
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "gradient_checkpointing": config.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False} if config.gradient_checkpointing else None,
        "logging_steps": config.log_every,
        "logging_nan_inf_filter": False,
        "save_strategy": "no",
        "eval_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "seed": config.seed,
        "use_cpu": device_of(config) == "cpu",
        "use_cache": bool(model.config.use_cache),  # the Trainer writes it into the model's config
        "dataloader_pin_memory": device_of(config) == "cuda",
    }


def on_one_device(arguments: Any) -> Any:
    """The arguments for one GPU or the CPU: transformers would spread a batch over all GPUs in view.

    Raises ValueError where several processes were started.
    """
    if arguments.world_size > 1:
        raise ValueError(f"{arguments.world_size} processes were started: train in one, on one device")
    arguments._n_gpu = min(1, arguments.n_gpu)
    return arguments


def device_of(config: TrainConfig) -> str:
    """What is trained on: "cpu" or "cuda"."""
    return "cpu" if config.device == "cpu" or not torch.cuda.is_available() else "cuda"


class Planned:
    """What every trainer here has in common: batches by plan, and checkpoints that appear whole."""

    args: Any
    model: Any
    optimizer: Any
    lr_scheduler: Any
    state: Any
    train_dataset: Any
    data_collator: Any
    batches: Sequence[Sequence[object]]

    def get_train_dataloader(self) -> Any:
        """The parts of the batches in the order of the plan."""
        return DataLoader(
            self.train_dataset,
            batch_sampler=_Batches(self.batches),
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
        )

    def _save_checkpoint(self, model: Any, trial: Any) -> None:  # noqa: ARG002  (the Trainer's signature)
        _check_weights(self.model, self.state.global_step)
        folder = Path(self.args.output_dir) / "checkpoints"
        write_checkpoint(folder, self.model, self.optimizer, self.lr_scheduler, self.state)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:  # noqa: ARG002
        restore_weights(Path(resume_from_checkpoint), self.model)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            restore_optimizer(Path(checkpoint), self.optimizer, self.lr_scheduler)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            restore_randomness(Path(checkpoint))


def run(trainer: Any, batches: Sequence[Sequence[object]], config: TrainConfig, out: Path) -> None:
    """Let a trainer go through the plan, from the latest checkpoint on."""
    trainer.batches = batches
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    checkpoint = latest_checkpoint(out / "checkpoints")
    done = int(checkpoint.name.partition("-")[2]) if checkpoint else 0
    trainer.add_callback(_Reporter(out / "log.jsonl", done, config.save_every))
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    _check_weights(trainer.model, trainer.state.global_step)


def _check_weights(model: Any, step: int) -> None:
    """Raise FloatingPointError before weights that are no numbers are kept: the log may not have come to it yet."""
    if not all(bool(p.isfinite().all()) for p in model.parameters() if p.requires_grad):
        raise FloatingPointError(f"the weights are not finite after step {step}: lower the learning rate")


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Seeded random generators inside, and the caller's own afterwards."""
    python, legacy = random.getstate(), np.random.get_state()  # the Trainer seeds them
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)


class _Reporter(TrainerCallback):
    """A log as JSON lines, a bar on a terminal, and the word when to save."""

    def __init__(self, path: Path, done: int, save_every: int) -> None:
        self.path = path
        self.done = done
        self.save_every = save_every
        self.bar: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= self.done]
        self.path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
        self.bar = tqdm(total=state.max_steps, initial=self.done, desc="training", unit="step", disable=None)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self.bar.update()
        if self.save_every and state.global_step % self.save_every == 0 and state.global_step < state.max_steps:
            control.should_save = True
        if state.global_step == state.max_steps:
            control.should_log = True

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        logs: Mapping[str, Any] = kwargs["logs"]
        if "loss" not in logs:
            return
        if not np.isfinite(logs["loss"]):
            raise FloatingPointError(f"the loss is {logs['loss']} at step {state.global_step}: lower the learning rate")
        self.bar.set_postfix(loss=f"{logs['loss']:.4f}")
        row = {"step": state.global_step, **{k: v for k, v in logs.items() if k != "epoch"}}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self.bar.close()


class _Batches:
    """A plan as a batch sampler."""

    def __init__(self, batches: Sequence[Sequence[object]]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[list[object]]:
        return (list(batch) for batch in self.batches)

    def __len__(self) -> int:
        return len(self.batches)
