"""A causal LM on vLLM's offline engine, as a policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from policies.backends.vllm_engine import Engine, Reply, Request
from policies.checks import check_rows
from policies.models.chat import encode_text
from policies.models.engine_options import EngineOptions, dtype_for
from policies.models.parameters import flop_parameters
from policies.models.pretrained import checked_source, device_of, load_config, load_tokenizer
from policies.models.prompts import Prompts
from policies.models.steps import StepCutter, eos_ids
from policies.policy import Extended, NextTokens, Sampling, Until
from verifiers.interface.scoring import FloatArray, Scores, Spend
from verifiers.interface.seeds import seed_at
from verifiers.interface.solution import Problem, Solution, Stop


@dataclass(slots=True)
class _Continuation:
    """One row of a call: its ids so far, and what they cost."""

    index: int
    prompt: tuple[int, ...]
    context: list[int]  # the solution's ids before this call, without the prompt
    room: int
    past: int  # the characters that `context` stands for
    new: list[int]
    logprobs: list[float]
    computed: int = 0
    cached: int = 0
    forwards: int = 0  # new ids that were run through the model


class VLLM:
    """A policy from a folder or a hub name on vLLM's offline engine, on a GPU or a CPU.

    Prefixes go in as ids and come out as ids: a step ends with the token that completes the separator, whatever
    text this token has after it, and the next call goes on from exactly these ids. All rows of a call are in the
    engine at once, a request each: vLLM itself makes n requests of one that asks for n samples, and only single
    ones tell what each row found in the cache. Keys and values stay in the engine from call to call.

    Each row is drawn with its own seed, whatever is beside it. What rounding makes of the same row in another batch,
    or with another part of it cached, may differ in the last bits, and so, rarely, in a token.

    Spend is the engine's own account of cached and computed tokens. What it finds cached depends on what it has
    computed before, other problems included: the memory is the engine's, and `remembering` opens no other. FLOPs as
    in `policies.Transformers`. Log-probabilities are left out (None) where `top_p` or `top_k` are in use, because
    vLLM knows them after these only. Threads may share an engine; it takes one call at a time.

    Use it as a context manager, or call `close`: an engine holds memory, and on a GPU a process.

        with policies.load("vllm:Qwen/Qwen2.5-1.5B-Instruct") as policy:
            results = search.best_of_n(problems, policy, scorer, n=64)

    Raises ImportError where vLLM is not installed, ValueError where it cannot load the model.
    """

    def __init__(self, name: str | Path, *, chat: bool = True, options: EngineOptions | None = None) -> None:
        self.source = checked_source(name)
        self.tokenizer, self.config = load_tokenizer(self.source), load_config(self.source)
        text = self.config.get_text_config()
        self.cutter = StepCutter(self.tokenizer, text.vocab_size)
        self._ends = eos_ids(_generation_config(self.source), text, self.tokenizer)
        with torch.device("meta"):
            self.flops_per_token = 2.0 * flop_parameters(AutoModelForCausalLM.from_config(self.config))
        options = options or EngineOptions()
        dtype = dtype_for(options.dtype, self.config, device_of("auto"))
        self.engine = Engine(self.source, replace(options, dtype=dtype), kind="sampling")
        self.prompts = Prompts(self.tokenizer, self.cutter, chat=chat, context=self.engine.context)

    @property
    def name(self) -> str:
        """What a run writes down."""
        return Path(self.source).name

    @property
    def uses_chat_template(self) -> bool:
        """Whether prompts go through a chat template."""
        return self.prompts.uses_chat_template

    def prompt_ids(self, problem: Problem) -> tuple[int, ...]:
        """The ids that the model reads for a problem, chat template included."""
        return self.prompts.prompt_ids(problem)

    def encode(self, text: str) -> tuple[int, ...]:
        """The ids of a text that continues another: no special token is added."""
        return tuple(encode_text(self.tokenizer, text))

    def remembering(self) -> Self:
        """This policy itself: the engine remembers prefixes, of all searches alike."""
        return self

    def extend(
        self,
        problems: Sequence[Problem],
        prefixes: Sequence[Solution],
        *,
        until: Until,
        sampling: Sampling,
        seeds: Sequence[int],
    ) -> Extended:
        """Extend every prefix by a step or to its end; see `policies.Policy`."""
        check_rows(problems, prefixes, seeds, until)
        solutions: list[Solution | None] = [None] * len(problems)
        rows: list[_Continuation] = []
        for i, opening in enumerate(self.prompts.openings(problems, prefixes, sampling)):
            if isinstance(opening, Solution):
                solutions[i] = opening
            else:
                past = len(self.cutter.stable(opening.context))
                rows.append(_Continuation(i, opening.prompt, opening.context, opening.room, past, [], []))
        self._sample(rows, until, sampling, seeds)
        told = sampling.temperature == 0 or (sampling.top_p == 1 and sampling.top_k == 0)
        spend = [Spend(policy_calls=1)] * len(problems)
        for row in rows:
            ended = row.new[-1] in self._ends
            stop = Stop.EOS if ended else Stop.LENGTH if len(row.new) >= row.room else Stop.OPEN
            solutions[row.index] = self.cutter.extended(
                prefixes[row.index],
                row.context,
                row.past,
                row.new,
                row.logprobs if told else None,
                stop=stop,
                separator=sampling.separator,
            )
            spend[row.index] = self._spend(row)
        return Extended(tuple(s for s in solutions if s is not None), tuple(spend))

    def next_token_probs(
        self, problems: Sequence[Problem], prefixes: Sequence[Solution], *, tokens: Sequence[int]
    ) -> NextTokens:
        """The probability of each of `tokens` as the next one after each prefix, at temperature 1.

        Equal states are computed once and charged to the first row. Raises ValueError for a prefix that has ended.
        """
        check_rows(problems, prefixes, [0] * len(problems), "step")
        probs = np.full((len(problems), len(tokens)), np.nan, dtype=np.float32)
        reasons: list[str | None] = [None] * len(problems)
        spend = [Spend(policy_calls=1)] * len(problems)
        states: dict[tuple[int, ...], list[int]] = {}
        # The engine reads a next token only where it could also place one.
        for i, read in enumerate(self.prompts.states(problems, prefixes, more=1)):
            if isinstance(read, str):
                reasons[i] = read
            else:
                states.setdefault(read[1], []).append(i)
        wanted = tuple(tokens)
        replies = self.engine.sample([Request(ids, 1, temperature=0.0, tokens=wanted) for ids in states])
        for (ids, places), reply in zip(states.items(), replies, strict=True):
            for place, i in enumerate(places):
                probs[i] = np.exp(reply.first)
                computed = 0 if place else len(ids) - reply.cached
                spend[i] = Spend(
                    policy_calls=1,
                    prompt_tokens=computed,
                    cached_prompt_tokens=len(ids) - computed,
                    policy_flops=self.flops_per_token * computed,
                )
        return NextTokens(probs, tuple(spend), tuple(reasons))

    def logprobs(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """The log-probability of each step given all before it, in nats; `steps[i]` has shape (T_i,).

        See `policies.Transformers.logprobs`; the engine computes every row whole, whatever it has cached.
        """
        steps: list[FloatArray] = [np.full(len(s.steps), np.nan, dtype=np.float32) for s in solutions]
        rows = self.prompts.whole_rows(problems, solutions, self._ends, more=1)
        reasons = tuple(row if isinstance(row, str) else None for row in rows)
        spend = [Spend(policy_calls=1)] * len(problems)
        readable = {i: row for i, row in enumerate(rows) if isinstance(row, tuple)}
        logprobs = self.engine.prompt_logprobs([row.ids for _, row in readable.values()])
        for (i, (prompt, row)), token_logprobs in zip(readable.items(), logprobs, strict=True):
            sums = [sum(token_logprobs[a:b]) for a, b in pairwise([prompt - 1, *row.ends])]
            steps[i] = np.array(sums, dtype=np.float32)
            n = len(row.ids)
            spend[i] = Spend(policy_calls=1, prompt_tokens=n, policy_flops=self.flops_per_token * n)
        return Scores(tuple(steps), tuple(spend), reasons)

    def close(self) -> None:
        """Stop the engine; a second call does nothing."""
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _sample(self, rows: Sequence[_Continuation], until: Until, sampling: Sampling, seeds: Sequence[int]) -> None:
        """Sample every row to its end. A stop of the engine that is no step (a blank line at the start) goes on."""
        stop, ends = sampling.separator if until == "step" else None, tuple(sorted(self._ends))
        waiting = list(rows)
        while waiting:
            requests = [
                Request(
                    ids=(*row.prompt, *row.context, *row.new),
                    room=row.room - len(row.new),
                    temperature=sampling.temperature,
                    top_p=sampling.top_p,
                    top_k=sampling.top_k,
                    seed=_engine_seed(seeds[row.index], len(row.new)),
                    stop=stop,
                    ends=ends,
                )
                for row in waiting
            ]
            replies = self.engine.sample(requests)
            waiting = [
                row for row, reply in zip(waiting, replies, strict=True) if self._goes_on(row, reply, until, sampling)
            ]

    def _goes_on(self, row: _Continuation, reply: Reply, until: Until, sampling: Sampling) -> bool:
        """Add what a row has sampled; whether it has more to sample."""
        if not reply.ids:
            raise RuntimeError("vLLM's engine gave up on a row without a token")
        before = len(row.prompt) + len(row.context) + len(row.new)
        row.computed += before - reply.cached
        row.cached += reply.cached
        row.forwards += max(len(reply.ids) - 1, 0)
        row.new += reply.ids
        row.logprobs += reply.logprobs
        if until == "end":
            return False
        # An engine that draws several tokens at a time may stop behind the step.
        while len(row.new) > 1 and self.cutter.ends_step(row.context, row.past, row.new[:-1], sampling.separator):
            row.new.pop()
            row.logprobs.pop()
        if len(row.new) >= row.room or row.new[-1] in self._ends:
            return False
        return not self.cutter.ends_step(row.context, row.past, row.new, sampling.separator)

    def _spend(self, row: _Continuation) -> Spend:
        return Spend(
            policy_calls=1,
            prompt_tokens=row.computed,
            cached_prompt_tokens=row.cached,
            sampled_tokens=len(row.new),
            policy_flops=self.flops_per_token * (row.computed + row.forwards),
        )


def _engine_seed(seed: int, drawn: int) -> int:
    """A row's seed for the engine, whose seeds are signed; one that goes on must not draw the same numbers again."""
    return seed % 2**63 if not drawn else seed_at(seed, "again", drawn)


def _generation_config(name: str) -> Any:
    try:
        return GenerationConfig.from_pretrained(name)
    except OSError:  # it has none
        return None
