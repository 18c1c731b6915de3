"""Bring the keys and values of many states into the cache, each shared token once."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from policies.decoding import State
from policies.prefix_cache import Ids, Node, Planes, PrefixCache, length
from policies.runner import Runner

_BATCH_TOKENS = 8192  # new tokens a forward pass, for the sake of its activations

Job = tuple[Node, Ids, list[Planes]]
"""A tree, the ids that it should hold, and the keys and values of the first of them."""


def prefill(runner: Runner, cache: PrefixCache, states: Sequence[tuple[State, int]], batch_bytes: int) -> None:
    """Compute what the cache lacks of every state's `ids[:-1]`; `states` come with their prompt's length.

    States of one problem share its prompt, so where there are several it goes first. The tokens are
    charged to `State.computed`, a shared prompt to the first state that has it.
    """
    shared: dict[int, list[tuple[State, int]]] = {}
    for state, prompt in states:
        shared.setdefault(id(state.tree), []).append((state, prompt))
    jobs = []
    for group in shared.values():
        first, prompt = group[0]
        if len(group) > 1 and (job := _job(cache, first.tree, first.ids[:prompt])):
            first.computed += len(job[1]) - length(job[2])
            jobs.append(job)
    _run(runner, cache, jobs, batch_bytes)
    jobs = []
    for state, _ in states:
        if job := _job(cache, state.tree, state.ids[:-1]):
            state.computed += len(job[1]) - length(job[2])
            jobs.append(job)
    _run(runner, cache, jobs, batch_bytes)


def _job(cache: PrefixCache, tree: Node, ids: Ids) -> Job | None:
    known = cache.match(tree, ids)
    return None if length(known) == len(ids) else (tree, ids, known)


def _run(runner: Runner, cache: PrefixCache, jobs: list[Job], batch_bytes: int) -> None:
    # Rows of like length together: the padding between them is computed for nothing.
    jobs = sorted(jobs, key=lambda job: len(job[1]) - length(job[2]))
    limit = batch_bytes // runner.shape.bytes_per_token
    batch: list[Job] = []
    for job in jobs:
        known = max(length(k) for _, _, k in [*batch, job])
        new = len(job[1]) - length(job[2])
        rows = len(batch) + 1
        if batch and (rows * new > _BATCH_TOKENS or rows * (known + new) > limit):
            _forward(runner, cache, batch)
            batch = []
        batch.append(job)
    if batch:
        _forward(runner, cache, batch)


def _forward(runner: Runner, cache: PrefixCache, jobs: Sequence[Job]) -> None:
    known = [length(pieces) for _, _, pieces in jobs]
    new = [len(ids) - k for (_, ids, _), k in zip(jobs, known, strict=True)]
    edge, widest = max(known), max(new)
    slots = runner.slots(capacity=len(jobs), edge=edge, columns=edge + widest)
    # Padding on the right of the new tokens: no token sees it, because it comes later.
    rows = [[*ids[k:], *[0] * (widest - n)] for (_, ids, _), k, n in zip(jobs, known, new, strict=True)]
    for i, (_, _, pieces) in enumerate(jobs):
        slots.place(pieces, i, 1)
    runner.forward(torch.tensor(rows, device=runner.device), slots)
    for i, (tree, ids, _) in enumerate(jobs):
        cache.insert(tree, ids, known[i], slots.read(i, edge, edge + new[i]))
