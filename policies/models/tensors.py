"""Single tensors of a checkpoint, and a copy of it without its head; safetensors only."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils.hub import cached_file

from policies.models.checkpoint import INDEX, ONE_FILE, check_tensors, is_file, read_object, weight_map
from verifiers.interface.errors import BadInput


def tensor_names(name: str) -> dict[str, str]:
    """Each tensor of the checkpoint in a folder or of a hub name, and the file that holds it; empty without weights.

    Raises BadInput for an index that names anything but safetensors beside it.
    """
    path = file_of(name, ONE_FILE)  # which goes before an index, as transformers chooses
    if path is not None:
        return dict.fromkeys(check_tensors(path), ONE_FILE)
    index = json_of(name, INDEX)
    return {} if index is None else weight_map(index, f"{name}/{INDEX}")


def read_tensors(name: str, keys: Sequence[str]) -> dict[str, torch.Tensor]:
    """The tensors of these names; raises KeyError with the name of the first that the checkpoint lacks.

    Raises BadInput for a file that is no safetensors, and one that lacks what its index says.
    """
    files = tensor_names(name)
    tensors: dict[str, torch.Tensor] = {}
    for key in keys:
        path = file_of(name, files[key])
        if path is None or key not in check_tensors(path):
            raise BadInput(
                f"{name}/{INDEX}: it says that {key} is in {files[key]}, which is not so: save the model again"
            )
        with safe_open(path, framework="pt") as file:
            tensors[key] = file.get_tensor(key)
    return tensors


def copy_without_head(name: str, config: Any, heads: Sequence[str], out: Path) -> Path:
    """A checkpoint in `out` without the tensors whose names begin as one of `heads` says, as a causal LM's body."""
    files = tensor_names(name)
    kept = {key: file for key, file in files.items() if not key.startswith(tuple(heads))}
    for file in dict.fromkeys(kept.values()):
        path = file_of(name, file)
        assert path is not None  # a tensor is in it
        if all(key in kept for key in files if files[key] == file):
            (out / file).symlink_to(Path(path).resolve())
            continue
        with safe_open(path, framework="pt") as source:
            # One file at a time: a model of many gigabytes is never held whole.
            save_file({key: source.get_tensor(key) for key in kept if kept[key] == file}, out / file, {"format": "pt"})
    if set(kept.values()) != {ONE_FILE}:
        index = {"metadata": {}, "weight_map": kept}
        (out / INDEX).write_text(json.dumps(index), encoding="utf-8")
    body = config.to_dict() | {"architectures": [MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[config.model_type]]}
    body.pop("auto_map", None)  # a head's own code, which is never run
    (out / "config.json").write_text(json.dumps(body, default=str), encoding="utf-8")
    return out


def json_of(name: str, file: str) -> dict[str, Any] | None:
    """A JSON object in a file of a folder or a hub name, None where it has no such file.

    Raises BadInput for anything else in it.
    """
    path = file_of(name, file)
    return None if path is None else read_object(path)


def file_of(name: str, file: str) -> str | None:
    """Where a file of a folder or a hub name lies, None where it has no such file."""
    if os.path.isdir(name):
        return str(Path(name, file)) if is_file(Path(name, file)) else None
    try:
        path: str | None = cached_file(name, file)
    except (OSError, ValueError):  # it has no such file, or cannot be a hub's name
        return None
    return path
