r"""Teaching a reward model to look ahead in `countdown`: can the target still be reached from what is left?

Rollouts teach that slowly, a bit a step. Here a prefix is followed by up to eight next lines side by
side, none of which sees the others, so that the prefix is computed once; and two more heads, thrown
away afterwards, tell at each line which numbers are left (after the second layer) and which of 1 to 99
can be reached from them (after the third), so that the last can compare these with the target.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import binary_cross_entropy_with_logits, rms_norm

from bench.tiny.making.lm import Log, loop_for, round_up
from bench.tiny.worlds import countdown
from bench.tiny.worlds.countdown import Move, after, follow, reachable, solvable
from bench.tiny.worlds.tokenizer import EOS, PAD, encode
from bench.tiny.worlds.worlds import held_out

PREFIXES = 32  # in a batch
NEXT_LINES = 8
ILLEGAL = 0.08  # chance of a false line, or one with a number that is not there
LEFT, REACH = 3.0, 6.0  # weights of the other heads' losses

Numbers = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NextLine:
    """A line that may come next, what it leaves (None where it is illegal), and 1.0 where the target can be reached."""

    text: str
    left: Numbers | None
    good: float


def learn_lookahead(model: Any, *, steps: int, learning_rate: float, seed: int, log: Log, title: str) -> None:
    """Train a token classifier on next lines of made up prefixes; their labels are the solver's."""
    rng = random.Random(seed)
    left_head, reach_head = (torch.nn.Linear(model.config.hidden_size, countdown.LARGEST) for _ in range(2))
    for head in (left_head, reach_head):
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.constant_(head.bias, -3.0)  # most numbers are not there
    everything = torch.nn.ModuleList([model, torch.nn.ModuleList([left_head, reach_head])])
    loop = loop_for(everything, steps=steps, learning_rate=learning_rate, title=title)
    model.train()
    sums = torch.zeros(3, 4)

    def loss(batch: Packed) -> dict[str, torch.Tensor]:
        # The CPU's flash attention takes longer for its gradient than all other work together.
        with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", torch.bfloat16):
            _, _, second, third, last = model.model(
                input_ids=batch.ids,
                position_ids=batch.positions,
                attention_mask=batch.mask,
                use_cache=False,
                output_hidden_states=True,
            ).hidden_states
        read = [layer[batch.row, batch.at].float() for layer in (second, third, last)]
        normed = [rms_norm(layer, layer.shape[-1:]) for layer in read[:2]]
        main = _loss(model.score(read[2])[:, 0], batch.good)
        left = _loss(left_head(normed[0]), batch.left).mean(1) * (batch.count > 0)
        reach = _loss(reach_head(normed[1]), batch.reach).mean(1) * (batch.count > 0)
        for n in (1, 2, 3):
            of_n = batch.count == n
            sums[n - 1] += torch.stack([of_n.sum(), *(each[of_n].sum() for each in (main, left, reach))]).detach()
        return {"loss": (main + LEFT * left + REACH * reach).mean()}

    for step in loop:
        loop.update([pack([draw_lines(rng) for _ in range(PREFIXES)])], loss)
        if step % 100 == 0 or step == steps:
            means = (sums[:, 1:] / sums[:, :1].clamp(min=1)).tolist()
            # Of the lines that leave n numbers: the target's loss, then those of the other two heads.
            rounded = {f"losses_{n}_left": [round(loss, 4) for loss in means[n - 1]] for n in (1, 2, 3)}
            log({"stage": title, "step": step} | rounded)
            sums.zero_()


