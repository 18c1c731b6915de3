"""Any decoder-only causal LM that transformers can load, as a policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from os import PathLike, fspath
from typing import Any, Self

import numpy as np
import torch
from transformers import PreTrainedModel

from policies.backends.model_policy import ModelPolicy, Probs
from policies.decoding.loop import Decoder, Prefix, Sampled
from policies.decoding.prefill import prefill
from policies.decoding.prefix_cache import PrefixCache
from policies.decoding.probabilities import next_token_probs, step_logprobs
from policies.decoding.runner import Runner
from policies.models.engine_options import Chat, DType
from policies.models.locks import running
from policies.models.parameters import Span
from policies.models.pretrained import load_pretrained, loading
from policies.models.prompts import Continuation, State
from policies.models.steps import eos_ids
from policies.models.token_rows import TokenRow
from policies.policy import Sampling, Until
from verifiers.interface.arguments import shown
from verifiers.interface.errors import BadArgument, check_least
from verifiers.interface.scoring import FloatArray, Spend

_GIB = 1 << 30


class Transformers(ModelPolicy):
    """A policy from a transformers model and its tokenizer, on whatever device the model is.

    Every row's sample is decided by its seed, problem and prefix: token `t` of a solution is drawn with
    one uniform number made from (seed, t), so batch-mates, batch sizes and earlier calls change nothing
    but float noise. A prefix with tokens is continued from exactly these ids; steps without tokens (a
    saved generation), or with those of another tokenizer, are tokenised as text, once.

    `chat=False` leaves a chat template out, and `chat={"enable_thinking": False}` gives it arguments. A prompt that
    ends with the assistant's message is continued. `batch_bytes` bounds the keys and values (and logits) of the
    rows decoded at once, default 2 GiB on a CPU and half the free memory of a GPU; `cache_bytes` those of
    prefixes that `remembering` keeps between the calls of a search. Neither changes a sample. When the cache is
    too small for the problems in flight, prefixes are computed again, and the spend says so. On a CPU the
    working memory stays for the next call; `forget` gives it back.

    Spend: a state (a prompt with a prefix) is computed once a call, or once a search with `remembering`, and
    charged to the first of its rows; to the others it is cached. FLOPs are 2 x parameters x computed tokens, where the
    parameters are all but the embedding tables, plus the LM head, and each computed token's attention to those before
    it (`policies.models.parameters`). The last sampled token is computed only when something is to follow it.

    Threads may share a policy: the model serves one call at a time.

    >>> from policies.models.tiny_example import tiny_model
    >>> from verifiers import Problem, Solution
    >>> policy = Transformers(*tiny_model())
    >>> problem, sampling = Problem("p1", "1+1="), Sampling(max_tokens=8)
    >>> reply = policy.extend([problem] * 2, [Solution()] * 2, until="end", sampling=sampling, seeds=[0, 1])
    >>> [s.token_count <= 8 for s in reply.solutions], [s.prompt_tokens for s in reply.spend]
    ([True, True], [4, 0])

    Raises ValueError for a model without a key-value cache, for byte counts that are no whole numbers, and for a prefix
    that has already ended.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: Any,
        *,
        chat: Chat = True,
        batch_bytes: int | None = None,
        cache_bytes: int = 2 * _GIB,
    ) -> None:
        if not callable(getattr(model, "forward", None)):
            told = "it is no model; load a folder or a hub's name by policies.Transformers.load(name)"
            raise BadArgument("model", shown(model), told)
        if not callable(getattr(tokenizer, "decode", None)):
            raise BadArgument("tokenizer", shown(tokenizer), "give the model's tokenizer, such as AutoTokenizer makes")
        check_least(0, {"cache_bytes": cache_bytes})
        if batch_bytes is not None:
            check_least(1, {"batch_bytes": batch_bytes})
        self.model = model
        self.batch_bytes = batch_bytes
        self.runner = runner = Runner(model)
        super().__init__(
            tokenizer,
            vocabulary=runner.vocabulary,
            ends=eos_ids(getattr(model, "generation_config", None), model.config.get_text_config(), tokenizer),
            chat=chat,
            context=runner.context,
            price=runner.price,
        )
        self.cache_bytes = cache_bytes
        self._memory: PrefixCache | None = None  # a call without one keeps its prefixes to itself
        self.eos = np.zeros(runner.vocabulary, np.bool_)
        self.eos[[i for i in self._ends if i < runner.vocabulary]] = True

    @classmethod
    def load(
        cls,
        name: str | PathLike[str],
        *,
        dtype: DType = "auto",
        device: str = "auto",
        chat: Chat = True,
        batch_bytes: int | None = None,
        cache_bytes: int = 2 * _GIB,
    ) -> Transformers:
        """Load a folder or a hub name; see `policies.models.pretrained.load_pretrained`."""
        model, tokenizer = load_pretrained(name, dtype=dtype, device=device)
        with loading(fspath(name)):
            return cls(model, tokenizer, chat=chat, batch_bytes=batch_bytes, cache_bytes=cache_bytes)

    def remembering(self) -> Self:
        """The same policy with a memory of prefixes, for the calls of one search, one after the other.

        A call in another thread while one is running raises RuntimeError.
        """
        twin = copy(self)
        twin._memory = PrefixCache(self.cache_bytes)
        return twin

    def forget(self) -> None:
        """Give back the working memory that a CPU keeps for the next call."""
        with running(self.model):
            self.runner.space.release()

    def _model(self) -> Any:
        return self.model

    def _sampled(self, rows: Sequence[Continuation], until: Until, sampling: Sampling) -> list[tuple[Sampled, Spend]]:
        cache = self._cache()
        with cache.call():
            by_state: dict[State, list[Continuation]] = {}
            for row in rows:
                by_state.setdefault((row.problem, row.prompt, (*row.prompt, *row.context)), []).append(row)
            states = [_prefix(cache, state, of_state) for state, of_state in by_state.items()]
            with self.runner.inference():
                batch_bytes = self._batch_bytes()
                prefill(self.runner, cache, states, batch_bytes)
                done = Decoder(
                    self.runner,
                    cache,
                    states,
                    sampling=sampling,
                    eos=self.eos,
                    batch_bytes=batch_bytes,
                    may_end=self.cutter.may_end(sampling.separator) if until == "step" else None,
                    ends_step=lambda row, new: self.cutter.ends_step(row.context, row.past, new, sampling.separator),
                ).run()
        # Of the rows of a state the first has paid for it; the rest found it ready.
        computed = {state.rows[0].index: state.computed for state in states}
        lengths = {row.index: len(state.ids) for state in states for row in state.rows}
        return [
            (
                s,
                self._spend(
                    computed.get(s.row.index, ()), at := lengths[s.row.index], len(s.tokens), [(at, at + s.computed)]
                ),
            )
            for s in done
        ]

    def _next_token_probs(
        self, states: Mapping[int, State], tokens: Sequence[int]
    ) -> Iterator[tuple[Sequence[int], Probs, Sequence[Span]]]:
        rows: dict[State, list[int]] = {}
        for i, state in states.items():
            rows.setdefault(state, []).append(i)
        cache = self._cache()
        with cache.call(), self.runner.inference():
            prefixes = [_prefix(cache, state, []) for state in rows]
            probs = next_token_probs(self.runner, cache, prefixes, tokens, self._batch_bytes())
        for indices, prefix, row in zip(rows.values(), prefixes, probs, strict=True):
            yield indices, row, prefix.computed

    def _step_logprobs(self, rows: Sequence[TokenRow], prompts: Sequence[int]) -> list[FloatArray]:
        return step_logprobs(self.runner, rows, prompts, self._batch_bytes())

    def _cache(self) -> PrefixCache:
        return PrefixCache(0) if self._memory is None else self._memory

    def _batch_bytes(self) -> int:
        device = self.runner.device
        if self.batch_bytes or device.type != "cuda":
            return self.batch_bytes or 2 * _GIB
        # What torch holds back from earlier calls is free to us, though not to the driver.
        idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return (torch.cuda.mem_get_info(device)[0] + idle) // 2


def _prefix(cache: PrefixCache, state: State, rows: list[Continuation]) -> Prefix:
    problem, prompt, ids = state
    return Prefix(cache.open((problem, prompt)), ids, len(prompt), rows)
