"""Rows in token ids: what vLLM's server is asked, and says beyond OpenAI's protocol."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from policies.backends.drawn_row import DrawnRow
from policies.backends.in_flight import Answer, Loop, Row
from policies.backends.model_policy import ModelPolicy, Probs, Unread, generation_config
from policies.backends.openai_client import Servers
from policies.backends.openai_text import one_row
from policies.backends.servers.replies import BadReplyError, Json, NoAnswerError, cached_in
from policies.checks import Call
from policies.decoding.loop import Sampled
from policies.models.engine_options import Chat
from policies.models.parameters import FlopPrice, Span
from policies.models.prompts import Continuation, State
from policies.models.steps import eos_ids
from policies.models.token_rows import TokenRow
from policies.policy import Sampling, Until
from verifiers.interface.scoring import ZERO, FloatArray, Spend
from verifiers.interface.solution import Solution, Stop, failed

T = TypeVar("T")

# A server else samples as the checkpoint's generation config says; top_k is told with the others.
_PLAIN = {"min_p": 0.0, "repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}


async def _settled(solution: Solution) -> Answer:
    return solution, Spend(policy_calls=1)


class IdRows(ModelPolicy):
    """Rows of a model on vLLM's server, which are sent and come back as ids of the tokenizer.

    The prompts are made here and not by the server, so that they and the steps are those of `policies.VLLM`.
    `context` is the server's, `others` its other models.
    """

    def __init__(
        self,
        servers: Servers,
        loop: Loop,
        model: str,
        tokenizer: Any,
        config: Any,
        *,
        chat: Chat,
        context: int | None,
        others: frozenset[str] = frozenset(),
    ) -> None:
        self.servers, self.loop, self.served, self.others = servers, loop, model, others
        config.name_or_path = model
        self.config, text = config, config.get_text_config()
        super().__init__(
            tokenizer,
            vocabulary=text.vocab_size,
            ends=eos_ids(generation_config(tokenizer.name_or_path), text, tokenizer),
            chat=chat,
            context=context,
            price=FlopPrice(math.nan),  # which only a server knows
            more=1,
        )

    def rows(self, call: Call) -> list[Row]:
        """The work of each row."""
        openings = self.prompts.openings(call.problems, call.prefixes, call.sampling, call.seeds)
        return [
            _settled(opening)
            if isinstance(opening, Solution)
            else self._row(prefix, opening, call.until, call.sampling)
            for prefix, opening in zip(call.prefixes, openings, strict=True)
        ]

    async def _row(self, prefix: Solution, row: Continuation, until: Until, sampling: Sampling) -> Answer:
        try:
            sampled, cost = await self._drawn(row, until, sampling)
        except NoAnswerError as error:
            return failed(error.reason, prefix.steps), one_row([error.cost])
        return self.extended(prefix, sampled, sampling), cost

    async def _drawn(self, row: Continuation, until: Until, sampling: Sampling) -> tuple[Sampled, Spend]:
        drawn = DrawnRow(row, self.cutter, sorted(self._ends), until, sampling)
        # The server's log-probabilities are the model's own, at temperature 1.
        own = sampling.temperature == 0 or (sampling.temperature == 1 and sampling.top_p == 1 and not sampling.top_k)
        told = sampling.logprobs and own
        others: list[Spend] = []  # of requests that came to nothing
        waiting = True
        while waiting:
            asked = {
                "prompt": drawn.ids,
                "max_tokens": int(drawn.room),
                "temperature": float(sampling.temperature),
                "top_p": float(sampling.top_p),
                "top_k": int(sampling.top_k),
                "seed": int(drawn.seed),
                "stop": [sampling.separator] if until == "step" else [],
                "include_stop_str_in_output": True,
                "stop_token_ids": drawn.ends,
                "logprobs": 0 if told else None,
                **_PLAIN,
            }
            read = partial(_drawn_of, told, self.cutter.vocabulary, sampling.separator if until == "step" else None)
            try:
                (ids, logprobs, cached, ended), cost = await self._ask(f"problem {row.problem!r}", asked, read)
            except NoAnswerError as error:
                error.cost = one_row([self._cost(drawn), *others, error.cost])
                raise
            others.append(cost)
            waiting = drawn.goes_on(ids, logprobs, cached, ended)
        return drawn.sampled(told=told), one_row([self._cost(drawn), *others])

    def _cost(self, drawn: DrawnRow) -> Spend:
        return self._spend(drawn.computed, drawn.begun, len(drawn.new), drawn.fed) if drawn.new else ZERO

    async def _ask(self, who: str, asked: Json, read: Callable[[Json, Json], T]) -> tuple[T, Spend]:
        def checked(reply: Json) -> T:
            if (model := reply.get("model")) != self.served and model in self.others:
                raise BadReplyError(f"it is of the model {model!r}")
            try:
                return read(reply["choices"][0], reply)
            except BadReplyError:
                raise
            except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError) as error:
                raise BadReplyError(f"it lacks what vLLM's server says: {type(error).__name__} {error}") from None

        body = {"model": self.served, "return_token_ids": True, "return_tokens_as_token_ids": True, **asked}
        return await self.servers.post("/completions", body, checked, who=who)

    def _read_all(self, asked: Sequence[tuple[str, Json, Callable[[Json, Json], T]]]) -> list[T | Unread]:
        """What is read of the reply to each request, or why it is not."""

        async def one(who: str, asked: Json, read: Callable[[Json, Json], T]) -> T | Unread:
            try:
                return (await self._ask(who, asked, read))[0]
            except NoAnswerError as error:
                return Unread(str(error), one_row([error.cost]))

        said = self.loop.run(*(one(*request) for request in asked))
        self.servers.check_there()
        return said

    def _model(self) -> Any:
        return self.config

    def _sampled(
        self, rows: Sequence[Continuation], until: Until, sampling: Sampling
    ) -> Iterator[tuple[Sampled, Spend]]:
        yield from self.loop.run(*(self._drawn(row, until, sampling) for row in rows))

    def _next_token_probs(
        self, states: Mapping[int, State], tokens: Sequence[int]
    ) -> Iterator[tuple[Sequence[int], Probs | Unread, Sequence[Span]]]:
        indices: dict[tuple[int, ...], list[int]] = {}
        for i, (_, _, ids) in states.items():
            indices.setdefault(ids, []).append(i)
        wanted = [int(token) for token in tokens]

        def read(choice: Json, reply: Json) -> tuple[Probs, int]:
            [top] = choice["logprobs"]["top_logprobs"]
            told = _finite([top[f"token_id:{token}"] for token in wanted])
            return np.exp(told, dtype=np.float32), cached_in(reply)

        asked = {"max_tokens": 1, "temperature": 0.0, "logprobs": 1, "logprob_token_ids": wanted, **_PLAIN}
        replies = self._read_all(
            [(f"problem {states[rows[0]][0]!r}", {**asked, "prompt": list(ids)}, read) for ids, rows in indices.items()]
        )
        for (ids, rows), said in zip(indices.items(), replies, strict=True):
            if isinstance(said, Unread):
                yield rows, said, ()
            else:
                yield rows, said[0], [(min(said[1], len(ids)), len(ids))]

    def _step_logprobs(self, rows: Sequence[TokenRow], prompts: Sequence[int]) -> Iterator[FloatArray | Unread]:
        def reading(row: TokenRow, prompt: int) -> Callable[[Json, Json], FloatArray]:
            def read(choice: Json, _: Json) -> FloatArray:
                places = zip(row.ids[1:], choice["prompt_logprobs"][1:], strict=True)
                told = _finite([place[str(i)]["logprob"] for i, place in places])
                return np.array([sum(told[a:b]) for a, b in pairwise([prompt - 1, *row.ends])], dtype=np.float32)

            return read

        asked = {"max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 0}
        yield from self._read_all(
            [
                ("a row of log-probabilities", {**asked, "prompt": list(row.ids)}, reading(row, prompt))
                for row, prompt in zip(rows, prompts, strict=True)
            ]
        )


def _drawn_of(
    told: bool, vocabulary: int, stop: str | None, choice: Json, reply: Json
) -> tuple[list[int], list[float], int, Stop]:
    """The ids that a row drew, their log-probabilities if `told`, how many of those before were cached, and its end.

    An end that is neither its length nor the text `stop` is the server's own: it may know ids that end a solution which
    are not known here.
    """
    ids = list(choice["token_ids"])
    logprobs = _finite(choice["logprobs"]["token_logprobs"]) if told else []
    reason = choice["finish_reason"]
    if reason not in ("stop", "length") or not ids or (told and len(ids) != len(logprobs)):
        raise BadReplyError(f"{len(ids)} tokens and the finish_reason {reason!r}", again=reason != "content_filter")
    if any(type(i) is not int or not 0 <= i < vocabulary for i in ids):
        raise BadReplyError(f"it has ids that are none of the model's {vocabulary}: its tokenizer is another model's")
    if reason == "length":
        ended = Stop.LENGTH
    else:
        ended = Stop.OPEN if stop is not None and choice.get("stop_reason") == stop else Stop.EOS
    return ids, logprobs, cached_in(reply), ended


def _finite(logprobs: Sequence[Any]) -> list[float]:
    numbers = [float(p) for p in logprobs]
    if not all(map(math.isfinite, numbers)):
        raise BadReplyError("it has log-probabilities that are no numbers")
    return numbers