def draw_lines(rng: random.Random) -> tuple[str, list[NextLine]]:
    """A prefix of a train problem (its prompt and some of its lines), and different lines that may come next."""
    text, left, target, given = _draw_prefix(rng)
    hopeful = solvable(left, target)
    lines: dict[str, Numbers | None] = {}
    for _ in range(14):
        if len(lines) == NEXT_LINES:
            break
        if rng.random() >= ILLEGAL:
            line, rest = _legal_line(left, rng)
            lines[line] = rest
        elif forged := _forged_line(left, given, rng):
            lines[forged] = follow(left, forged)
    return text, [
        NextLine(line, rest, float(hopeful and rest is not None and solvable(rest, target)))
        for line, rest in lines.items()
    ]


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows of prefixes with their next lines side by side, and where the lines are read out."""

    ids: torch.Tensor  # (rows, length)
    positions: torch.Tensor  # (rows, length): each line goes on where the prefix ends
    mask: torch.Tensor  # (rows, 1, length, length), added to the attention's scores
    row: torch.Tensor  # (lines,)
    at: torch.Tensor
    good: torch.Tensor
    count: torch.Tensor  # numbers left, 0 after an illegal line
    left: torch.Tensor  # (lines, 99)
    reach: torch.Tensor


def pack(prefixes: list[tuple[str, list[NextLine]]]) -> Packed:
    """Tensors of prefixes and their next lines, of which none sees another."""
    rows: list[tuple[list[int], list[int], list[int]]] = []
    read: list[tuple[int, int, NextLine]] = []
    for i, (text, lines) in enumerate(prefixes):
        ids = encode(text)
        positions, groups = list(range(len(ids))), [0] * len(ids)
        start = len(ids)
        for group, line in enumerate(lines, start=1):
            ends = line.left is not None and len(line.left) == 1
            new = [*encode(line.text), EOS if ends else encode("\n")[0]]
            ids += new
            positions += range(start, start + len(new))
            groups += [group] * len(new)
            read.append((i, len(ids) - 1, line))
        rows.append((ids, positions, groups))
    length = round_up(max(len(ids) for ids, _, _ in rows))
    ids_, positions_ = torch.full((len(rows), length), PAD), torch.zeros((len(rows), length), dtype=torch.long)
    groups_ = torch.full((len(rows), length), -1)
    for i, (ids, positions, groups) in enumerate(rows):
        ids_[i, : len(ids)] = torch.tensor(ids)
        positions_[i, : len(ids)] = torch.tensor(positions)
        groups_[i, : len(ids)] = torch.tensor(groups)
    earlier = torch.ones(length, length, dtype=torch.bool).tril()
    seen = earlier & ((groups_[:, None, :] == 0) | (groups_[:, None, :] == groups_[:, :, None]))
    seen |= torch.eye(length, dtype=torch.bool)
    mask = torch.zeros(len(rows), 1, length, length).masked_fill(~seen[:, None], -1e9).to(torch.bfloat16)
    lines = [line for _, _, line in read]
    return Packed(
        ids_,
        positions_,
        mask,
        torch.tensor([i for i, _, _ in read]),
        torch.tensor([at for _, at, _ in read]),
        torch.tensor([line.good for line in lines]),
        torch.tensor([0 if line.left is None else len(line.left) for line in lines]),
        torch.tensor([_bits(line.left, lambda left: sum(1 << n for n in set(left))) for line in lines]),
        torch.tensor([_bits(line.left, reachable) for line in lines]),
    )


def _draw_prefix(rng: random.Random) -> tuple[str, Numbers, int, Numbers]:
    """A prefix, what is left after it, the target, and what was given."""
    while True:
        kind = rng.random()
        given = tuple(sorted(rng.randint(1, 10) for _ in range(3 if kind < 0.3 else 4)))
        targets = [t for t in range(5, 61) if reachable(given) >> t & 1]
        if not targets:
            continue
        target = rng.choice(targets)
        text = f"{countdown.LETTER} {' '.join(map(str, given))}={target}\n"
        if held_out(text):
            continue
        lines = 2 if kind > 0.9 else 0 if kind < 0.24 or 0.3 <= kind < 0.75 else 1
        left = given
        for _ in range(lines):
            if not _moves(left):
                break
            for _ in range(4):  # most prefixes are still hopeful
                line, rest = _legal_line(left, rng)
                if solvable(rest, target) or rng.random() < 0.1:
                    break
            text += line + "\n"
            left = rest
        if len(left) > 1 and _moves(left):
            return text, left, target, given


def _legal_line(left: Numbers, rng: random.Random) -> tuple[str, Numbers]:
    a, sign, b, result = move = rng.choice(_moves(left))
    if sign != "-" and rng.random() < 0.5:
        a, b = b, a
    return f"{a}{sign}{b}={result}", after(left, move)


def _forged_line(left: Numbers, given: Numbers, rng: random.Random) -> str | None:
    line, _ = _legal_line(left, rng)
    work, _, result = line.partition("=")
    if rng.random() < 0.5:
        wrong = int(result) + rng.choice((-10, -2, -1, 1, 2, 10))
        return f"{work}={wrong}" if 1 <= wrong <= countdown.LARGEST else None
    a, b, sign = rng.choice((*given, rng.randint(1, 10))), rng.choice(given), rng.choice("+-*")
    wrong = {"+": a + b, "-": a - b, "*": a * b}[sign]
    return f"{a}{sign}{b}={wrong}" if 1 <= wrong <= countdown.LARGEST else None


@cache
def _moves(left: Numbers) -> list[Move]:
    return list(countdown.moves(left))


def _bits(left: Numbers | None, mask_of: Callable[[Numbers], int]) -> list[float]:
    mask = 0 if left is None else mask_of(left)
    return [float(mask >> n & 1) for n in range(1, countdown.LARGEST + 1)]


def _loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return binary_cross_entropy_with_logits(logits, targets, reduction="none")
