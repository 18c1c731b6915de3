"""The shape of the tiny models, and how they are written: ordinary Llama folders in bfloat16."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, LlamaForTokenClassification

from bench.tiny.making.lm import Log
from bench.tiny.worlds.tokenizer import BOS, EOS, PAD, VOCABULARY, build_tokenizer

HEADS: dict[str, Any] = {"orm": LlamaForSequenceClassification, "prm": LlamaForTokenClassification}


def new_config() -> LlamaConfig:
    """About 0.87M parameters, which two cores train in minutes.

    >>> new_config().hidden_size
    128
    """
    return LlamaConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
    )


def new_policy(seed: int) -> LlamaForCausalLM:
    """An untrained language model."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(new_config())


def new_reward_model(kind: str, body: torch.nn.Module | None, seed: int) -> Any:
    """A reward model with one output; its body's weights are copied from `body`, where given."""
    torch.manual_seed(seed)
    config = new_config()
    config.num_labels = 1
    model = HEADS[kind](config)
    if body is not None:
        model.model.load_state_dict(body.state_dict())
    # An untrained head of zeros says 0.5 everywhere, so the first steps do not tear the body up.
    torch.nn.init.zeros_(model.score.weight)
    return model


def save(model: Any, folder: Path, entry: Mapping[str, object] | None = None, *, dtype: torch.dtype) -> None:
    """Write weights, configuration and tokenizer; `entry` becomes the `stepbeam` entry of config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = model.dtype
    if entry is not None:
        model.config.stepbeam = dict(entry)
    model.to(dtype).save_pretrained(folder)
    model.to(kept)
    build_tokenizer().save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors writes files that others may not read


def ship(draft: Path, where: Path, log: Log) -> None:
    """Take over a finished training: its model with our tokenizer into `where`, and its losses into the log."""
    for line in (draft / "log.jsonl").read_text(encoding="utf-8").splitlines():
        log({"stage": where.name, **json.loads(line)})
    where.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "generation_config.json", "model.safetensors"):
        if (draft / name).exists():
            shutil.copy(draft / name, where / name)
    build_tokenizer().save_pretrained(where)
