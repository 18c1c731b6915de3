"""Teaching a reward model the programs' labels of made up solutions, of which there is no end."""

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from torch.nn.attention import SDPBackend, sdpa_kernel

from bench.tiny.making.examples.made_up import make_up
from bench.tiny.making.lm import Log, fit
from bench.tiny.making.lookahead import draw_lines, pack
from bench.tiny.making.reward import HeadBatch, ReadOuts, encode_targets, head_loss
from verifiers.reward_models.labelled import Labelled


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
    # The CPU's flash attention takes longer for its gradient than all other work together.
    with sdpa_kernel(SDPBackend.MATH):
        batches, loss = _batches(rows, prefixes, random.Random(seed)), partial(head_loss, model)
        fit(model, batches, loss, steps=steps, learning_rate=learning_rate, log=log, title=title)


def _batches(rows: Mapping[str, int], prefixes: int, rng: random.Random) -> Iterator[tuple[list[HeadBatch], int]]:
    while True:
        batches = [_encoded(part) for task, size in rows.items() for part in _draw(task, size, rng)]
        if prefixes:
            packed = pack([draw_lines(rng) for _ in range(prefixes)])
            inputs = {"input_ids": packed.ids, "position_ids": packed.positions, "attention_mask": packed.mask}
            batches.append((inputs, packed.row, packed.at, packed.good))
        yield batches, sum(len(targets) for _, _, _, targets in batches)


def encode_labelled(rows: Sequence[Labelled]) -> ReadOuts:
    """The ids of labelled solutions, read at each step's end."""
    return encode_targets(
        (
            str(row.problem.prompt),
            [(step.text, label) for step, label in zip(row.solution.steps, row.labels, strict=True)],
            row.solution.finished,
        )
        for row in rows
    )


def _encoded(rows: Sequence[Labelled]) -> HeadBatch:
    ids, row, at, targets = encode_labelled(rows)
    return {"input_ids": ids}, row, at, targets


def _draw(task: str, count: int, rng: random.Random) -> list[list[Labelled]]:
    """Made up solutions, in two halves of like length, which waste less padding than one batch."""
    rows = sorted(
        (make_up(task, rng) for _ in range(count)), key=lambda r: len(str(r.problem.prompt)) + len(r.solution.text)
    )
    return [rows[: count // 2], rows[count // 2 :]]
