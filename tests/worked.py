"""Solutions of the embedded tasks, written by their rules."""

import random
from collections.abc import Iterator

from bench.tiny import load_task
from bench.tiny.making.examples.made_up import make_up_text
from bench.tiny.worlds.worlds import WORLDS, draw_prompts
from verifiers import Problem, Solution, Stop, split_steps


def worked(name: str = "chain", count: int = 4) -> Iterator[tuple[Problem, Solution]]:
    """Problems of a task, each with a solution that may slip."""
    rng = random.Random(0)
    for problem in load_task(name, count=count).problems:
        text = WORLDS[name].demonstrate(str(problem.prompt), rng, slips=True)
        yield problem, Solution(split_steps(text), Stop.EOS)


def right_and_made_up(name: str) -> Iterator[tuple[str, str, bool]]:
    """150 prompts of length 3 with a right solution each, then with a made-up one, and whether it is right."""
    world, rng = WORLDS[name], random.Random(0)
    for prompt in draw_prompts(world, 150, 3, "train"):
        for text in (world.demonstrate(prompt, rng, slips=False), make_up_text(name, prompt, rng)):
            if text:
                yield prompt, text, world.is_right(prompt, text)
