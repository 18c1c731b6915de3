"""Bring the keys and values of many states into the cache, each shared token once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from policies.decoding.loop import Prefix
from policies.decoding.padding import padded
from policies.decoding.prefix_cache import Ids, Node, Planes, PrefixCache, length
from policies.decoding.runner import Runner
from policies.decoding.slots import Slots
from policies.models.batches import greedy_batches
from policies.models.parameters import Span, tokens_in

_BATCH_TOKENS = 8192  # new tokens a forward pass, for the sake of its activations

Job = tuple[Node, Ids, list[Planes]]
"""A tree, the ids that it should hold, and the keys and values of the first of them."""

Forward = Callable[[torch.Tensor, Slots], torch.Tensor]


def prefill(runner: Runner, cache: PrefixCache, states: Sequence[Prefix], batch_bytes: int) -> None:
    """Compute what the cache lacks of every state's `ids[:-1]`.

    States of one problem share its prompt, so where there are several it goes first. The tokens are
    charged to `Prefix.computed`, a shared prompt to the first state that has it.
    """
    shared: dict[int, list[Prefix]] = {}
    for state in states:
        shared.setdefault(id(state.tree), []).append(state)
    prompts = [(group[0], group[0].ids[: group[0].prompt]) for group in shared.values() if len(group) > 1]
    for wanted in (prompts, [(state, state.ids[:-1]) for state in states]):
        jobs: list[Job] = []
        for state, ids in wanted:
            job = (state.tree, ids, cache.match(state.tree, ids))
            if new_tokens(job):
                state.computed.append(span_of(job))
                jobs.append(job)
        run_jobs(runner, cache, jobs, batch_bytes, runner.forward)


def run_jobs(
    runner: Runner,
    cache: PrefixCache,
    jobs: Sequence[Job],
    batch_bytes: int,
    forward: Forward,
    got: Callable[[int, torch.Tensor], None] | None = None,
) -> None:
    """Compute the rest of each job's ids into the cache; `got` is told a job's place and what `forward` gave it."""
    for batch in _batches(runner, jobs, batch_bytes):
        out = _forward(runner, cache, [jobs[i] for i in batch], forward)
        if got is not None:
            for i, row in zip(batch, out, strict=True):
                got(i, row)


def _batches(runner: Runner, jobs: Sequence[Job], batch_bytes: int) -> Iterator[list[int]]:
    limit = batch_bytes // runner.shape.bytes_per_token

    def fits(batch: list[int]) -> bool:
        known, new = max(length(jobs[i][2]) for i in batch), new_tokens(jobs[batch[-1]])
        return len(batch) * new <= _BATCH_TOKENS and len(batch) * (known + new) <= limit

    # Rows of like length together: the padding between them is computed for nothing.
    return greedy_batches(sorted(range(len(jobs)), key=lambda i: new_tokens(jobs[i])), fits)


def span_of(job: Job) -> Span:
    """The tokens that a job has to compute."""
    return length(job[2]), len(job[1])


def new_tokens(job: Job) -> int:
    """How many tokens a job has to compute."""
    return tokens_in([span_of(job)])


def _forward(runner: Runner, cache: PrefixCache, jobs: Sequence[Job], forward: Forward) -> torch.Tensor:
    known = [length(pieces) for _, _, pieces in jobs]
    new = [len(ids) - k for (_, ids, _), k in zip(jobs, known, strict=True)]
    edge = max(known)
    slots = runner.slots(capacity=len(jobs), edge=edge, columns=edge + max(new))
    # Padding on the right of the new tokens: no token sees it, because it comes later.
    rows, _ = padded([ids[k:] for (_, ids, _), k in zip(jobs, known, strict=True)])
    for i, (_, _, pieces) in enumerate(jobs):
        slots.place(pieces, i, 1)
    out = forward(rows.to(runner.device), slots)
    for i, (tree, ids, _) in enumerate(jobs):
        cache.insert(tree, ids, known[i], slots.read(i, edge, edge + new[i]))
    return out
