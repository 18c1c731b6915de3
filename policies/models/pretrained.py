"""Load a model and its tokenizer from a folder or a hub, with errors of one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json", "spiece.model")


def load_pretrained(
    name: str | Path, *, dtype: Literal["auto", "float32", "bfloat16"] = "auto", device: str = "auto"
) -> tuple[PreTrainedModel, Any]:
    """A causal LM and its tokenizer, from a folder with safetensors or by hub name.

    `dtype="auto"` is that of the checkpoint (float16 becomes float32 on a CPU); `device="auto"` is CUDA
    where there is one. Nothing is unpickled and no code of the repository is run.

    Raises FileNotFoundError or ValueError, in one line that names the folder and what it lacks.
    """
    if dtype != "auto" and dtype not in _DTYPES:
        raise ValueError(f"dtype is {dtype!r}: use 'auto', {', '.join(map(repr, _DTYPES))}")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    source = source_of(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        wanted = _DTYPES.get(dtype) or getattr(config, "dtype", None) or torch.float32
        if wanted is torch.float16 and device == "cpu":
            wanted = torch.float32
        model: Any = AutoModelForCausalLM.from_pretrained(
            source, config=config, dtype=wanted, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError) as error:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ValueError(f"{source}: transformers could not load it: {first}") from error
    return model.to(device).eval(), tokenizer


def source_of(name: str | Path) -> str:
    """A folder's path, looked into for what a model needs, or a hub name; raises as `load_pretrained`."""
    source = str(name)
    folder = Path(source).expanduser()
    if folder.exists():
        _check_folder(folder)
        return str(folder)
    if source.startswith((".", "/", "~")) or source.count("/") > 1 or isinstance(name, Path):
        raise FileNotFoundError(f"{source}: no such folder (give a folder with a saved model, or a hub name)")
    return source


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise ValueError(f"{folder}: a file, where a folder with a saved model is needed")
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder}: no config.json, so this is not a transformers model folder")
    if not any(folder.glob("*.safetensors")):
        raise FileNotFoundError(f"{folder}: no weights (*.safetensors): save the model with save_pretrained")
    if not any((folder / file).is_file() for file in _TOKENIZER_FILES):
        raise FileNotFoundError(f"{folder}: no tokenizer (tokenizer.json): save it with tokenizer.save_pretrained")
