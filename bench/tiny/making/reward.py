"""Rollouts labelled by program, and training reward models on them."""

import gzip
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from bench.tiny.making.examples.rollouts import sample
from bench.tiny.making.lm import Log, fit, round_up
from bench.tiny.worlds import chain
from bench.tiny.worlds.tokenizer import EOS, PAD, encode
from bench.tiny.worlds.worlds import WORLDS, Split, World, draw_prompts, held_out
from verifiers.interface.solution import split_steps

Target: TypeAlias = Literal["error", "outcome"]
# What goes into the model, and the row, position and target of each read-out.
ReadOuts: TypeAlias = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
HeadBatch: TypeAlias = tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Rollout:
    """A finished solution with its step labels (1 up to the first error, then 0) and its outcome."""

    task: str
    prompt: str
    steps: tuple[str, ...]
    labels: tuple[int, ...]
    right: int


def collect(
    policy: Any, *, prompts: dict[str, int], n: int, split: Split, seed: int, difficulty: int | None = None
) -> list[Rollout]:
    """Sample `n` solutions for each of `prompts[task]` problems, and label the different ones that ended."""
    rollouts = []
    for name, count in prompts.items():
        world = WORLDS[name]
        drawn = draw_prompts(world, count, seed, split, difficulty)
        pools = sample(policy, drawn, n, seed=seed, max_tokens=world.MAX_TOKENS, title=f"rollouts {name} {split}")
        for prompt, pool in zip(drawn, pools, strict=True):
            rollouts += [label(world, prompt, text) for text in sorted({text for text in pool if text})]
    return rollouts


def write_rollouts(rollouts: Sequence[Rollout], path: Path) -> None:
    """One JSON object a line, gzipped."""
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(rollout)) + "\n" for rollout in rollouts)


def read_rollouts(path: Path) -> list[Rollout]:
    """What `write_rollouts` wrote."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [Rollout(r["task"], r["prompt"], tuple(r["steps"]), tuple(r["labels"]), r["right"]) for r in rows]


def train_reward_model(
    model: Any,
    rollouts: Sequence[Rollout],
    *,
    target: Target,
    steps: int,
    rows: int,
    learning_rate: float,
    seed: int,
    log: Log,
    title: str,
    made: int = 0,
) -> None:
    """Binary cross-entropy at the steps' last tokens.

    "error": the step's own label, at every step. "outcome": the solution's, at its end alone. `made` of
    the `rows` are made up on the spot: see `make_chain`.
    """
    batches = _batches(rollouts, target, rows, made, random.Random(seed))
    loss = partial(head_loss, model)
    fit(model, batches, loss, steps=steps, learning_rate=learning_rate, log=log, title=title)


def head_loss(model: Any, batch: HeadBatch) -> torch.Tensor:
    """Binary cross-entropy between the head's probabilities and the targets, summed up."""
    inputs, row, at, targets = batch
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.model(**inputs, use_cache=False).last_hidden_state
    logits = model.score(hidden[row, at].float())[:, 0]
    return binary_cross_entropy_with_logits(logits, targets, reduction="sum")


def _batches(
    rollouts: Sequence[Rollout], target: Target, rows: int, made: int, rng: random.Random
) -> Iterator[tuple[list[HeadBatch], int]]:
    order: list[int] = []
    while True:
        if len(order) < rows - made:
            order = rng.sample(range(len(rollouts)), len(rollouts))
        drawn = [rollouts[order.pop()] for _ in range(rows - made)]
        chosen = sorted(drawn + [make_chain(rng) for _ in range(made)], key=_length)
        # Two halves of like length waste less padding than one batch.
        halves = [encode_rollouts(part, target) for part in (chosen[: rows // 2], chosen[rows // 2 :]) if part]
        count = sum(len(targets) for _, _, _, targets in halves)
        yield [({"input_ids": ids}, row, at, targets) for ids, row, at, targets in halves], count


def make_chain(rng: random.Random) -> Rollout:
    """A solution of `chain` with more and rarer errors than the policy's, labelled by program.

    The policy's errors are mostly its few systematic ones. A search through many samples finds the
    rare ones too, so a verifier must have seen every wrong entry of the tables.
    """
    while held_out(prompt := chain.draw_prompt(rng, rng.choice(chain.TRAIN_DIFFICULTY))):
        pass
    text = chain.demonstrate(prompt, rng, slips=True, noise=0.1)
    return label(WORLDS["chain"], prompt, text)


def label(world: World, prompt: str, text: str) -> Rollout:
    """A finished solution with its labels."""
    steps = tuple(step.text for step in split_steps(text))
    labels = tuple(world.labels(prompt, steps, finished=True))
    return Rollout(world.NAME, prompt, steps, labels, int(world.is_right(prompt, text)))


def encode_rollouts(rollouts: Sequence[Rollout], target: Target) -> ReadOuts:
    """The ids of rollouts, read where `target` is known."""
    return encode_targets(
        (rollout.prompt, list(zip(rollout.steps, _targets(rollout, target), strict=True)), True) for rollout in rollouts
    )


def _targets(rollout: Rollout, target: Target) -> Sequence[float | None]:
    return rollout.labels if target == "error" else (*[None] * (len(rollout.steps) - 1), rollout.right)


def encode_targets(rows: Iterable[tuple[str, Sequence[tuple[str, float | None]], bool]]) -> ReadOuts:
    """Ids padded on the right, shape (rows, length), and the row, position and target of each read-out.

    A row is a prompt, its steps with their targets (None: not read), and whether it has ended.
    """
    encoded, read = [], []
    for i, (prompt, steps, finished) in enumerate(rows):
        ids = encode(prompt)
        for k, (text, target) in enumerate(steps):
            ids += encode(text) + [EOS] * (finished and k == len(steps) - 1)
            if target is not None:
                read.append((i, len(ids) - 1, target))
        encoded.append(ids)
    padded = torch.full((len(encoded), round_up(max(map(len, encoded)))), PAD)
    for i, ids in enumerate(encoded):
        padded[i, : len(ids)] = torch.tensor(ids)
    row, at, targets = zip(*read, strict=True)
    return padded, torch.tensor(row), torch.tensor(at), torch.tensor(targets, dtype=torch.float32)


def _length(rollout: Rollout) -> int:
    return len(rollout.prompt) + sum(map(len, rollout.steps))
