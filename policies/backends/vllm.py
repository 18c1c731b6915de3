"""A causal LM on vLLM's offline engine, as a policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from os import PathLike
from typing import Any, Self

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from policies.backends.drawn_row import DrawnRow
from policies.backends.model_policy import ModelPolicy, Probs, generation_config
from policies.backends.vllm_engine import Engine, Request
from policies.backends.vllm_stream import VLLMStream
from policies.decoding.loop import Sampled
from policies.models.chat import check_template
from policies.models.engine_options import Chat, EngineOptions, dtype_for
from policies.models.parameters import Span, flop_price
from policies.models.pretrained import checked_source, device_of, load_config, load_tokenizer, loading
from policies.models.prompts import Continuation, State
from policies.models.steps import eos_ids
from policies.models.token_rows import TokenRow
from policies.policy import Sampling, Until
from verifiers.interface.scoring import FloatArray, Spend
from verifiers.interface.solution import Solution


class VLLM(ModelPolicy):
    """A policy from a folder or a hub name on vLLM's offline engine, on a GPU or a CPU.

    Prefixes go in as ids and come out as ids: a step ends with the token that completes the separator, whatever
    text this token has after it, and the next call goes on from exactly these ids. All rows of a call are in the
    engine at once, a request each: vLLM itself makes n requests of one that asks for n samples, and only single
    ones tell what each row found in the cache. Keys and values stay in the engine from call to call.

    Each row is drawn with its own seed, whatever is beside it; `EngineOptions(seeded=False)` saves their time, and then
    each run is another, and the name says so. What rounding makes of the same row in another batch, or with another
    part of it cached, may differ in the last bits, and so, rarely, in a token.

    Spend is the engine's own account of cached and computed tokens. What it finds cached depends on what it has
    computed before, other problems included: the memory is the engine's, and `remembering` opens no other. FLOPs as
    in `policies.Transformers`. Log-probabilities are left out (None) unless `Sampling(logprobs=True)` asks for them,
    and where `top_p` or `top_k` are in use, because vLLM knows them after these only. Threads may share an engine.

    Use it as a context manager, or call `close`: an engine holds memory, and on a GPU a process.

        with policies.load("vllm:Qwen/Qwen2.5-1.5B-Instruct") as policy:
            results = search.best_of_n(problems, policy, scorer, n=64)

    Raises ImportError where vLLM is not installed, ValueError where it cannot load the model.
    """

    def __init__(self, name: str | PathLike[str], *, chat: Chat = True, options: EngineOptions | None = None) -> None:
        self.source = checked_source(name)
        tokenizer, self.config = load_tokenizer(self.source), load_config(self.source)
        self.config.name_or_path = self.source
        text = self.config.get_text_config()
        with loading(self.source), torch.device("meta"):
            price = flop_price(AutoModelForCausalLM.from_config(self.config))
        check_template(tokenizer, chat)
        ends = eos_ids(generation_config(self.source), text, tokenizer)  # what can fail comes before the engine
        options = options or EngineOptions()
        dtype = dtype_for(options.dtype, self.config, device_of("auto"))
        self.seeded = options.seeded
        self.engine = Engine(self.source, replace(options, dtype=dtype), kind="sampling")
        super().__init__(
            tokenizer,
            vocabulary=text.vocab_size,
            ends=ends,
            chat=chat,
            context=self.engine.context,
            price=price,
            more=1,  # the engine reads a next token only where it could also place one
        )
        self._sorted_ends = tuple(sorted(self._ends))

    def remembering(self) -> Self:
        """This policy itself: the engine remembers prefixes, of all searches alike."""
        return self

    def close(self) -> None:
        """Stop the engine; a second call does nothing."""
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        """What a run writes down; rows without seeds are another policy."""
        return super().name + ("" if self.seeded else "[unseeded]")

    def _model(self) -> Any:
        return self.config

    def _sampled(
        self, rows: Sequence[Continuation], until: Until, sampling: Sampling
    ) -> Iterator[tuple[Sampled, Spend]]:
        """Sample every row to its end. A stop of the engine that is no step (a blank line at the start) goes on."""
        drawn = [self.begun(row, until, sampling) for row in rows]
        waiting = drawn
        while waiting:
            replies = self.engine.sample([self.request(d) for d in waiting])
            waiting = [d for d, r in zip(waiting, replies, strict=True) if d.goes_on(r.ids, r.logprobs, r.cached)]
        for d in drawn:
            yield d.sampled(told=_told(sampling)), self.cost(d)

    def stream(self) -> VLLMStream:
        """Rows of the engine one by one, for searches that do not wait for each other (`policies.policy.RowStream`)."""
        return VLLMStream(self)

    def begun(self, row: Continuation, until: Until, sampling: Sampling) -> DrawnRow:
        """A row of which nothing is drawn."""
        return DrawnRow(row, self.cutter, self._sorted_ends, until, sampling)

    def request(self, drawn: DrawnRow) -> Request:
        """What the engine is to draw of a row next."""
        sampling = drawn.sampling
        return Request(
            ids=drawn.ids,
            room=drawn.room,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            seed=drawn.seed if self.seeded else None,
            stop=sampling.separator if drawn.until == "step" else None,
            ends=self._sorted_ends,
            logprobs=_told(sampling),
        )

    def solution(self, prefix: Solution, drawn: DrawnRow) -> Solution:
        """A prefix with what a row has drawn behind it."""
        return self.extended(prefix, drawn.sampled(told=_told(drawn.sampling)), drawn.sampling)

    def cost(self, drawn: DrawnRow) -> Spend:
        """What a row has cost so far."""
        return self._spend(drawn.computed, drawn.begun, len(drawn.new), drawn.fed)

    def _next_token_probs(
        self, states: Mapping[int, State], tokens: Sequence[int]
    ) -> Iterator[tuple[Sequence[int], Probs, Sequence[Span]]]:
        indices: dict[tuple[int, ...], list[int]] = {}
        for i, (_, _, ids) in states.items():
            indices.setdefault(ids, []).append(i)
        wanted = tuple(tokens)
        replies = self.engine.sample([Request(ids, 1, temperature=0.0, tokens=wanted) for ids in indices])
        for (ids, rows), reply in zip(indices.items(), replies, strict=True):
            yield rows, np.exp(reply.first), [(reply.cached, len(ids))]

    def _step_logprobs(self, rows: Sequence[TokenRow], prompts: Sequence[int]) -> Iterator[FloatArray]:
        logprobs = self.engine.prompt_logprobs([row.ids for row in rows])
        for row, prompt, of_row in zip(rows, prompts, logprobs, strict=True):
            yield np.array([sum(of_row[a:b]) for a, b in pairwise([prompt - 1, *row.ends])], dtype=np.float32)


def _told(sampling: Sampling) -> bool:
    """Whether log-probabilities are wanted, and can be known: vLLM has them after `top_p` and `top_k` only."""
    return sampling.logprobs and (sampling.temperature == 0 or (sampling.top_p == 1 and sampling.top_k == 0))
