"""What a model's folder holds, looked at before a loader: a fault is named with its file, and nothing is unpickled."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open

from verifiers.interface.errors import BadInput, MissingInput, first_line

ONE_FILE, INDEX = "model.safetensors", "model.safetensors.index.json"
ADAPTER, ADAPTER_CONFIG = "adapter_model.safetensors", "adapter_config.json"
TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json", "spiece.model")
_SETTINGS = (
    "config.json",
    ADAPTER_CONFIG,
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
)
_SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
    "num_labels",
)
_DROPOUTS = ("dropout", "_pdrop")  # how keys of shares end, which only a training reads
_WIDTHS = ("vocab_size", "hidden_size", "intermediate_size", "head_dim")  # of matrices whose other side is hidden_size
_WHOLE = ("BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64")
_LARGEST = 1 << 63  # an integer that torch can hold
_AGAIN = "save the model again"


def check_folder(folder: Path) -> None:
    """Raise BadInput where a loader would fail on the folder, unpickle one of its files, or look beside it.

    Raises MissingInput where it lacks a config, weights in safetensors or a tokenizer.
    """
    if not os.access(folder, os.R_OK | os.X_OK):
        raise BadInput(f"{folder}: it may not be read: change its permissions, or give another folder")
    settings = {file: read_object(folder / file) for file in _SETTINGS if is_file(folder / file)}
    is_file(folder / "chat_template.jinja")
    for file in ("config.json", "generation_config.json"):
        ends = settings.get(file, {}).get("eos_token_id")
        if any(
            type(i) is not int or i < 0 for i in ([] if ends is None else ends if isinstance(ends, list) else [ends])
        ):
            raise BadInput(
                f"{folder / file}: its eos_token_id is {_shown(ends)}: it must be a token's id or a list of them"
            )
        for key, value in settings.get(file, {}).items():
            if _too_large(value):
                raise BadInput(
                    f"{folder / file}: its {key} has an integer of 64 bits or more, which no model can have: {_AGAIN}"
                )
    if "config.json" not in settings and ADAPTER_CONFIG not in settings:
        raise MissingInput(f"{folder}: no config.json, so this is not a transformers model folder")
    elements, tensors = 0, 0
    for file in weight_files(folder):
        for name, shape, dtype in _tensors(folder / file):
            elements, tensors = elements + math.prod(shape), tensors + 1
            if (
                name.endswith("weight")
                and dtype in _WHOLE
                and "quantization_config" not in settings.get("config.json", {})
            ):
                raise BadInput(
                    f"{folder / file}: its {name} are whole numbers ({dtype}), and its config.json has no "
                    f"quantization_config: {_AGAIN}"
                )
    if not [file for file in TOKENIZERS if is_file(folder / file)]:
        if "config.json" not in settings:
            raise MissingInput(
                f"{folder}: low-rank updates alone, without a tokenizer: give the folder of the model that they are "
                "merged into, or save the base's tokenizer here"
            )
        raise MissingInput(f"{folder}: no tokenizer (tokenizer.json): save it with tokenizer.save_pretrained")
    if ADAPTER_CONFIG not in settings:
        _check_config(folder / "config.json", settings["config.json"], elements, tensors)


def weight_files(folder: Path) -> list[str]:
    """The folder's files of weights, in the order in which transformers chooses: one, or those of an index.

    Raises MissingInput where there is none or one of the index's is not there, BadInput for one that is no
    safetensors or lies elsewhere.
    """
    adapter = is_file(folder / ADAPTER_CONFIG)
    one = ADAPTER if adapter else ONE_FILE
    if is_file(folder / one):
        return [one]
    if adapter or not is_file(folder / INDEX):
        raise MissingInput(
            f"{folder}: no weights (*.safetensors): there is no {one}; load what it has where you trust it, and save "
            "that with save_pretrained"
        )
    files = list(dict.fromkeys(weight_map(read_object(folder / INDEX), folder / INDEX).values()))
    for file in files:
        if not is_file(folder / file):
            raise MissingInput(f"{folder / file}: no such file, and {INDEX} names it: copy it there, or {_AGAIN}")
    return files


def weight_map(index: Mapping[str, Any], where: Path | str) -> dict[str, str]:
    """Each tensor of an index and the file beside it that holds it; raises BadInput for any other file."""
    named = index.get("weight_map")
    if not isinstance(named, dict) or not named or not all(isinstance(file, str) for file in named.values()):
        raise BadInput(f"{where}: no weight_map from tensors to files in it: {_AGAIN}")
    for file in dict.fromkeys(named.values()):
        if not file.endswith(".safetensors"):
            raise BadInput(f"{where}: it names {file!r}, and only *.safetensors are read: {_AGAIN} as safetensors")
        if file != os.path.basename(file) or "\\" in file or "\0" in file:
            raise BadInput(f"{where}: it names {file!r}, which is not a file beside it: {_AGAIN}")
    return dict(named)


def is_file(path: Path) -> bool:
    """Whether there is a file; raises BadInput where something else is, or it may not be read."""
    if not os.path.lexists(path):
        return False
    if not os.path.exists(path):
        raise BadInput(f"{path}: a link that leads nowhere: copy the file there, or remove the link")
    if not os.path.isfile(path):
        what = "a folder" if os.path.isdir(path) else "a pipe or a device"
        raise BadInput(f"{path}: {what}, where a file is needed: {_AGAIN}")
    if not os.access(path, os.R_OK):
        raise BadInput(f"{path}: it may not be read: change its permissions")
    return True


def read_object(path: Path | str) -> dict[str, Any]:
    """A file's JSON object; raises BadInput where it holds anything else."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: not JSON ({first_line(error)}): {_AGAIN}") from None
    if not isinstance(value, dict):
        raise BadInput(f"{path}: JSON of the type {type(value).__name__}, where an object is needed: {_AGAIN}")
    return value


