"""The one training loop: whatever is trained gives it the parts of its batches and a loss."""

import json
import math
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, TypeAlias, TypeVar

import torch
from tqdm import tqdm

from policies.training.config import TrainConfig
from policies.training.heap import Heap
from policies.training.hooks import OnMetrics, told
from policies.training.resume import (
    check_record,
    drop_checkpoints,
    latest_checkpoint,
    record_digest,
    restore_checkpoint,
    write_checkpoint,
)
from verifiers.interface.arguments import check_takes
from verifiers.interface.checksums import checksum
from verifiers.interface.errors import BadInput
from verifiers.interface.files import cut_at, each_row, room_for

_PUT_BACK = "put a whole copy in its place, or choose another folder"

T = TypeVar("T")
Values: TypeAlias = Mapping[str, torch.Tensor]


@dataclass(kw_only=True)
class Loop:
    """The steps of a training that are left, each of which may update the weights that require a gradient.

    >>> model = torch.nn.Linear(1, 1)
    >>> loop = Loop(model=model, optimizer=torch.optim.AdamW(model.parameters()), steps=2, rate=lambda step: 0.1)
    >>> parts = [torch.ones(3, 1), torch.ones(1, 1)]
    >>> for step in loop:
    ...     made = loop.update(parts, lambda part: {"loss": model(part).sum() / 4})
    >>> step, sorted(made)
    (2, ['grad_norm', 'loss'])

    `rate(step)` is the learning rate of a step, counted from 0. In the folder `out` there is a checkpoint every
    `save_every` steps (0: never), from which the same loop goes on and ends with the same weights; the rows of `logs`
    then end where it does. `state` is what a checkpoint keeps beside weights, moments and random generators. The
    `keep_last` latest checkpoints stay, and those of the steps in `keep`. `on_metrics` is told each row of the first
    log; one that fails is asked no more, and the training goes on.

    Several processes (`accelerate launch`) add up their gradients, and the first of them writes. Raises ImportError
    where accelerate is not installed.
    """

    model: Any
    optimizer: torch.optim.Optimizer
    steps: int
    rate: Callable[[int], float]
    max_grad_norm: float = 1.0  # 0: the gradient is not clipped
    bf16: bool = False
    out: Path | None = None
    logs: Sequence[str] = ("log.jsonl",)
    save_every: int = 0
    keep_last: int = 1
    keep: Callable[[], Collection[int]] = tuple
    on_metrics: OnMetrics | None = None
    title: str = "training"
    state: dict[str, Any] = field(default_factory=dict)
    step: int = 0  # the step that is made, or was made last

    def __post_init__(self) -> None:
        if self.on_metrics is not None:
            check_takes("on_metrics", self.on_metrics, 1, "it is given each row of the log, a mapping")
        self.processes = processes()
        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        self.heap = Heap()

    def __iter__(self) -> Iterator[int]:
        """The steps after the latest checkpoint, counted from 1."""
        self._restore()
        with tqdm(total=self.steps, initial=self.step, desc=self.title, unit="step", disable=None) as self.bar:
            while self.step < self.steps:
                self.step += 1
                for group in self.optimizer.param_groups:
                    group["lr"] = self.rate(self.step - 1)
                yield self.step
                if self.save_every and self.step % self.save_every == 0 and self.step < self.steps:
                    self.save()
                self.bar.update()
        self._check_weights()

    def update(self, parts: Iterable[T], loss: Callable[[T], Values]) -> dict[str, float]:
        """One step of the optimizer on the sum of the losses of the parts, of which each process gives its share.

        `loss(part)` has the part's "loss", and whatever else of it adds up; returned are the sums over the parts of all
        processes, and the gradient's norm before it was clipped. Raises FloatingPointError, before any weight is
        changed, where the loss or the gradient is no number.
        """
        self.optimizer.zero_grad(set_to_none=True)
        sums: dict[str, Any] = {}
        for part in parts:
            with torch.autocast(self.trained[0].device.type, torch.bfloat16, enabled=self.bf16):
                values = loss(part)
            values["loss"].backward()
            if self.trained[0].device.type == "cpu":
                self.heap.give_back()
            sums = {name: sums.get(name, 0.0) + value.detach().double() for name, value in values.items()}
        made = self._over_processes({name: float(value) for name, value in sums.items()})
        norm = float(torch.nn.utils.clip_grad_norm_(self.trained, self.max_grad_norm or math.inf))
        for name, value in (("loss", made["loss"]), ("gradient", norm)):
            if not math.isfinite(value):
                raise FloatingPointError(f"the {name} is {value} at step {self.step}: lower the learning rate")
        self.optimizer.step()
        return {**made, "grad_norm": norm}

    def mine(self, items: Sequence[T]) -> Sequence[T]:
        """This process's share: every so many-th, from its own number on."""
        return items[self.processes.process_index :: self.processes.num_processes]

    def gathered(self, items: Sequence[T]) -> list[T]:
        """The items of all processes, one process after another."""
        if self.processes.num_processes == 1:
            return list(items)
        from accelerate.utils import gather_object

        return list(gather_object(list(items)))

    def log(self, values: Mapping[str, float], *, every: int) -> None:
        """Write a row of means since the last row, and the gradient's last norm, every so many steps and at the end."""
        unlogged = self.state.setdefault("unlogged", [])
        unlogged.append(dict(values))
        if self.step % every == 0 or self.step == self.steps:
            means = {name: fmean(row[name] for row in unlogged) for name in values}
            last = {"grad_norm": values["grad_norm"], "learning_rate": self.rate(self.step - 1)}
            self.write([{"step": self.step, **means, **last}], self.logs[0])
            self.bar.set_postfix(loss=f"{means['loss']:.4f}")
            unlogged.clear()

    def write(self, rows: Iterable[Mapping[str, object]], log: str) -> None:
        """Append rows, each with its step, to one of the logs."""
        rows = list(rows)
        if self.out is not None and self.processes.is_main_process:
            with room_for(self.out / log), open(self.out / log, "a", encoding="utf-8") as file:
                file.write("".join(json.dumps(row) + "\n" for row in rows))
                file.flush()
                os.fsync(file.fileno())  # before a checkpoint says that they are there
        if log == self.logs[0] and self.on_metrics is not None and self.processes.is_main_process:
            with seeded(0):  # so that nothing that it draws shows in the training
                self.on_metrics = told(self.on_metrics, rows)

    def save(self) -> None:
        """Write a checkpoint of the step that was made."""
        self._check_weights()
        if self.out is not None and self.processes.is_main_process:
            folder = self.out / "checkpoints"
            sizes = {log: (self.out / log).stat().st_size for log in self.logs if (self.out / log).exists()}
            logs = {log: (size, checksum(self.out / log, 0, size)) for log, size in sizes.items()}
            write_checkpoint(folder, self.model, self.optimizer, self.step, {**self.state, "logs": logs})
            drop_checkpoints(folder, keep_last=self.keep_last, keep=self.keep())

    def _restore(self) -> None:
        """Go back to the latest checkpoint, and drop the rows of later steps and a torn last line.

        Raises BadInput for a log whose rows up to there are not those that the checkpoint was written with.
        """
        if self.out is None:
            return
        if (latest := latest_checkpoint(self.out / "checkpoints")) is not None:
            self.state |= restore_checkpoint(latest, self.model, self.optimizer)
            self.step = self.state.pop("step")
            check_record(self.out, latest, self.state)
        self.state["record"] = record_digest(self.out)
        logs = self.state.pop("logs", None)  # none of an earlier version
        self.processes.wait_for_everyone()
        for path in (self.out / log for log in self.logs if self.processes.is_main_process):
            kept = 0
            for end, row in each_row(path):
                if type(row.get("step")) is not int:
                    raise BadInput(f"{path}: a row without a step; {_PUT_BACK}")
                kept = end if 0 < self.step >= row["step"] else kept
            if logs is not None and [kept, checksum(path, 0, kept)] != logs.get(path.name, [0, 0]):
                raise BadInput(
                    f"{path}: not as it was when the checkpoint of step {self.step} was written; {_PUT_BACK}"
                )
            cut_at(path, kept)

    def _over_processes(self, sums: dict[str, float]) -> dict[str, float]:
        """Make every process's gradient the sum of all; the sums of what was told of the parts."""
        if self.processes.num_processes == 1:
            return sums
        from accelerate.utils import reduce

        for p in self.trained:  # a process without parts gives zeros
            p.grad = reduce(torch.zeros_like(p) if p.grad is None else p.grad, "sum")
        told = self.gathered([sums])
        return {name: sum(s.get(name, 0.0) for s in told) for name in dict.fromkeys(n for s in told for n in s)}

    def _check_weights(self) -> None:
        """Raise FloatingPointError before weights that are no numbers are kept."""
        if not all(bool(p.isfinite().all()) for p in self.trained):
            raise FloatingPointError(f"the weights are not finite after step {self.step}: lower the learning rate")


def processes() -> Any:
    """accelerate's state: which of how many processes this is, and its device.

    Raises ImportError where accelerate is not installed.
    """
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise ImportError("training needs the package accelerate: pip install 'stepbeam[train]'") from error
    return PartialState(cpu=not torch.cuda.is_available())


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeded random generators inside, and the caller's afterwards."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


def device_of(config: TrainConfig) -> torch.device:
    """What is trained on.

    Raises ValueError for a device that is not there, and where several processes were started.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is 'cuda', and there is none: use 'cpu' or 'auto'")
    if (count := processes().num_processes) > 1:
        raise ValueError(f"{count} processes were started: train in one, on one device")
    cpu = config.device == "cpu" or not torch.cuda.is_available()
    return torch.device("cpu") if cpu else torch.device(processes().device)
