"""What a causal LM thinks of given tokens: the next one's probabilities, and a solution's log-probabilities."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from policies.decoding.loop import Prefix, run_last_tokens
from policies.decoding.padding import padded
from policies.decoding.prefill import prefill
from policies.decoding.prefix_cache import PrefixCache
from policies.decoding.runner import Runner
from policies.models.batches import greedy_batches
from policies.models.token_rows import TokenRow
from verifiers.interface.scoring import FloatArray

_LOGITS_BYTES = 16  # bytes per vocabulary entry and token: the logits, their float32 copy and their softmax


def next_token_probs(
    runner: Runner, cache: PrefixCache, states: Sequence[Prefix], tokens: Sequence[int], batch_bytes: int
) -> npt.NDArray[np.float32]:
    """P(token | state) at temperature 1, shape (states, tokens)."""
    prefill(runner, cache, states, batch_bytes)
    wanted = torch.tensor(list(tokens), dtype=torch.long, device=runner.device)
    probs = np.empty((len(states), len(tokens)), np.float32)
    longest = max(len(state.ids) for state in states)
    capacity = max(1, batch_bytes // (runner.shape.bytes_per_token * longest + _LOGITS_BYTES * runner.vocabulary))
    for begin in range(0, len(states), capacity):
        chunk = states[begin : begin + capacity]
        run_last_tokens(runner, cache, chunk, capacity)
        logits = torch.stack([state.logits for state in chunk if state.logits is not None])
        probs[begin : begin + capacity] = logits.float().softmax(-1)[:, wanted].cpu().numpy()
        for state in chunk:
            state.logits = None
    return probs


def step_logprobs(
    runner: Runner, rows: Sequence[TokenRow], prompts: Sequence[int], batch_bytes: int
) -> list[FloatArray]:
    """The sum of log-probabilities of each step's tokens, in nats, shape (T_i,) a row; `prompts` are prompt lengths."""
    out: dict[int, FloatArray] = {}
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
    limit = batch_bytes // (_LOGITS_BYTES * runner.vocabulary)
    for batch in greedy_batches(order, lambda batch: len(batch) * len(rows[batch[-1]].ids) <= limit):
        logprobs = _token_logprobs(runner, [rows[i].ids for i in batch])
        for i, row in zip(batch, logprobs, strict=True):
            begins = [prompts[i], *(end + 1 for end in rows[i].ends[:-1])]
            sums = [row[b - 1 : e].sum() for b, e in zip(begins, rows[i].ends, strict=True)]
            out[i] = np.array(sums, dtype=np.float32)
    return [out[i] for i in range(len(rows))]


def _token_logprobs(runner: Runner, ids: Sequence[Sequence[int]]) -> npt.NDArray[np.float64]:
    """log P(token k+1 | tokens up to k), shape (rows, longest - 1); what lies behind a row's end means nothing."""
    # Padding on the right: no token sees it, because it comes later.
    rows = padded(ids)[0].to(runner.device)
    options = {"use_cache": False} if "use_cache" in inspect.signature(runner.model.forward).parameters else {}
    with runner.inference():
        logits = runner.model(input_ids=rows, **options).logits[:, :-1].float()
        at = rows[:, 1:, None]
        picked: npt.NDArray[np.float64] = (logits.gather(-1, at)[..., 0] - logits.logsumexp(-1)).double().cpu().numpy()
    return picked
