"""The tiny generative verifiers: their base, what they learn from, and the stages that make the shipped ones."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaForCausalLM

from bench.tiny.examples.made_up import make_up_text
from bench.tiny.examples.rationales import FORMAT, rationales
from bench.tiny.examples.rollouts import sample
from bench.tiny.making.drills import train_on_drills
from bench.tiny.making.lm import Log
from bench.tiny.making.models import save, ship
from bench.tiny.worlds.worlds import WORLDS, draw_prompts
from policies.training.config import TrainConfig
from verifiers.genrm.critiqued import Critiqued
from verifiers.genrm.train import train_genrm
from verifiers.interface.solution import Problem, Solution, Stop, split_steps

MADE_UP = 0.4  # of the wrong solutions; the others are the policy's own
ROWS = {"chain": 6000, "countdown": 6000, "last_letter": 4000, "word_sort": 4000}


SETTINGS: dict[str, Any] = {
    "learning_rate": 1e-3,
    "weight_decay": 0.05,
    "balance": True,
    "bf16": True,
    "device": "cpu",
    "save_every": 0,
}


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


def critiqued(policy: Any, rows: Mapping[str, int], *, seed: int, count: int = 4) -> list[Critiqued]:
    """`rows[task]` solutions of train problems a task, half of them right, with up to `count` rationales each.

    The wrong ones are the policy's and made up ones, the right ones the policy's and clean ones; a rule decides.
    """
    out: list[Critiqued] = []
    for task, size in rows.items():
        rng = random.Random(f"{task} {seed}")
        world = WORLDS[task]
        prompts = draw_prompts(world, max(1, size * 3 // 8), seed, "train")
        pools = sample(policy, prompts, 8, seed=seed, max_tokens=world.MAX_TOKENS, title=f"rollouts {task}")
        own = [(p, text) for p, pool in zip(prompts, pools, strict=True) for text in sorted({t for t in pool if t})]
        right = [pair for pair in own if world.is_right(*pair)]
        wrong = [pair for pair in own if not world.is_right(*pair)]
        half = size // 2
        wrong = rng.sample(wrong, min(len(wrong), half - int(MADE_UP * half)))
        while len(wrong) < half:
            prompt = rng.choice(prompts)
            text = make_up_text(task, prompt, rng)
            if text and not world.is_right(prompt, text):
                wrong.append((prompt, text))
        right = rng.sample(right, min(len(right), half))
        while len(right) < half:
            prompt = rng.choice(prompts)
            right.append((prompt, world.demonstrate(prompt, rng, slips=False)))
        out += [_row(task, *pair, right=True, count=count) for pair in right]
        out += [_row(task, *pair, right=False, count=count) for pair in wrong]
    return out


def _row(task: str, prompt: str, text: str, *, right: bool, count: int) -> Critiqued:
    problem = Problem(prompt.strip(), prompt)
    return Critiqued(problem, Solution(split_steps(text), Stop.EOS), right, rationales(task, prompt, text, count=count))
