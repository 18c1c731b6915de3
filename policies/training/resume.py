"""Checkpoints of a Trainer that appear whole or not at all, in safetensors and JSON."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file, save_file


class State(Protocol):
    """Where a training stands: transformers' TrainerState, or one like it."""

    @property
    def global_step(self) -> int: ...

    def save_to_json(self, json_path: str) -> None: ...


_NAME = re.compile(r"step-(\d+)")
_STATE = "trainer_state.json"  # where transformers' Trainer looks for it


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the latest step, None where there is none; a half-written one has another name."""
    found = {int(match[1]): path for path in folder.glob("step-*") if (match := _NAME.fullmatch(path.name))}
    return found[max(found)] if found else None


def write_checkpoint(folder: Path, model: Any, optimizer: Any, scheduler: Any, state: State) -> None:
    """Write all that the rest of a training depends on, then give it its name in one move and drop older ones."""
    draft = folder / ".draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    save_file(_trained(model), draft / "weights.safetensors")
    saved = optimizer.state_dict()
    moments = {f"{i}.{key}": v for i, moment in saved["state"].items() for key, v in moment.items()}
    save_file({key: value.detach().contiguous() for key, value in moments.items()}, draft / "optimizer.safetensors")
    save_file(_randomness(), draft / "randomness.safetensors")
    schedule = {"groups": saved["param_groups"], "scheduler": scheduler.state_dict()}
    (draft / "schedule.json").write_text(json.dumps(schedule), encoding="utf-8")
    state.save_to_json(str(draft / _STATE))
    whole = folder / f"step-{state.global_step}"
    shutil.rmtree(whole, ignore_errors=True)
    os.replace(draft, whole)
    for older in folder.glob("step-*"):
        if older != whole:
            shutil.rmtree(older)


def restore_weights(checkpoint: Path, model: Any) -> None:
    """Put a checkpoint's weights into the model."""
    trained, saved = _trained(model), load_file(checkpoint / "weights.safetensors")
    if trained.keys() != saved.keys():
        raise ValueError(f"{checkpoint}: a checkpoint of another model; choose another out, or remove the folder")
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(saved[name])


def restore_optimizer(checkpoint: Path, optimizer: Any, scheduler: Any) -> None:
    """Put a checkpoint's moments and learning rates into the optimizer and its scheduler."""
    schedule = json.loads((checkpoint / "schedule.json").read_text(encoding="utf-8"))
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in load_file(checkpoint / "optimizer.safetensors").items():
        index, _, name = key.partition(".")
        moments.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": moments, "param_groups": schedule["groups"]})
    scheduler.load_state_dict(schedule["scheduler"])


def restore_randomness(checkpoint: Path) -> None:
    """Put torch's random generators where they were."""
    states = load_file(checkpoint / "randomness.safetensors")
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def _trained(model: Any) -> dict[str, torch.Tensor]:
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def _randomness() -> dict[str, torch.Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states
