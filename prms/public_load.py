"""Public PRMs from their published checkpoints: safetensors only, and no code of a repository is run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer

from policies.models.engine_options import EngineChoice, EngineDType, EngineOptions, vllm_options
from policies.models.tensors import json_of, read_tensors, tensor_names
from prms.format_rows import row_builder, token_ids
from prms.formats import PRMFormat
from prms.public import PublicPRM

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load_public(
    name: str, form: PRMFormat, *, dtype: str = "auto", device: str = "auto", engine: EngineChoice = "transformers"
) -> PublicPRM:
    """The PRM of format `form` in a folder or of a hub name.

    `dtype="auto"` is that of the checkpoint (float16 becomes float32 on a CPU); `device="auto"` is
    CUDA where there is one. `engine="vllm"`, or `policies.EngineOptions` (its dtype is this call's), computes the
    body on vLLM's pooling runner, to be stopped with `.backbone.close()`.

    Raises FileNotFoundError where there is no such model or no safetensors, ValueError where its
    weights lack a part that the format needs or its tokenizer is another format's.
    """
    if dtype not in ("auto", *_DTYPES):
        raise ValueError(f"unknown dtype {dtype!r}: use auto or one of {', '.join(_DTYPES)}")
    folder = Path(name)
    if folder.is_dir() and not any(folder.glob("*.safetensors")):
        raise FileNotFoundError(
            f"no PRM in {name!r}: it has no weights (*.safetensors); load what it has where you trust it, "
            "and save that with save_pretrained"
        )
    if (options := vllm_options(engine)) is not None:
        return PublicPRM(*_on_vllm(name, form, dtype, options), form)
    where = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    auto: Any = AutoModelForCausalLM if form.head == "tokens" else AutoModel
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        model, info = auto.from_pretrained(
            name,
            dtype=_dtype(name, dtype, where),
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except OSError as error:
        first = str(error).strip().splitlines()[0]
        raise FileNotFoundError(f"no PRM at {name!r}: {first}") from error
    if info["missing_keys"]:
        missing = ", ".join(sorted(info["missing_keys"])[:3])
        raise ValueError(f"{name!r} is no {form.name!r} model: its weights lack {missing}")
    if form.head == "tokens":
        backbone, head = model.base_model, model.get_output_embeddings()
    else:
        backbone, head = model, _head(name, form, model.config.hidden_size)
    return PublicPRM(backbone.to(where).eval(), head.to(where).eval(), tokenizer, form)


def _on_vllm(name: str, form: PRMFormat, dtype: str, options: EngineOptions) -> tuple[Any, torch.nn.Module, Any]:
    from verifiers.reward_models.vllm_backbone import VLLMBackbone

    if json_of(name, "adapter_config.json") is not None:
        raise ValueError(f"{name!r} is an adapter: merge it into its base model and save that, for vLLM to load it")
    names = tensor_names(name)
    if form.head == "tokens":
        key = next((key for key in ("lm_head.weight", "model.embed_tokens.weight") if key in names), None)
        if key is None:
            raise ValueError(f"{name!r} is no {form.name!r} model: its weights lack lm_head.weight")
        rows = _tensors(name, form, [key])[key]
        head: torch.nn.Module = torch.nn.Linear(rows.shape[1], rows.shape[0], bias=False)
        head.load_state_dict({"weight": rows.float()})
    else:
        head = _head(name, form, AutoConfig.from_pretrained(name, trust_remote_code=False).hidden_size)
    tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    if form.head == "tokens":
        token_ids(tokenizer, form)
    row_builder(tokenizer, form)  # a tokenizer of another format is found before the engine is started
    wanted = _dtype(name, dtype, "cuda" if torch.cuda.is_available() else "cpu")
    words: dict[torch.dtype, EngineDType] = {torch.bfloat16: "bfloat16", torch.float16: "float16"}
    return VLLMBackbone(name, replace(options, dtype=words.get(wanted, "float32"))), head.eval(), tokenizer


def _dtype(name: str, dtype: str, where: str) -> torch.dtype:
    if dtype != "auto":
        return _DTYPES[dtype]
    # An adapter's repository has no config of its own; its base model's is the one that counts.
    adapter = json_of(name, "adapter_config.json")
    source = name if adapter is None else adapter["base_model_name_or_path"]
    found: torch.dtype = AutoConfig.from_pretrained(source, trust_remote_code=False).dtype or torch.float32
    return torch.float32 if found is torch.float16 and where == "cpu" else found


def _head(name: str, form: PRMFormat, width: int) -> torch.nn.Module:
    """The head on top of the hidden states, in float32: two logits or one."""
    if form.head == "classes":
        # Qwen2ForProcessRewardModel in the checkpoint's modeling file: Linear, ReLU, Linear to two labels.
        prefix = "score"
        layers: list[torch.nn.Module] = [torch.nn.Linear(width, width), torch.nn.ReLU(), torch.nn.Linear(width, 2)]
        head: torch.nn.Module = torch.nn.Sequential(*layers)
    else:
        prefix, head = "v_head.summary", torch.nn.Linear(width, 1)
    names = {own: f"{prefix}.{own}" for own in head.state_dict()}
    found = _tensors(name, form, list(names.values()))
    wrong = [n for own, n in names.items() if found[n].shape != head.state_dict()[own].shape]
    if wrong:
        raise ValueError(f"{name!r} is no {form.name!r} model: its {wrong[0]} has shape {tuple(found[wrong[0]].shape)}")
    head.load_state_dict({own: found[n].float() for own, n in names.items()})
    return head


def _tensors(name: str, form: PRMFormat, keys: list[str]) -> dict[str, torch.Tensor]:
    try:
        return read_tensors(name, keys)
    except KeyError as error:
        raise ValueError(f"{name!r} is no {form.name!r} model: its weights lack {error.args[0]}") from None
