"""The tiny generative verifiers: their base, and the stages that make the shipped ones."""

from pathlib import Path
from typing import Any

import torch
from transformers import LlamaForCausalLM

from bench.tiny.making.drills import train_on_drills
from bench.tiny.making.examples.critiqued import SETTINGS, critiqued
from bench.tiny.making.examples.rationales import FORMAT
from bench.tiny.making.lm import Log
from bench.tiny.making.models import save, ship
from policies.training.config import TrainConfig
from verifiers.genrm.train import train_genrm

ROWS = {"chain": 6000, "countdown": 6000, "last_letter": 4000, "word_sort": 4000}


def drilled(out: Path, log: Log) -> None:
    """The base LM, further trained on fair copies and comparisons at all lengths; never on a verdict."""
    model = LlamaForCausalLM.from_pretrained(out / "weights" / "base", dtype=torch.float32)
    train_on_drills(model, steps=1800, learning_rate=1.5e-3, seed=21, log=log, title="drilled")
    save(model, out / "weights" / "drilled", dtype=torch.bfloat16)


def genrm(out: Path, log: Log) -> None:
    """From drilled, the verdict at once, for all tasks."""
    _train(out, log, "genrm", "direct", steps=800)


def genrm_cot(out: Path, log: Log) -> None:
    """From drilled, rationales written by program and their verdicts, for all tasks."""
    _train(out, log, "genrm_cot", "cot", steps=1500)


def _train(out: Path, log: Log, name: str, mode: Any, *, steps: int) -> None:
    policy = LlamaForCausalLM.from_pretrained(out / "weights" / "policy", dtype=torch.float32)
    rows = critiqued(policy, ROWS, seed=31)
    config = TrainConfig(max_steps=steps, batch_size=64, seed=31, save_dtype="bfloat16", log_every=100, **SETTINGS)
    draft = out / f"draft_{name}"
    train_genrm(out / "weights" / "drilled", rows, mode=mode, out=draft, format=FORMAT, config=config)
    ship(draft, out / "weights" / name, log)
