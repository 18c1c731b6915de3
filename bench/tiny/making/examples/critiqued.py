"""Solutions with rationales, half of them right, for generative verifiers; and how these are trained on them."""

import random
from collections.abc import Mapping
from typing import Any

from bench.tiny.making.examples.made_up import make_up_text
from bench.tiny.making.examples.rationales import rationales
from bench.tiny.making.examples.rollouts import sample
from bench.tiny.worlds.worlds import WORLDS, draw_prompts
from verifiers.genrm.critiqued import Critiqued
from verifiers.interface.solution import Problem, Solution, Stop, split_steps

MADE_UP = 0.4  # of the wrong solutions; the others are the policy's own
SETTINGS: dict[str, Any] = {
    "learning_rate": 1e-3,
    "weight_decay": 0.05,
    "balance": True,
    "device": "cpu",
    "save_every": 0,
}


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
        drawn = [(p, text) for p, pool in zip(prompts, pools, strict=True) for text in sorted({t for t in pool if t})]
        right = [pair for pair in drawn if world.is_right(*pair)]
        wrong = [pair for pair in drawn if not world.is_right(*pair)]
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