def check_tensors(path: Path | str) -> list[str]:
    """The names of a safetensors file's tensors; raises BadInput where its header or its length is wrong."""
    try:
        with safe_open(path, framework="pt") as file:
            return list(file.keys())
    except Exception as error:  # SafetensorError, OSError, and what the header makes torch raise
        raise BadInput(f"{path}: not whole safetensors ({first_line(error)}): copy it again, or {_AGAIN}") from error


def _tensors(path: Path) -> list[tuple[str, list[int], str]]:
    """Name, shape and type of each of a file's tensors."""
    names = check_tensors(path)
    with safe_open(path, framework="pt") as file:
        parts = [file.get_slice(name) for name in names]
        return [(name, part.get_shape(), part.get_dtype()) for name, part in zip(names, parts, strict=True)]


def _shown(value: object) -> str:
    """A value of a config for a message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _too_large(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_too_large, value.values()))
    return any(map(_too_large, value)) if isinstance(value, list) else isinstance(value, int) and abs(value) >= _LARGEST


def _check_config(path: Path, config: Mapping[str, Any], elements: int, tensors: int) -> None:
    """Raise BadInput for sizes that are none, or that the weights cannot have: building them could take all memory."""
    if not isinstance(config.get("model_type"), str):
        raise BadInput(f"{path}: its model_type is {_shown(config.get('model_type'))}: it must name an architecture")
    for key, kind, named in (
        ("architectures", list, "a list of names"),
        ("stepbeam", dict, "an object"),
        *((f"stepbeam.{inner}", str, "a text") for inner in ("kind", "target", "separator")),
        ("dtype", str, "a name"),
        ("torch_dtype", str, "a name"),
    ):
        outer, _, inner = key.partition(".")
        value = (config.get(outer) or {}).get(inner) if inner else config.get(outer)
        if value is not None and not isinstance(value, kind):
            raise BadInput(f"{path}: its {key} is {_shown(value)}: it must be {named}")
    if not all(isinstance(name, str) for name in config.get("architectures") or ()):
        raise BadInput(f"{path}: its architectures are {_shown(config['architectures'])}: they must be names")
    if (explicit := config.get("transformers_weights")) is not None:
        raise BadInput(f"{path}: its transformers_weights are {_shown(explicit)}: only {ONE_FILE} and {INDEX} are read")
    texts = [part for part in (config, config.get("text_config")) if isinstance(part, dict)]
    for key, value in ((key, part[key]) for part in texts for key in _SIZES if part.get(key) is not None):
        if any(type(n) is not int or not 0 < n < 1 << 31 for n in (value if isinstance(value, list) else [value])):
            raise BadInput(f"{path}: its {key} is {_shown(value)}: it must be a whole number of 1 or more")
    for key, value in ((key, value) for part in texts for key, value in part.items() if key.endswith(_DROPOUTS)):
        if value is not None and (not isinstance(value, int | float) or not 0 <= value <= 1):
            raise BadInput(f"{path}: its {key} is {_shown(value)}: it must be a number from 0 to 1")
    packed = "quantization_config" in config  # several weights in one element
    for part in texts:
        width, layers = part.get("hidden_size"), part.get("num_hidden_layers")
        if isinstance(layers, int) and layers > tensors:
            raise BadInput(f"{path}: its num_hidden_layers is {layers}, and the weights are {tensors} tensors")
        for key in _WIDTHS:
            size = part.get(key)
            if not packed and isinstance(size, int) and isinstance(width, int) and size * width > elements:
                raise BadInput(
                    f"{path}: its {key} is {size} at hidden_size {width}, and all weights together are {elements} "
                    f"numbers: {_AGAIN}"
                )
