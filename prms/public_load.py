"""Public PRMs from their published checkpoints: safetensors only, and no code of a repository is run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from typing import Any

import torch
from transformers import AutoModel, AutoModelForCausalLM

from policies.models.engine_options import DType, EngineChoice, EngineOptions, vllm_options
from policies.models.pretrained import LM_HEADS, checked_source, load_config, load_pretrained, load_tokenizer
from policies.models.tensors import json_of, read_tensors, tensor_names
from prms.format_rows import row_builder, token_ids
from prms.formats import PRMFormat
from prms.public import PublicPRM
from verifiers.interface.errors import BadInput, first_line

_HEADS = (*LM_HEADS, "score.", "v_head.")  # beside a body, of which ours is read on its own


def load_public(
    name: str | PathLike[str],
    form: PRMFormat,
    *,
    dtype: DType = "auto",
    device: str = "auto",
    engine: EngineChoice = "transformers",
) -> PublicPRM:
    """The PRM of format `form` in a folder or of a hub name.

    `dtype="auto"` is that of the checkpoint (float16 becomes float32 on a CPU); `device="auto"` is
    CUDA where there is one. `engine="vllm"`, or `policies.EngineOptions` (its dtype is this call's), computes the
    body on vLLM's pooling runner, to be stopped with `.backbone.close()`.

    Raises FileNotFoundError where there is no such model or no safetensors, ValueError where its
    weights lack a part that the format needs or its tokenizer is another format's.
    """
    source = checked_source(name, "prm")
    if (options := vllm_options(engine)) is not None:
        return PublicPRM(*_on_vllm(source, form, dtype, options), form)
    auto_class: Any = AutoModelForCausalLM if form.head == "tokens" else AutoModel
    model, tokenizer = load_pretrained(
        source,
        auto_class=auto_class,
        kind=f"{form.name!r} prm",
        dtype=dtype,
        device=device,
        unread=() if form.head == "tokens" else _HEADS,
    )
    if form.head == "tokens":
        backbone, head = model.base_model, model.get_output_embeddings()
    else:
        backbone, head = model, _head(source, form, model.config.hidden_size)
    with _of(source):
        return PublicPRM(backbone, head.to(model.device).eval(), tokenizer, form)


@contextmanager
def _of(source: str) -> Iterator[None]:
    """What is wrong with a tokenizer for a format, with its folder's name; a chat template may raise anything."""
    try:
        yield
    except Exception as error:
        said = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {first_line(error)}"
        raise BadInput(f"{source}: {said}") from error


def _on_vllm(source: str, form: PRMFormat, dtype: DType, options: EngineOptions) -> tuple[Any, torch.nn.Module, Any]:
    from verifiers.reward_models.vllm_backbone import VLLMBackbone

    if json_of(source, "adapter_config.json") is not None:
        raise BadInput(f"{source!r} is an adapter: merge it into its base model and save that, for vLLM to load it")
    names = tensor_names(source)
    tokenizer = load_tokenizer(source)
    if form.head == "tokens":
        key = next((key for key in ("lm_head.weight", "model.embed_tokens.weight") if key in names), None)
        if key is None:
            raise BadInput(f"{source!r} is no {form.name!r} model: its weights lack lm_head.weight")
        rows = read_tensors(source, [key])[key]
        head: torch.nn.Module = torch.nn.Linear(rows.shape[1], rows.shape[0], bias=False)
        head.load_state_dict({"weight": rows.float()})
        with _of(source):
            token_ids(tokenizer, form)
    else:
        head = _head(source, form, load_config(source).hidden_size)
    with _of(source):
        row_builder(tokenizer, form)  # a tokenizer of another format is found before the engine is started
    return VLLMBackbone(source, replace(options, dtype=dtype)), head.eval(), tokenizer


def _head(name: str, form: PRMFormat, width: int) -> torch.nn.Module:
    """The head on top of the hidden states, in float32: two logits or one."""
    if form.head == "classes":
        # Qwen2ForProcessRewardModel in the checkpoint's modeling file: Linear, ReLU, Linear to two labels.
        prefix = "score"
        layers: list[torch.nn.Module] = [torch.nn.Linear(width, width), torch.nn.ReLU(), torch.nn.Linear(width, 2)]
        head: torch.nn.Module = torch.nn.Sequential(*layers)
    else:
        prefix, head = "v_head.summary", torch.nn.Linear(width, 1)
    names = {key: f"{prefix}.{key}" for key in head.state_dict()}
    try:
        tensors = read_tensors(name, list(names.values()))
    except KeyError as error:
        raise BadInput(f"{name!r} is no {form.name!r} model: its weights lack {error.args[0]}") from None
    wrong = [full for key, full in names.items() if tensors[full].shape != head.state_dict()[key].shape]
    if wrong:
        shape = tuple(tensors[wrong[0]].shape)
        raise BadInput(f"{name!r} is no {form.name!r} model: its {wrong[0]} has shape {shape}")
    head.load_state_dict({key: tensors[full].float() for key, full in names.items()})
    return head
