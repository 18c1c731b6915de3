"""A causal LM on vLLM's offline engine, as a policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from policies.backends.model_policy import ModelPolicy, Probs
from policies.backends.vllm_engine import Engine, Reply, Request, reply_of
from policies.backends.vllm_stream import VLLMStream
from policies.decoding.loop import Sampled
from policies.models.chat import check_template
from policies.models.engine_options import Chat, EngineOptions, dtype_for
from policies.models.parameters import flop_parameters
from policies.models.pretrained import checked_source, device_of, load_config, load_tokenizer, loading
from policies.models.prompts import Continuation, State
from policies.models.steps import eos_ids
from policies.models.tensors import file_of
from policies.models.token_rows import TokenRow
from policies.policy import Sampling, Until
from verifiers.interface.scoring import FloatArray, Spend
from verifiers.interface.seeds import seed_at
from verifiers.interface.solution import Stop


@dataclass(slots=True)
class Drawn:
    """What a row has drawn in this call, and what that cost."""

    row: Continuation
    new: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    computed: int = 0
    cached: int = 0
    forwards: int = 0  # new ids that were run through the model


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

    def __init__(self, name: str | Path, *, chat: Chat = True, options: EngineOptions | None = None) -> None:
        self.source = checked_source(name)
        tokenizer, self.config = load_tokenizer(self.source), load_config(self.source)
        self.config.name_or_path = self.source
        text = self.config.get_text_config()
        with loading(self.source), torch.device("meta"):
            parameters = flop_parameters(AutoModelForCausalLM.from_config(self.config))
        check_template(tokenizer, chat)
        ends = eos_ids(_generation_config(self.source), text, tokenizer)  # what can fail comes before the engine
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
            flops_per_token=2.0 * parameters,
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
        """Sample every row to its end."""
        rows_drawn = [self.begun(row) for row in rows]
        waiting = rows_drawn
        while waiting:
            replies = self.engine.sample([self.request(d, until, sampling) for d in waiting])
            waiting = [d for d, reply in zip(waiting, replies, strict=True) if self._adds(d, reply, until, sampling)]
        for d in rows_drawn:
            yield self.drawn(d, sampling)

    def stream(self) -> VLLMStream:
        """Rows of the engine one by one, for searches that do not wait for each other (`policies.policy.RowStream`)."""
        return VLLMStream(self)

    def begun(self, row: Continuation) -> Drawn:
        """A row of which nothing is drawn."""
        return Drawn(row)

    def request(self, drawn: Drawn, until: Until, sampling: Sampling) -> Request:
        """What the engine is to draw of a row next."""
        row, new = drawn.row, drawn.new
        return Request(
            ids=(*row.prompt, *row.context, *new),
            room=row.room - len(new),
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            seed=_engine_seed(row.seed, len(new)) if self.seeded else None,
            stop=sampling.separator if until == "step" else None,
            ends=self._sorted_ends,
            logprobs=_told(sampling),
        )

    def goes_on(self, drawn: Drawn, output: Any, until: Until, sampling: Sampling) -> bool:
        """Add what the engine has drawn of a row; whether it has more to draw."""
        return self._adds(drawn, reply_of(output), until, sampling)

    def drawn(self, drawn: Drawn, sampling: Sampling) -> tuple[Sampled, Spend]:
        """A row that has ended, and its cost."""
        new = drawn.new
        ended = Stop.EOS if new[-1] in self._ends else Stop.LENGTH if len(new) >= drawn.row.room else Stop.OPEN
        cost = self._spend(drawn.computed, drawn.computed + drawn.cached, len(new), drawn.forwards)
        return Sampled(drawn.row, new, drawn.logprobs if _told(sampling) else None, ended), cost

    def _adds(self, drawn: Drawn, reply: Reply, until: Until, sampling: Sampling) -> bool:
        """Add what a row has sampled; whether it goes on, as behind a stop that is no step (a blank line at first)."""
        if not reply.ids:
            raise RuntimeError("vLLM's engine gave up on a row without a token")
        row, new = drawn.row, drawn.new
        drawn.computed += len(row.prompt) + len(row.context) + len(new) - reply.cached
        drawn.cached += reply.cached
        drawn.forwards += len(reply.ids) - 1
        new += reply.ids
        drawn.logprobs += reply.logprobs
        if until == "end":
            return False
        # An engine that draws several tokens at a time may stop behind the step.
        while len(new) > 1 and self.cutter.ends_step(row.context, row.past, new[:-1], sampling.separator):
            new.pop()
            del drawn.logprobs[len(new) :]
        if len(new) >= row.room or new[-1] in self._ends:
            return False
        return not self.cutter.ends_step(row.context, row.past, new, sampling.separator)

    def _next_token_probs(
        self, states: Mapping[int, State], tokens: Sequence[int]
    ) -> Iterator[tuple[Sequence[int], Probs, int]]:
        indices: dict[tuple[int, ...], list[int]] = {}
        for i, (_, _, ids) in states.items():
            indices.setdefault(ids, []).append(i)
        wanted = tuple(tokens)
        replies = self.engine.sample([Request(ids, 1, temperature=0.0, tokens=wanted) for ids in indices])
        for (ids, rows), reply in zip(indices.items(), replies, strict=True):
            yield rows, np.exp(reply.first), len(ids) - reply.cached

    def _step_logprobs(self, rows: Sequence[TokenRow], prompts: Sequence[int]) -> Iterator[FloatArray]:
        logprobs = self.engine.prompt_logprobs([row.ids for row in rows])
        for row, prompt, of_row in zip(rows, prompts, logprobs, strict=True):
            yield np.array([sum(of_row[a:b]) for a, b in pairwise([prompt - 1, *row.ends])], dtype=np.float32)


def _told(sampling: Sampling) -> bool:
    """Whether log-probabilities are wanted, and can be known: vLLM has them after `top_p` and `top_k` only."""
    return sampling.logprobs and (sampling.temperature == 0 or (sampling.top_p == 1 and sampling.top_k == 0))


def _engine_seed(seed: int, drawn: int) -> int:
    """A row's seed for the engine, whose seeds are signed; one that goes on must not draw the same numbers again."""
    return seed % 2**63 if not drawn else seed_at(seed, "again", drawn)


def _generation_config(name: str) -> Any:
    with loading(name, what="generation_config.json"):
        return None if file_of(name, "generation_config.json") is None else GenerationConfig.from_pretrained(name)
