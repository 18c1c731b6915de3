"""Load a model and its tokenizer from a folder or a hub, with errors of one line."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from policies.models.engine_options import DType, dtype_for
from policies.models.sources import source_of
from policies.models.tensors import json_of
from verifiers.interface.errors import first_line

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json", "spiece.model")


def load_pretrained(
    name: str | Path,
    *,
    auto_class: Any = AutoModelForCausalLM,
    kind: str = "model",
    dtype: DType = "auto",
    device: str = "auto",
    fresh: Collection[str] = (),
    labels: int | None = None,
) -> tuple[Any, Any]:
    """A model of one of transformers' classes and its tokenizer, from a folder with safetensors or by hub name.

    `dtype="auto"` is that of the checkpoint (float16 becomes float32 on a CPU); `device="auto"` is CUDA
    where there is one. The weights named in `fresh` may be missing and are then zeros; `labels` are the outputs of
    a classifier's head. Nothing is unpickled and no code of the repository is run.

    Raises FileNotFoundError or ValueError, in one line that names the folder and what it lacks; `kind` is what the
    line calls the model.
    """
    source = checked_source(name, kind)
    device = device_of(device)
    config, tokenizer = load_config(source, kind), load_tokenizer(source, kind)
    if labels is not None:
        config.num_labels = labels
    with _errors_of_one_line(source, kind):
        model, info = auto_class.from_pretrained(
            source,
            config=config,
            dtype=getattr(torch, dtype_for(dtype, config, device)),
            use_safetensors=True,
            trust_remote_code=False,  # unsaid, transformers would stop and ask
            output_loading_info=True,
        )
    missing = sorted(info["missing_keys"])
    if lacking := [key for key in missing if key not in fresh]:
        raise ValueError(f"{source!r} holds no trained {kind}: its weights lack {', '.join(lacking[:3])}")
    with torch.no_grad():
        for key in missing:
            model.get_parameter(key).zero_()
    return model.to(device).eval(), tokenizer


def checked_source(name: str | Path, kind: str = "model") -> str:
    """A folder's path, looked into for what a model needs, or a hub name; raises as `load_pretrained`."""
    source = source_of(name, kind)
    folder = Path(source)
    if not folder.is_dir():
        return source
    if not any((folder / file).is_file() for file in ("config.json", "adapter_config.json")):
        raise FileNotFoundError(f"{folder}: no config.json, so this is not a transformers model folder")
    if not any(folder.glob("*.safetensors")):
        raise FileNotFoundError(
            f"{folder}: no weights (*.safetensors): load what it has where you trust it, and save that with "
            "save_pretrained"
        )
    if not any((folder / file).is_file() for file in _TOKENIZER_FILES):
        raise FileNotFoundError(f"{folder}: no tokenizer (tokenizer.json): save it with tokenizer.save_pretrained")
    return source


def load_config(source: str, kind: str = "model") -> Any:
    """A model's config; that of an adapter, which has none, is its base model's."""
    with _errors_of_one_line(source, kind):
        adapter = json_of(source, "adapter_config.json")
        base = source if adapter is None else adapter["base_model_name_or_path"]
        return AutoConfig.from_pretrained(base, trust_remote_code=False)


def load_tokenizer(source: str, kind: str = "model") -> Any:
    """A model's tokenizer."""
    with _errors_of_one_line(source, kind):
        return AutoTokenizer.from_pretrained(source, trust_remote_code=False)


def check_kind(source: str | Path, config: Any, kind: str) -> dict[str, Any]:
    """A model's `stepbeam` entry; raises ValueError where that says that the model is of another kind."""
    entry = dict(getattr(config, "stepbeam", None) or {})
    if (seen := entry.get("kind", kind)) != kind:
        raise ValueError(f"{str(source)!r} holds a model of kind {seen!r}, not {kind!r}: load it as what it is")
    return entry


def device_of(device: str) -> str:
    """The device that is asked for; "auto" is CUDA where there is one."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


@contextmanager
def _errors_of_one_line(source: str, kind: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        if isinstance(error, OSError) and not Path(source).is_dir():
            raise FileNotFoundError(f"no {kind} at {source!r}: {first_line(error)}") from error
        raise ValueError(f"{source}: transformers could not load it: {first_line(error)}") from error
