"""Training a tiny language model on worked solutions, clean ones or a careless pupil's."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias, TypeVar

import torch
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM

from bench.tiny.worlds.tokenizer import EOS, PAD, encode
from bench.tiny.worlds.worlds import WORLDS, World, draw_prompts
from policies.training.loop import Loop
from policies.training.schedule import rate_at

IGNORED = -100
# Rows of each task in a batch, and its different prompts of each difficulty: the harder the task, the more.
ROWS = {"chain": 40, "countdown": 40, "last_letter": 12, "word_sort": 12}
PROMPTS = {"chain": 12_000, "countdown": 12_000, "last_letter": 4_000, "word_sort": 4_000}
FEWER_PROMPTS = {("countdown", 3): 1_200}  # there are few problems of three numbers

Log = Callable[[dict[str, object]], None]
Demonstrate = Callable[[World, str, random.Random], str]
LMBatch: TypeAlias = tuple[torch.Tensor, torch.Tensor]  # inputs and next-token targets
T = TypeVar("T")


def train_lm(
    model: LlamaForCausalLM,
    demonstrate: Demonstrate,
    *,
    steps: int,
    learning_rate: float,
    seed: int,
    log: Log,
    title: str,
) -> None:
    """Minimise the loss of the solutions' tokens (not the prompts'), a fresh one each time."""
    sampled = {name: _demonstrations(world, demonstrate, ROWS[name], seed) for name, world in WORLDS.items()}

    def batches() -> Iterator[list[LMBatch]]:
        while True:
            yield [next(rows) for rows in sampled.values()]

    def loss(part: LMBatch) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(input_ids=part[0], use_cache=False).logits
        return next_token_sum(logits, part[1])

    fit(model, map(counted, batches()), loss, steps=steps, learning_rate=learning_rate, log=log, title=title)


def fit(
    model: torch.nn.Module,
    batches: Iterator[tuple[Sequence[T], int]],
    loss: Callable[[T], torch.Tensor],
    *,
    steps: int,
    learning_rate: float,
    log: Log,
    title: str,
) -> None:
    """Train on a batch a step, given in parts and with the number of what is learnt, of which `loss` has the sum."""

    def mean(counted_part: tuple[T, int]) -> dict[str, torch.Tensor]:
        part, count = counted_part
        return {"loss": loss(part) / count}

    model.train()
    losses: list[float] = []
    loop = loop_for(model, steps=steps, learning_rate=learning_rate, title=title)
    for step in loop:
        parts, count = next(batches)
        losses.append(loop.update([(part, count) for part in parts], mean)["loss"])
        if step % 100 == 0 or step == steps:
            log({"stage": title, "step": step, "loss": round(sum(losses) / len(losses), 4)})
            losses.clear()


def loop_for(model: torch.nn.Module, *, steps: int, learning_rate: float, title: str) -> Loop:
    """AdamW with a warm-up of 5% (100 steps at most) and a cosine to zero; the gradient's norm is clipped to 1."""
    warm = max(1, min(100, steps // 20))

    def rate(step: int) -> float:
        if step < warm:
            return learning_rate * (0.01 + 0.99 * step / warm)
        return learning_rate * rate_at(step - warm, steps=max(1, steps - warm), warmup=0, schedule="cosine")

    optimizer = torch.optim.AdamW(
        model.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.05, fused=True
    )
    return Loop(model=model, optimizer=optimizer, steps=steps, rate=rate, title=title)


def counted(parts: Sequence[LMBatch]) -> tuple[Sequence[LMBatch], int]:
    """The parts of a batch, and how many tokens are learnt in all of them."""
    return parts, sum(int((targets != IGNORED).sum()) for _, targets in parts)


def next_token_sum(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The cross-entropy of all tokens that are learnt, summed up."""
    return cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum")


def _demonstrations(world: World, demonstrate: Demonstrate, rows: int, seed: int) -> Iterator[LMBatch]:
    prompts = []
    for difficulty in sorted({*world.TRAIN_DIFFICULTY, *world.TEST_DIFFICULTY}):
        count = FEWER_PROMPTS.get((world.NAME, difficulty), PROMPTS[world.NAME])
        prompts += draw_prompts(world, count, seed, "train", difficulty)
    rng = random.Random(seed)
    while True:
        chosen = [prompts[rng.randrange(len(prompts))] for _ in range(rows)]
        yield lm_batch([(p, demonstrate(world, p, rng)) for p in chosen])


def lm_batch(pairs: list[tuple[str, str]]) -> LMBatch:
    """Inputs and next-token targets, shape (rows, length), padded on the right."""
    rows = [(encode(prompt), [*encode(solution), EOS]) for prompt, solution in pairs]
    length = round_up(max(len(p) + len(s) for p, s in rows) - 1)
    ids = torch.full((len(rows), length), PAD)
    targets = torch.full((len(rows), length), IGNORED)
    for i, (prompt, solution) in enumerate(rows):
        both = torch.tensor(prompt + solution)
        ids[i, : len(both) - 1] = both[:-1]
        targets[i, len(prompt) - 1 : len(both) - 1] = both[len(prompt) :]
    return ids, targets


def round_up(length: int) -> int:
    """The next multiple of 8: few different shapes, for which the CPU's kernels are built once.

    >>> round_up(57), round_up(64)
    (64, 64)
    """
    return -(-length // 8) * 8
