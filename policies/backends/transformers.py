"""Any decoder-only causal LM that transformers can load, as a policy."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from transformers import PreTrainedModel

from policies.checks import check_rows
from policies.decoding.loop import Continuation, Decoder, Prefix, Sampled
from policies.decoding.prefill import prefill
from policies.decoding.prefix_cache import PrefixCache
from policies.decoding.probabilities import next_token_probs, step_logprobs
from policies.decoding.runner import Runner
from policies.models.chat import encode_text
from policies.models.engine_options import DType
from policies.models.locks import running
from policies.models.pretrained import load_pretrained
from policies.models.prompts import Prompts
from policies.models.steps import StepCutter, eos_ids
from policies.policy import Extended, NextTokens, Sampling, Until
from verifiers.interface.scoring import FloatArray, Scores, Spend
from verifiers.interface.solution import Problem, Solution

_GIB = 1 << 30


class Transformers:
    """A policy from a transformers model and its tokenizer, on whatever device the model is.

    Every row's sample is decided by its seed, problem and prefix: token `t` of a solution is drawn with
    one uniform number made from (seed, t), so batch-mates, batch sizes and earlier calls change nothing
    but float noise. A prefix with tokens is continued from exactly these ids; steps without tokens (a
    saved generation), or with those of another tokenizer, are tokenised as text, once.

    `chat=False` leaves a chat template out. `batch_bytes` bounds the keys and values (and logits) of the
    rows decoded at once, default 2 GiB on a CPU and half the free memory of a GPU; `cache_bytes` those of
    prefixes that `remembering` keeps between the calls of a search. Neither changes a sample. When the cache is
    too small for the problems in flight, prefixes are computed again, and the spend says so. On a CPU the
    working memory stays for the next call; `forget` gives it back.

    Spend: a state (a prompt with a prefix) is computed once a call, or once a search with `remembering`, and
    charged to the first of its rows; to the others it is cached. FLOPs are 2 x parameters x computed tokens,
    where the parameters are all but the embedding tables, plus the LM head
    (`policies.models.parameters.flop_parameters`). The last sampled token is computed only when something is to
    follow it.

    Threads may share a policy: the model serves one call at a time.

    >>> from policies.models.tiny_example import tiny_model
    >>> policy = Transformers(*tiny_model())
    >>> problem, sampling = Problem("p1", "1+1="), Sampling(max_tokens=8)
    >>> reply = policy.extend([problem] * 2, [Solution()] * 2, until="end", sampling=sampling, seeds=[0, 1])
    >>> [s.token_count <= 8 for s in reply.solutions], [s.prompt_tokens for s in reply.spend]
    ([True, True], [4, 0])

    Raises ValueError for a model without a key-value cache, and for a prefix that has already ended.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: Any,
        *,
        chat: bool = True,
        batch_bytes: int | None = None,
        cache_bytes: int = 2 * _GIB,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.batch_bytes = batch_bytes
        self.runner = Runner(model)
        self.cutter = StepCutter(tokenizer, self.runner.vocabulary)
        self.prompts = Prompts(tokenizer, self.cutter, chat=chat, context=self.runner.context)
        self.cache_bytes = cache_bytes
        self._memory: PrefixCache | None = None  # a call without one keeps its prefixes to itself
        self.eos = np.zeros(self.runner.vocabulary, np.bool_)
        self._ends = eos_ids(getattr(model, "generation_config", None), model.config.get_text_config(), tokenizer)
        self.eos[[i for i in self._ends if i < self.runner.vocabulary]] = True

    @classmethod
    def load(
        cls,
        name: str | Path,
        *,
        dtype: DType = "auto",
        device: str = "auto",
        chat: bool = True,
        batch_bytes: int | None = None,
        cache_bytes: int = 2 * _GIB,
    ) -> Transformers:
        """Load a folder or a hub name; see `policies.models.pretrained.load_pretrained`."""
        model, tokenizer = load_pretrained(name, dtype=dtype, device=device)
        return cls(model, tokenizer, chat=chat, batch_bytes=batch_bytes, cache_bytes=cache_bytes)

    def remembering(self) -> Self:
        """The same policy with a memory of prefixes, for the calls of one search, one after the other.

        A call in another thread while one is running raises RuntimeError.
        """
        twin = copy(self)
        twin._memory = PrefixCache(self.cache_bytes)
        return twin

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
        spend = [Spend(policy_calls=1)] * len(problems)
        openings = self.prompts.openings(problems, prefixes, sampling)
        cache = self._cache()
        with cache.call():
            states: dict[Hashable, tuple[Prefix, int]] = {}
            for i, (problem, opening, seed) in enumerate(zip(problems, openings, seeds, strict=True)):
                if isinstance(opening, Solution):
                    solutions[i] = opening
                    continue
                prompt, context = opening.prompt, opening.context
                ids = (*prompt, *context)
                tree = cache.open((problem.id, prompt))
                state, _ = states.setdefault((problem.id, ids), (Prefix(tree, ids, []), len(prompt)))
                past = state.rows[0].past if state.rows else len(self.cutter.stable(context))
                state.rows.append(Continuation(i, seed, context, past, opening.room))
            decoded = self._decode(cache, list(states.values()), until, sampling)
        for sampled, cost in decoded:
            i = sampled.row.index
            reason = sampled.reason and f"problem {problems[i].id!r}: {sampled.reason}"
            solutions[i] = self.cutter.extended(
                prefixes[i],
                sampled.row.context,
                sampled.row.past,
                sampled.tokens,
                sampled.logprobs,
                stop=sampled.stop,
                reason=reason,
                separator=sampling.separator,
            )
            spend[i] = cost
        return Extended(tuple(s for s in solutions if s is not None), tuple(spend))

    def encode(self, text: str) -> tuple[int, ...]:
        """The ids of a text that continues another: no special token is added."""
        return tuple(encode_text(self.tokenizer, text))

    def next_token_probs(
        self, problems: Sequence[Problem], prefixes: Sequence[Solution], *, tokens: Sequence[int]
    ) -> NextTokens:
        """The probability of each of `tokens` as the next one after each prefix, at temperature 1.

        States are computed and charged as in `extend`. Raises ValueError for a prefix that has ended.
        """
        check_rows(problems, prefixes, [0] * len(problems), "step")
        probs = np.full((len(problems), len(tokens)), np.nan, dtype=np.float32)
        reasons: list[str | None] = [None] * len(problems)
        spend = [Spend(policy_calls=1)] * len(problems)
        states: dict[Hashable, tuple[Prefix, int]] = {}
        rows: dict[Hashable, list[int]] = {}
        cache = self._cache()
        with cache.call():
            for i, (problem, read) in enumerate(zip(problems, self.prompts.states(problems, prefixes), strict=True)):
                if isinstance(read, str):
                    reasons[i] = read
                    continue
                prompt, ids = read
                tree = cache.open((problem.id, prompt))
                states.setdefault((problem.id, ids), (Prefix(tree, ids, []), len(prompt)))
                rows.setdefault((problem.id, ids), []).append(i)
            if not states:
                return NextTokens(probs, tuple(spend), tuple(reasons))
            with self.runner.inference():
                distributions = next_token_probs(self.runner, cache, list(states.values()), tokens, self._batch_bytes())
        for (state, _), indices, row in zip(states.values(), rows.values(), distributions, strict=True):
            for place, i in enumerate(indices):
                probs[i] = row
                spend[i] = self._spend(0 if place else state.computed, len(state.ids))
        return NextTokens(probs, tuple(spend), tuple(reasons))

    def logprobs(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """The log-probability of each step given all before it, in nats; `steps[i]` has shape (T_i,).

        Each step's tokens are its own, or its text's where it has none or those of another tokenizer. A
        finished solution's last step includes the end of sequence. Rows over the context are NaN with a reason.
        Nothing is cached: a row's cost is all its tokens.
        """
        steps: list[FloatArray] = [np.full(len(s.steps), np.nan, dtype=np.float32) for s in solutions]
        rows = self.prompts.whole_rows(problems, solutions, self._ends)
        reasons = tuple(row if isinstance(row, str) else None for row in rows)
        readable = {i: row for i, row in enumerate(rows) if isinstance(row, tuple)}
        if readable:
            prompts, token_rows = zip(*readable.values(), strict=True)
            sums = step_logprobs(self.runner, token_rows, prompts, self._batch_bytes())
            for i, row_sums in zip(readable, sums, strict=True):
                steps[i] = row_sums
        lengths = [len(readable[i][1].ids) if i in readable else 0 for i in range(len(problems))]
        spend = [self._spend(n, n) for n in lengths]
        return Scores(tuple(steps), tuple(spend), reasons)

    def forget(self) -> None:
        """Give back the working memory that a CPU keeps for the next call."""
        with running(self.model):
            self.runner.space.release()

    @property
    def uses_chat_template(self) -> bool:
        """Whether prompts go through a chat template."""
        return self.prompts.uses_chat_template

    def prompt_ids(self, problem: Problem) -> tuple[int, ...]:
        """The ids that the model reads for a problem, chat template included."""
        return self.prompts.prompt_ids(problem)

    def _cache(self) -> PrefixCache:
        return PrefixCache(0) if self._memory is None else self._memory

    def _decode(
        self, cache: PrefixCache, states: list[tuple[Prefix, int]], until: Until, sampling: Sampling
    ) -> list[tuple[Sampled, Spend]]:
        if not states:
            return []
        with self.runner.inference():
            batch_bytes = self._batch_bytes()
            prefill(self.runner, cache, states, batch_bytes)
            done = Decoder(
                self.runner,
                cache,
                [state for state, _ in states],
                sampling=sampling,
                eos=self.eos,
                batch_bytes=batch_bytes,
                may_end=self.cutter.may_end(sampling.separator) if until == "step" else None,
                ends_step=lambda row, new: self.cutter.ends_step(row.context, row.past, new, sampling.separator),
            ).run()
        # Of the rows of a state the first has paid for it; the rest found it ready.
        computed = {state.rows[0].index: state.computed for state, _ in states}
        lengths = {row.index: len(state.ids) for state, _ in states for row in state.rows}
        return [
            (s, self._spend(computed.get(s.row.index, 0), lengths[s.row.index], len(s.tokens), s.computed))
            for s in done
        ]

    def _batch_bytes(self) -> int:
        return self.batch_bytes or _default_batch_bytes(self.runner.device)

    def _spend(self, computed: int, length: int, sampled: int = 0, sampled_computed: int = 0) -> Spend:
        return Spend(
            policy_calls=1,
            prompt_tokens=computed,
            # A shared prompt's last token runs once more where its logits are wanted.
            cached_prompt_tokens=max(0, length - computed),
            sampled_tokens=sampled,
            policy_flops=self.runner.flops_per_token * (computed + sampled_computed),
        )


def _default_batch_bytes(device: torch.device) -> int:
    if device.type != "cuda":
        return 2 * _GIB
    # What torch holds back from earlier calls is free to us, though not to the driver.
    idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return (torch.cuda.mem_get_info(device)[0] + idle) // 2
