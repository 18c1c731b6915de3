"""Single tensors of a checkpoint, and a copy of it without its head; safetensors only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils.hub import cached_file

_ONE_FILE = "model.safetensors"


def tensor_names(name: str) -> dict[str, str]:
    """Each tensor of the checkpoint in a folder or of a hub name, and the file that holds it; empty without weights."""
    index = json_of(name, "model.safetensors.index.json")
    if index is not None:
        return dict(index["weight_map"])
    path = _file(name, _ONE_FILE)
    if path is None:
        return {}
    with safe_open(path, framework="pt") as file:
        return dict.fromkeys(file.keys(), _ONE_FILE)


def read_tensors(name: str, keys: Sequence[str]) -> dict[str, torch.Tensor]:
    """The tensors of these names; raises KeyError with the name of the first that the checkpoint lacks."""
    files = tensor_names(name)
    tensors: dict[str, torch.Tensor] = {}
    for key in keys:
        path = _file(name, files[key])
        with safe_open(path, framework="pt") as file:
            tensors[key] = file.get_tensor(key)
    return tensors


def copy_without_head(name: str, config: Any, heads: Sequence[str], out: Path) -> Path:
    """A checkpoint in `out` without the tensors whose names begin as one of `heads` says, as a causal LM's body."""
    files = tensor_names(name)
    kept = {key: file for key, file in files.items() if not key.startswith(tuple(heads))}
    for file in dict.fromkeys(kept.values()):
        path = _file(name, file)
        assert path is not None  # a tensor is in it
        if all(key in kept for key in files if files[key] == file):
            (out / file).symlink_to(Path(path).resolve())
            continue
        with safe_open(path, framework="pt") as source:
            # One file at a time: a model of many gigabytes is never held whole.
            save_file({key: source.get_tensor(key) for key in kept if kept[key] == file}, out / file, {"format": "pt"})
    if set(kept.values()) != {_ONE_FILE}:
        index = {"metadata": {}, "weight_map": kept}
        (out / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    body = config.to_dict() | {"architectures": [MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[config.model_type]]}
    body.pop("auto_map", None)  # a head's own code, which is never run
    (out / "config.json").write_text(json.dumps(body, default=str), encoding="utf-8")
    return out


def json_of(name: str, file: str) -> Any:
    """A JSON file of a folder or a hub name, None where it has no such file."""
    path = _file(name, file)
    return None if path is None else json.loads(Path(path).read_text(encoding="utf-8"))


def _file(name: str, file: str) -> str | None:
    try:
        path: str | None = cached_file(name, file)
    except OSError:  # it has no such file
        return None
    return path
