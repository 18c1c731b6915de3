"""Training a tiny language model on worked solutions, clean ones or a careless pupil's."""

import random
from collections.abc import Callable, Iterator

import torch
from torch.nn.functional import cross_entropy
from tqdm import tqdm
from transformers import LlamaForCausalLM

from bench.tiny.worlds.tokenizer import EOS, PAD, encode
from bench.tiny.worlds.worlds import WORLDS, World, draw_prompts

IGNORED = -100
# Rows of each task in a batch, and its different prompts of each difficulty: the harder the task, the more.
ROWS = {"chain": 40, "countdown": 40, "last_letter": 12, "word_sort": 12}
PROMPTS = {"chain": 12_000, "countdown": 12_000, "last_letter": 4_000, "word_sort": 4_000}
FEWER_PROMPTS = {("countdown", 3): 1_200}  # there are few problems of three numbers

Log = Callable[[dict[str, object]], None]
Demonstrate = Callable[[World, str, random.Random], str]


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
    optimizer, schedule = optimizer_for(model, steps, learning_rate)
    model.train()
    losses: list[float] = []
    for step in tqdm(range(1, steps + 1), desc=title, mininterval=5, smoothing=0.05):
        batches = [next(rows) for rows in sampled.values()]
        count = sum(int((targets != IGNORED).sum()) for _, targets in batches)
        total = 0.0
        for ids, targets in batches:
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(input_ids=ids, use_cache=False).logits
            loss = cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum")
            (loss / count).backward()
            total += loss.item() / count
        take_step(model, optimizer, schedule)
        losses.append(total)
        if step % 100 == 0 or step == steps:
            log({"stage": title, "step": step, "loss": round(sum(losses) / len(losses), 4)})
            losses.clear()


def optimizer_for(
    model: torch.nn.Module, steps: int, learning_rate: float
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW with a warm-up of 5% (100 steps at most) and a cosine to zero."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.05, fused=True
    )
    warm = max(1, min(100, steps // 20))
    ramp = torch.optim.lr_scheduler.LinearLR(optimizer, 0.01, 1.0, total_iters=warm)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps - warm))
    return optimizer, torch.optim.lr_scheduler.SequentialLR(optimizer, [ramp, fall], [warm])


def take_step(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, schedule: torch.optim.lr_scheduler.LRScheduler
) -> None:
    """One update with the gradient's norm clipped to 1."""
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    optimizer.zero_grad(set_to_none=True)


def _demonstrations(
    world: World, demonstrate: Demonstrate, rows: int, seed: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    prompts = []
    for difficulty in sorted({*world.TRAIN_DIFFICULTY, *world.TEST_DIFFICULTY}):
        count = FEWER_PROMPTS.get((world.NAME, difficulty), PROMPTS[world.NAME])
        prompts += draw_prompts(world, count, seed, "train", difficulty)
    rng = random.Random(seed)
    while True:
        chosen = [prompts[rng.randrange(len(prompts))] for _ in range(rows)]
        yield lm_batch([(p, demonstrate(world, p, rng)) for p in chosen])


def lm_batch(pairs: list[tuple[str, str]]) -> tuple[torch.Tensor, torch.Tensor]:
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
