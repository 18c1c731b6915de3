"""Teaching a reward model the programs' labels of made up solutions, of which there is no end."""

import random
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import binary_cross_entropy_with_logits
from tqdm import tqdm

from bench.tiny.lm import Log, optimizer_for, round_up, take_step
from bench.tiny.made_up import make_up
from bench.tiny.tokenizer import EOS, PAD, encode
from verifiers.labelled import Labelled

# Rows of each task in a batch: the harder the task, the more.
ROWS = {"chain": 32, "countdown": 48, "last_letter": 16, "word_sort": 16}


def learn_errors(model: Any, *, steps: int, learning_rate: float, seed: int, log: Log, title: str) -> None:
    """Binary cross-entropy at the last tokens of the steps of made up solutions of all tasks."""
    rng = random.Random(seed)
    optimizer, schedule = optimizer_for(model, steps, learning_rate)
    model.train()
    losses: list[float] = []
    for step in tqdm(range(1, steps + 1), desc=title, mininterval=5, smoothing=0.05):
        batches = [part for task, size in ROWS.items() for part in _draw(task, size, rng)]
        count = sum(len(row.labels) for batch in batches for row in batch)
        total = 0.0
        for batch in batches:
            ids, row, at, targets = encode_labelled(batch)
            # The CPU's flash attention takes longer for its gradient than all other work together.
            with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", torch.bfloat16):
                hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state
            logits = model.score(hidden[row, at].float())[:, 0]
            loss = binary_cross_entropy_with_logits(logits, targets, reduction="sum") / count
            loss.backward()
            total += loss.item()
        take_step(model, optimizer, schedule)
        losses.append(total)
        if step % 100 == 0 or step == steps:
            log({"stage": title, "step": step, "loss": round(sum(losses) / len(losses), 4)})
            losses.clear()


def encode_labelled(
    rows: Sequence[Labelled],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids padded on the right, shape (rows, length), and the row, position and target of each step's read-out."""
    encoded, read = [], []
    for i, row in enumerate(rows):
        ids = encode(str(row.problem.prompt))
        last = len(row.labels) - 1
        for k, (step, target) in enumerate(zip(row.solution.steps, row.labels, strict=True)):
            ids += encode(step.text) + [EOS] * (row.solution.finished and k == last)
            read.append((i, len(ids) - 1, target))
        encoded.append(ids)
    padded = torch.full((len(encoded), round_up(max(map(len, encoded)))), PAD)
    for i, ids in enumerate(encoded):
        padded[i, : len(ids)] = torch.tensor(ids)
    at_row, at, targets = zip(*read, strict=True)
    return padded, torch.tensor(at_row), torch.tensor(at), torch.tensor(targets, dtype=torch.float32)


def _draw(task: str, count: int, rng: random.Random) -> list[list[Labelled]]:
    """Made up solutions, in two halves of like length, which waste less padding than one batch."""
    rows = sorted(
        (make_up(task, rng) for _ in range(count)), key=lambda r: len(str(r.problem.prompt)) + len(r.solution.text)
    )
    return [rows[: count // 2], rows[count // 2 :]]
