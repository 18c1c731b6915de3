"""The four tasks' rules by name, and prompts drawn from them into two disjoint splits."""

import hashlib
import random
from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias, cast

from bench.tiny.worlds import chain, countdown, last_letter, word_sort

Split: TypeAlias = Literal["test", "train"]


class World(Protocol):
    """What each task's module offers."""

    NAME: str
    LETTER: str
    MAX_TOKENS: int
    TRAIN_DIFFICULTY: tuple[int, ...]
    TEST_DIFFICULTY: tuple[int, ...]

    def draw_prompt(self, rng: random.Random, difficulty: int) -> str: ...
    def gold_answer(self, prompt: str) -> str | None: ...
    def demonstrate(self, prompt: str, rng: random.Random, *, slips: bool) -> str: ...
    def labels(self, prompt: str, steps: Sequence[str], *, finished: bool) -> list[int]: ...
    def extract(self, text: str) -> str | None: ...
    def is_right(self, prompt: str, text: str) -> bool: ...


WORLDS: dict[str, World] = {module.NAME: cast(World, module) for module in (chain, countdown, last_letter, word_sort)}


def draw_prompts(world: World, count: int, seed: int, split: Split, difficulty: int | None = None) -> list[str]:
    """`count` different prompts of one split, in the order drawn."""
    choices = (
        (world.TEST_DIFFICULTY if split == "test" else world.TRAIN_DIFFICULTY) if difficulty is None else (difficulty,)
    )
    rng = random.Random(f"{world.NAME} {split} {seed}")
    prompts: dict[str, None] = {}
    draws = 0
    while len(prompts) < count:
        draws += 1
        if draws > 1000 + 200 * count:
            raise ValueError(
                f"task {world.NAME!r} gave {len(prompts)} different {split} problems of difficulty "
                f"{', '.join(map(str, choices))}, but {count} were asked for: lower the count or raise the difficulty"
            )
        prompt = world.draw_prompt(rng, rng.choice(choices))
        if held_out(prompt) == (split == "test"):
            prompts[prompt] = None
    return list(prompts)


def held_out(prompt: str) -> bool:
    r"""Whether a prompt belongs to the test split: one in eight does, by a hash of its text.

    >>> held_out("C 7-9*3\n"), held_out("C 2+6*3\n")
    (False, False)
    """
    return hashlib.sha256(prompt.encode()).digest()[0] % 8 == 0
