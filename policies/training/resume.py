"""Checkpoints of a training that appear whole or not at all, in safetensors and JSON."""

import json
import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from policies.models.checkpoint import is_file
from verifiers.interface.checksums import file_checksum
from verifiers.interface.digests import digest_of
from verifiers.interface.errors import BadInput, MissingInput, first_line
from verifiers.interface.files import read_record, replacing
from verifiers.interface.lines import read_line, sealed_line

_NAME = re.compile(r"step-(\d+)")
_LATER = ("finished", "planned_steps")  # written into a record that is begun
_TO_DO = "copy the checkpoint again, or remove it, and the training goes on from the one before, or begins anew"


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the latest step, None where there is none; a half-written one has another name."""
    return max((path for path in folder.glob("step-*") if _NAME.fullmatch(path.name)), key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    """The step that a checkpoint's name tells."""
    return int(checkpoint.name.removeprefix("step-"))


def write_checkpoint(
    folder: Path, model: Any, optimizer: torch.optim.Optimizer, step: int, state: Mapping[str, object]
) -> None:
    """Write all that the rest of a training depends on, then give it its name in one move.

    `state` is what the training keeps beside weights, moments and random generators. Raises OSError where the disk
    is full; the checkpoint before is then still whole.
    """
    moments = {f"{i}.{k}": v for i, kept in optimizer.state_dict()["state"].items() for k, v in kept.items()}
    moments = {key: value.detach().contiguous() for key, value in moments.items()}
    whole = folder / f"step-{step}"
    try:
        with replacing(whole) as draft:
            draft.mkdir(parents=True)
            files = {"weights": _trained(model), "optimizer": moments, "randomness": _randomness()}
            for name, tensors in files.items():
                save_file(tensors, draft / f"{name}.safetensors")
            sums = {path.name: file_checksum(path) for path in sorted(draft.iterdir())}
            line = sealed_line(json.dumps({"step": step, **state, "files": sums}) + "\n")
            (draft / "state.json").write_text(line, encoding="utf-8")
    except OSError as error:
        raise OSError(
            f"{folder}: the checkpoint of step {step} could not be written ({error}); the one before it is whole, and "
            "the same call goes on from there"
        ) from error


def drop_checkpoints(folder: Path, *, keep_last: int = 1, keep: Collection[int] = ()) -> None:
    """Remove all but the latest checkpoints, those of the steps to `keep`, and what killed writes have left."""
    steps = sorted(int(match[1]) for path in folder.glob("step-*") if (match := _NAME.fullmatch(path.name)))
    kept = {f"step-{step}" for step in (*steps[-keep_last:], *keep)}
    for path in folder.glob("*step-*"):
        if path.name not in kept:
            shutil.rmtree(path)


def restore_checkpoint(checkpoint: Path, model: Any, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Put weights, moments and torch's random generators where they were; the step, and the rest of the state.

    Raises BadInput for a checkpoint of another model, and for a file of it that is gone or damaged.
    """
    state = read_state(checkpoint)
    if state.get("step") != step_of(checkpoint):
        raise BadInput(f"{checkpoint / 'state.json'}: its step is {state.get('step')!r}; {_TO_DO}")
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in _tensors(checkpoint, "optimizer.safetensors", state).items():
        index, _, name = key.partition(".")
        moments.setdefault(int(index), {})[name] = value
    generators = _tensors(checkpoint, "randomness.safetensors", state)
    restore_weights(checkpoint, model, state)
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    torch.set_rng_state(generators["cpu"])
    if "cuda" in generators and torch.cuda.is_available():
        torch.cuda.set_rng_state(generators["cuda"])
    state.pop("files", None)
    return state


def restore_weights(checkpoint: Path, model: Any, state: Mapping[str, Any]) -> None:
    """Put the weights that are trained where they were; BadInput where the checkpoint is damaged, or of others."""
    trained, saved = _trained(model), _tensors(checkpoint, "weights.safetensors", state)
    if {name: p.shape for name, p in trained.items()} != {name: p.shape for name, p in saved.items()}:
        raise BadInput(f"{checkpoint}: its weights are not those of this base; give the base that it began from")
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(saved[name])


def read_state(checkpoint: Path) -> dict[str, Any]:
    """What a checkpoint keeps beside its tensors; BadInput where that is damaged."""
    path = _file(checkpoint, "state.json")
    line = path.read_bytes()
    try:
        return read_line(line, sealed=b'"crc"' in line)  # which an earlier version did not write
    except ValueError as error:
        raise BadInput(f"{path}: {error}; {_TO_DO}") from None


def record_digest(training: Path) -> str | None:
    """What tells a training's record from one that was changed; None where it has none."""
    path = training / "training.json"
    if not path.exists():
        return None
    return digest_of([{name: value for name, value in read_record(path).items() if name not in _LATER}])


def check_record(training: Path, checkpoint: Path, state: Mapping[str, Any]) -> None:
    """Raise BadInput where a training's record is not what it was when the checkpoint of this state was written."""
    if state.get("record") not in (None, record_digest(training)):  # None: of an earlier version
        raise BadInput(
            f"{training / 'training.json'}: changed since {checkpoint} was written; put a whole copy in its place"
        )


def _tensors(checkpoint: Path, name: str, state: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The tensors in a file of a checkpoint; BadInput where they are not those that its state was written with."""
    path = _file(checkpoint, name)
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise BadInput(f"{path}: not whole safetensors ({first_line(error)}); {_TO_DO}") from None
    if "files" in state and state["files"].get(name) != file_checksum(path):  # an earlier version says nothing of them
        raise BadInput(f"{path}: not as it was written; {_TO_DO}")
    return tensors


def _file(checkpoint: Path, name: str) -> Path:
    """A file of a checkpoint, and no pipe, which would wait."""
    if not is_file(checkpoint / name):
        raise MissingInput(f"{checkpoint / name}: no such file; {_TO_DO}")
    return checkpoint / name


def _trained(model: Any) -> dict[str, torch.Tensor]:
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def _randomness() -> dict[str, torch.Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states
