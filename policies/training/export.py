"""The model of a kept checkpoint, as the end of its training would have written it."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import torch

from policies.models.checkpoint import check_folder
from policies.models.engine_options import DType
from policies.models.pretrained import load_pretrained
from policies.models.tensors import json_of
from policies.training.base import add_lora, load_base
from policies.training.config import TrainConfig
from policies.training.folder import base_digest, save_merged
from policies.training.resume import check_record, read_state, restore_weights
from verifiers.interface.errors import BadInput, first_line
from verifiers.interface.files import read_record, replacing

_OF_THE_MODEL = ("lora_rank", "lora_alpha", "lora_targets", "bf16", "save_dtype")
_CLASSES = {
    "orm": "SequenceClassification",
    "prm": "TokenClassification",
    **dict.fromkeys(("genrm", "dpo", "grpo"), "CausalLM"),
}  # of transformers, by the kind of what was trained
_NOT_OF_THE_MODEL = (
    "base",
    "rows",
    "config",
    "finished",
    "planned_steps",
    "solution_weight",
    "rationales",
    "rehearsal",
)


def is_checkpoint(folder: Path) -> bool:
    """Whether the folder is a checkpoint of a training."""
    return (folder / "weights.safetensors").is_file()


def export_checkpoint(checkpoint: Path, base: str | PathLike[str], out: Path) -> Path:
    """Write the model of `checkpoint`, as in `TRAINING/checkpoints/step-40`, whose training began from `base`.

    Low-rank updates are merged, and stand beside it in `adapter/`. Returns `out`. Raises BadInput for what is no
    checkpoint, for one of another base, and where the training's `training.json` was changed since it was written.
    """
    training = checkpoint.resolve().parent.parent
    if not is_checkpoint(checkpoint) or not (training / "training.json").is_file():
        raise BadInput(f"{checkpoint}: not a checkpoint; give TRAINING/checkpoints/step-N")
    record, config = _read(training / "training.json")
    state = read_state(checkpoint)
    check_record(training, checkpoint, state)
    if record.get("base") not in ("", base_digest(base)):  # nothing of one that was made in memory
        raise BadInput(
            f"{checkpoint}: its training did not begin from {fspath(base)}; give the base that it began from"
        )
    model, tokenizer = _base(record["kind"], base, config)
    updates = add_lora(model, config)
    _restore(checkpoint, model, updates, state)
    if updates is not None and record["kind"] != "grpo":  # a policy's updates are merged as it is
        updates.float()
    of_a_policy = record["kind"] == "grpo"
    entry = None if of_a_policy else _entry(training, record, state)
    dtype = None if of_a_policy else getattr(torch, config.save_dtype)
    with replacing(out) as draft:
        save_merged(model, updates, tokenizer, draft, entry=entry, dtype=dtype)
    return out


def _read(path: Path) -> tuple[dict[str, Any], TrainConfig]:
    """A training's record, and those of its options that a saved model depends on; BadInput where it is damaged."""
    record = read_record(path)
    try:
        given = {name: value for name, value in record["config"].items() if name in _OF_THE_MODEL}
        config = TrainConfig(**given | {"lora_targets": tuple(given.get("lora_targets", ()))})
        _CLASSES[record["kind"]]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadInput(
            f"{path}: damaged ({type(error).__name__}: {first_line(error)}); put a whole copy in its place"
        ) from None
    return record, config


def _entry(training: Path, record: Mapping[str, Any], state: Mapping[str, Any]) -> Mapping[str, object]:
    """What a scorer's config.json says of it; where no checkpoint seals the record, of a finished one as its model."""
    if (training / "config.json").exists():
        check_folder(training)
    known = None if state.get("record") else json_of(str(training), "config.json")
    said = (known or {}).get("stepbeam")
    return said or {name: value for name, value in record.items() if name not in _NOT_OF_THE_MODEL}


def _base(kind: str, base: str | PathLike[str], config: TrainConfig) -> tuple[Any, Any]:
    import transformers

    auto_class = getattr(transformers, f"AutoModelFor{_CLASSES[kind]}")
    if kind == "grpo":
        dtype: DType = "auto" if config.lora_rank else "float32"  # as it was trained
        return load_pretrained(base, auto_class=auto_class, dtype=dtype, device="cpu")
    fresh, labels = (("score.weight", "score.bias"), 1) if kind in ("orm", "prm") else ((), None)
    return load_base(auto_class, base, config, fresh=fresh, labels=labels)


def _restore(checkpoint: Path, model: Any, updates: Any, state: Mapping[str, Any]) -> None:
    """Put the trained weights where they were."""
    if updates is None:
        model.requires_grad_(True)
    restore_weights(checkpoint, model, state)
