"""Teaching a reward model the programs' labels of made up solutions, of which there is no end."""

import random
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import binary_cross_entropy_with_logits
from tqdm import tqdm

from bench.tiny.examples.made_up import make_up
from bench.tiny.making.lm import Log, optimizer_for, round_up, take_step
from bench.tiny.making.lookahead import draw_lines, pack
from bench.tiny.worlds.tokenizer import EOS, PAD, encode
from verifiers.reward_models.labelled import Labelled

Batch: TypeAlias = tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor, torch.Tensor]


def learn_errors(
    model: Any,
    *,
    rows: Mapping[str, int],
    prefixes: int = 0,
    steps: int,
    learning_rate: float,
    seed: int,
    log: Log,
    title: str,
) -> None:
    """Binary cross-entropy at the last tokens of the steps of made up solutions, `rows[task]` of them in a batch.

    With them go next lines of `prefixes` prefixes of countdown, so that looking ahead is not forgotten.
    """
    rng = random.Random(seed)
    optimizer, schedule = optimizer_for(model, steps, learning_rate)
    model.train()
    losses: list[float] = []
    for step in tqdm(range(1, steps + 1), desc=title, mininterval=5, smoothing=0.05):
        batches = [_encoded(part) for task, size in rows.items() for part in _draw(task, size, rng)]
        if prefixes:
            packed = pack([draw_lines(rng) for _ in range(prefixes)])
            inputs = {"input_ids": packed.ids, "position_ids": packed.positions, "attention_mask": packed.mask}
            batches.append((inputs, packed.row, packed.at, packed.good))
        count = sum(len(targets) for _, _, _, targets in batches)
        total = 0.0
        for inputs, row, at, targets in batches:
            # The CPU's flash attention takes longer for its gradient than all other work together.
            with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", torch.bfloat16):
                hidden = model.model(**inputs, use_cache=False).last_hidden_state
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


def _encoded(rows: Sequence[Labelled]) -> Batch:
    ids, row, at, targets = encode_labelled(rows)
    return {"input_ids": ids}, row, at, targets


def _draw(task: str, count: int, rng: random.Random) -> list[list[Labelled]]:
    """Made up solutions, in two halves of like length, which waste less padding than one batch."""
    rows = sorted(
        (make_up(task, rng) for _ in range(count)), key=lambda r: len(str(r.problem.prompt)) + len(r.solution.text)
    )
    return [rows[: count // 2], rows[count // 2 :]]
