"""The decoding loop: prefill each state once, sample its rows, refill the slots of rows that end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from policies.decoding.prefix_cache import Ids, Node, PrefixCache
from policies.decoding.runner import Runner
from policies.decoding.sampler import choose, uniforms
from policies.models.parameters import Span
from policies.models.prompts import Continuation
from policies.policy import Sampling
from verifiers.interface.solution import Stop

BoolArray: TypeAlias = npt.NDArray[np.bool_]
_LOGITS_BYTES = 24  # bytes per vocabulary entry and row while a token is chosen, roughly


@dataclass(slots=True)
class Prefix:
    """A prompt with a prefix, and the rows that continue it."""

    tree: Node
    ids: Ids  # prompt and prefix
    prompt: int  # how many of the ids are the prompt's
    rows: list[Continuation]
    computed: list[Span] = field(default_factory=list)  # tokens of `ids` that went through the model in this call
    logits: torch.Tensor | None = None  # (V,) while rows are still to be placed
    placed: int = 0


@dataclass(frozen=True, slots=True)
class Sampled:
    """What a row sampled. With `Stop.OPEN` it is a whole step."""

    row: Continuation
    tokens: list[int]
    logprobs: list[float] | None
    stop: Stop
    reason: str | None = None

    @property
    def computed(self) -> int:
        """How many of the tokens ran through the model: all but the last, and that too where the next draw failed."""
        return len(self.tokens) - (self.stop is not Stop.FAILED)


def run_last_tokens(runner: Runner, cache: PrefixCache, states: Sequence[Prefix], capacity: int) -> None:
    """Run each state's last token, whose keys and values are kept, and set `logits`; `capacity` rows at once.

    The states' `ids[:-1]` must be in the cache.
    """
    for begin in range(0, len(states), capacity):
        chunk = states[begin : begin + capacity]
        edge = max(len(s.ids) for s in chunk) - 1
        slots = runner.slots(capacity=len(chunk), edge=edge, columns=edge + 1)
        for i, state in enumerate(chunk):
            slots.place(cache.match(state.tree, state.ids[:-1]), i, 1)
        last = torch.tensor([[s.ids[-1]] for s in chunk], device=runner.device)
        logits = runner.forward(last, slots)
        for i, state in enumerate(chunk):
            state.logits = logits[i]
            state.computed.append((len(state.ids) - 1, len(state.ids)))
            cache.insert(state.tree, state.ids, len(state.ids) - 1, slots.read(i, edge, edge + 1))


class Decoder:
    """One call's decoding: samples every row of every state, in batches of bounded memory.

    The states' `ids[:-1]` must be in the cache. `may_end` (V,) marks the tokens after which `ends_step`
    decides whether the row has made a whole step; None: every row runs to its end.
    """

    def __init__(
        self,
        runner: Runner,
        cache: PrefixCache,
        states: Sequence[Prefix],
        *,
        sampling: Sampling,
        eos: BoolArray,
        batch_bytes: int,
        may_end: BoolArray | None,
        ends_step: Callable[[Continuation, Sequence[int]], bool],
    ) -> None:
        self.runner, self.cache, self.sampling = runner, cache, sampling
        self.eos, self.may_end, self.ends_step = eos, may_end, ends_step
        longest = max(len(s.ids) for s in states)
        room = max(row.room for s in states for row in s.rows)
        most = max(len(s.ids) + max(row.room for row in s.rows) for s in states)
        per_row = runner.shape.bytes_per_token * most + _LOGITS_BYTES * runner.vocabulary
        self._waiting = sum(len(s.rows) for s in states)
        self._queue = deque(states)
        self._done: list[Sampled] = []
        self._capacity = capacity = max(1, min(self._waiting, batch_bytes // per_row))
        self._slots = runner.slots(capacity=capacity, edge=longest, columns=longest + min(room, 128) + 1, main=True)
        # What follows is one entry a slot, and moves with it.
        self._rows: list[tuple[Prefix, Continuation]] = []
        self._seeds = np.zeros(capacity, np.uint64)
        self._past = np.zeros(capacity, np.int64)  # solution tokens before this call
        self._count = np.zeros(capacity, np.int64)  # tokens sampled in it
        self._room = np.zeros(capacity, np.int64)
        self._tokens = np.zeros((capacity, room), np.int64)
        self._logprobs = np.zeros((capacity, room), np.float32)
        self._last = torch.zeros(capacity, 1, dtype=torch.long, device=runner.device)

    def run(self) -> list[Sampled]:
        """Sample all rows; in the order in which they end."""
        while self._waiting or self._slots.n:
            self._admit()
            if self._slots.n:
                logits = self.runner.forward(self._last[: self._slots.n], self._slots)
                self._slots.advance()
                self._sample(0, logits)
        return self._done

    def _admit(self) -> None:
        free = self._capacity - self._slots.n
        # Rows are let in by the eighth of a batch, so that their first pass is worth a call.
        if not self._waiting or (self._slots.n and free < min(self._waiting, max(1, self._capacity // 8))):
            return
        taken: list[tuple[Prefix, list[Continuation]]] = []
        while free and self._queue:
            state = self._queue[0]
            rows = state.rows[state.placed : state.placed + free]
            taken.append((state, rows))
            state.placed += len(rows)
            free -= len(rows)
            if state.placed == len(state.rows):
                self._queue.popleft()
        run_last_tokens(self.runner, self.cache, [s for s, _ in taken if s.logits is None], self._capacity)
        begin = self._slots.n
        for state, rows in taken:
            at = self._slots.n
            self._slots.place(self.cache.match(state.tree, state.ids), at, len(rows))
            for i, row in enumerate(rows, at):
                self._seeds[i], self._past[i], self._room[i] = row.seed % 2**64, len(row.context), row.room
            self._rows.extend((state, row) for row in rows)
        self._count[begin : self._slots.n] = 0
        self._waiting -= self._slots.n - begin
        self._slots.floor = max((len(s.ids) for s in self._queue), default=0)
        each = torch.tensor([len(rows) for _, rows in taken], device=self.runner.device)
        logits = torch.stack([s.logits for s, _ in taken if s.logits is not None])
        for state, _ in taken:
            if state.placed == len(state.rows):
                state.logits = None
        self._sample(begin, logits.repeat_interleave(each, dim=0))

    def _sample(self, begin: int, logits: torch.Tensor) -> None:
        """Draw the next token of the rows from slot `begin` on, and let go of those that end."""
        part = slice(begin, self._slots.n)
        u = uniforms(self._seeds[part], self._past[part] + self._count[part])
        tokens, logprobs, sound = choose(logits, torch.from_numpy(u).to(self.runner.device), self.sampling)
        self._last[part, 0] = tokens
        drawn = tokens.cpu().numpy()
        at = np.arange(begin, self._slots.n)
        self._tokens[at, self._count[part]] = drawn
        self._logprobs[at, self._count[part]] = logprobs.cpu().numpy()
        self._count[part] += 1
        failed = ~sound.cpu().numpy()
        full = self._count[part] >= self._room[part]
        ended = self.eos[drawn] | full | failed
        look = ended if self.may_end is None else ended | self.may_end[drawn]
        gone = [
            begin + i
            for i in np.flatnonzero(look).tolist()
            if self._settle(begin + i, bool(failed[i]), bool(self.eos[drawn[i]]), bool(full[i]))
        ]
        if gone:
            self._release(gone)

    def _settle(self, slot: int, failed: bool, eos: bool, full: bool) -> bool:
        state, row = self._rows[slot]
        count = int(self._count[slot])
        tokens = self._tokens[slot, :count].tolist()
        logprobs = self._logprobs[slot, :count].tolist()
        if failed:
            at = len(row.context) + count - 1
            reason = f"the model's logits are not finite at token {at} of the solution"
            self._done.append(Sampled(row, tokens[:-1], logprobs[:-1], Stop.FAILED, reason))
            return True
        if eos or full:
            self._done.append(Sampled(row, tokens, logprobs, Stop.EOS if eos else Stop.LENGTH))
            return True
        if not self.ends_step(row, tokens):
            return False
        # The last token has no keys and values yet: the next call begins with it.
        past = len(state.ids)
        start = int(self._slots.starts[slot]) + past
        self.cache.insert(
            state.tree, (*state.ids, *tokens[:-1]), past, self._slots.read(slot, start, start + count - 1)
        )
        self._done.append(Sampled(row, tokens, logprobs, Stop.OPEN))
        return True

    def _release(self, gone: Sequence[int]) -> None:
        leaving = set(gone)
        source, target = self._slots.keep([i for i in range(self._slots.n) if i not in leaving])
        for array in (self._seeds, self._past, self._count, self._room, self._tokens, self._logprobs):
            array[target] = array[source]
        if source:
            self._last[target] = self._last[source]
        for a, b in zip(source, target, strict=True):
            self._rows[b] = self._rows[a]
        del self._rows[self._slots.n :]
