"""The model of a kept checkpoint, as the end of its training would have written it."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import torch

from policies.models.engine_options import DType
from policies.models.pretrained import load_pretrained
from policies.models.tensors import json_of
from policies.training.base import add_lora, load_base
from policies.training.config import TrainConfig
from policies.training.folder import base_digest, save_merged
from policies.training.resume import restore_weights
from verifiers.interface.errors import BadInput
from verifiers.interface.files import read_record, replacing

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
    checkpoint, and for one of another base.
    """
    training = checkpoint.resolve().parent.parent
    if not is_checkpoint(checkpoint) or not (training / "training.json").is_file():
        raise BadInput(f"{checkpoint}: not a checkpoint; give TRAINING/checkpoints/step-N")
    record = read_record(training / "training.json")
    if record.get("base") not in ("", base_digest(base)):  # nothing of one that was made in memory
        raise BadInput(
            f"{checkpoint}: its training did not begin from {fspath(base)}; give the base that it began from"
        )
    given = record["config"]
    lora = {name: given[name] for name in ("lora_rank", "lora_alpha", "lora_targets", "bf16") if name in given}
    config = TrainConfig(**{**lora, "lora_targets": tuple(lora.get("lora_targets", ()))})
    model, tokenizer = _base(record["kind"], base, config)
    updates = add_lora(model, config)
    _restore(checkpoint, model, updates)
    if updates is not None and record["kind"] != "grpo":  # a policy's updates are merged as it is
        updates.float()
    of_a_policy = record["kind"] == "grpo"
    entry = None if of_a_policy else _entry(training, record)
    dtype = None if of_a_policy else getattr(torch, given.get("save_dtype", "float32"))
    with replacing(out) as draft:
        save_merged(model, updates, tokenizer, draft, entry=entry, dtype=dtype)
    return out


def _entry(training: Path, record: Mapping[str, Any]) -> Mapping[str, object]:
    """What a scorer's config.json says of it: of a finished training what its model says."""
    known = json_of(str(training), "config.json") or {}
    return known.get("stepbeam") or {name: value for name, value in record.items() if name not in _NOT_OF_THE_MODEL}


def _base(kind: str, base: str | PathLike[str], config: TrainConfig) -> tuple[Any, Any]:
    import transformers

    if kind == "grpo":
        dtype: DType = "auto" if config.lora_rank else "float32"  # as it was trained
        return load_pretrained(base, auto_class=transformers.AutoModelForCausalLM, dtype=dtype, device="cpu")

    of_rewards = {
        "orm": transformers.AutoModelForSequenceClassification,
        "prm": transformers.AutoModelForTokenClassification,
    }
    if kind in of_rewards:
        return load_base(of_rewards[kind], base, config, fresh=("score.weight", "score.bias"), labels=1)
    return load_base(transformers.AutoModelForCausalLM, base, config)


def _restore(checkpoint: Path, model: Any, updates: Any) -> None:
    """Put the trained weights where they were."""
    if updates is None:
        model.requires_grad_(True)
    restore_weights(checkpoint, model)
