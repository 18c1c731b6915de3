"""Rows in token ids: what vLLM's server is asked, and says beyond OpenAI's protocol."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from policies.backends.drawn_row import DrawnRow
from policies.backends.in_flight import Answer, Loop, Row
from policies.backends.model_policy import ModelPolicy, Probs, generation_config
from policies.backends.openai_client import BadReplyError, Json, NoAnswerError, Servers
from policies.checks import check_rows
from policies.decoding.loop import Sampled
from policies.models.engine_options import Chat
from policies.models.prompts import Continuation, State
from policies.models.steps import eos_ids
from policies.models.token_rows import TokenRow
from policies.policy import Sampling, Until
from verifiers.interface.scoring import FloatArray, Spend
from verifiers.interface.solution import Problem, Solution, failed

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
            flops_per_token=math.nan,  # which only a server knows
            more=1,
        )

    def rows(
        self,
        problems: Sequence[Problem],
        prefixes: Sequence[Solution],
        *,
        until: Until,
        sampling: Sampling,
        seeds: Sequence[int],
    ) -> list[Row]:
        """The work of each row."""
        check_rows(problems, prefixes, seeds, until)
        return [
            _settled(opening) if isinstance(opening, Solution) else self._row(prefix, opening, until, sampling)
            for prefix, opening in zip(
                prefixes, self.prompts.openings(problems, prefixes, sampling, seeds), strict=True
            )
        ]

    async def _row(self, prefix: Solution, row: Continuation, until: Until, sampling: Sampling) -> Answer:
        try:
            sampled, cost = await self._drawn(row, until, sampling)
        except NoAnswerError as error:
            return failed(str(error), prefix.steps), Spend(policy_calls=1)
        return self.extended(prefix, sampled, sampling), cost

    async def _drawn(self, row: Continuation, until: Until, sampling: Sampling) -> tuple[Sampled, Spend]:
        drawn = DrawnRow(row, self.cutter, sorted(self._ends), until, sampling)
        # The server's log-probabilities are the model's own, at temperature 1.
        own = sampling.temperature == 0 or (sampling.temperature == 1 and sampling.top_p == 1 and not sampling.top_k)
        told = sampling.logprobs and own
        waiting = True
        while waiting:
            asked = {
                "prompt": drawn.ids,
                "max_tokens": drawn.room,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "top_k": sampling.top_k,
                "seed": drawn.seed,
                "stop": [sampling.separator] if until == "step" else [],
                "include_stop_str_in_output": True,
                "stop_token_ids": drawn.ends,
                "logprobs": 0 if told else None,
                **_PLAIN,
            }
            ids, logprobs, cached = await self._ask(row.problem, asked, partial(_drawn_of, told))
            waiting = drawn.goes_on(ids, logprobs, cached)
        return drawn.sampled(told=told), self._spend(drawn.computed, drawn.computed + drawn.cached, len(drawn.new))

    async def _ask(self, problem: str, asked: Json, read: Any) -> Any:
        def checked(reply: Json) -> Any:
            if (model := reply.get("model")) != self.served and model in self.others:
                raise BadReplyError(f"it is of the model {model!r}")
            try:
                return read(reply["choices"][0], reply)
            except (KeyError, IndexError, TypeError, AttributeError) as error:
                raise BadReplyError(f"it lacks what vLLM's server says: {type(error).__name__} {error}") from None

        body = {"model": self.served, "return_token_ids": True, "return_tokens_as_token_ids": True, **asked}
        return await self.servers.post("/completions", body, checked, who=f"problem {problem!r}")

    def _model(self) -> Any:
        return self.config

    def _sampled(
        self, rows: Sequence[Continuation], until: Until, sampling: Sampling
    ) -> Iterator[tuple[Sampled, Spend]]:
        yield from self.loop.run(*(self._drawn(row, until, sampling) for row in rows))

    def _next_token_probs(
        self, states: Mapping[int, State], tokens: Sequence[int]
    ) -> Iterator[tuple[Sequence[int], Probs, int]]:
        indices: dict[tuple[int, ...], list[int]] = {}
        for i, (_, _, ids) in states.items():
            indices.setdefault(ids, []).append(i)
        wanted = list(tokens)

        def read(choice: Json, reply: Json) -> tuple[Probs, int]:
            [top] = choice["logprobs"]["top_logprobs"]
            return np.exp([top[f"token_id:{token}"] for token in wanted], dtype=np.float32), _cached(reply)

        asked = {"max_tokens": 1, "temperature": 0.0, "logprobs": 1, "logprob_token_ids": wanted, **_PLAIN}
        replies = self.loop.run(
            *(self._ask(states[rows[0]][0], {**asked, "prompt": list(ids)}, read) for ids, rows in indices.items())
        )
        for (ids, rows), (probs, cached) in zip(indices.items(), replies, strict=True):
            yield rows, probs, len(ids) - cached

    def _step_logprobs(self, rows: Sequence[TokenRow], prompts: Sequence[int]) -> Iterator[FloatArray]:
        def read(choice: Json, _: Json) -> list[dict[str, Any]]:
            return list(choice["prompt_logprobs"])

        asked = {"max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 0}
        replies = self.loop.run(*(self._ask("", {**asked, "prompt": list(row.ids)}, read) for row in rows))
        for row, prompt, at in zip(rows, prompts, replies, strict=True):
            of_row = [place[str(i)]["logprob"] for i, place in zip(row.ids[1:], at[1:], strict=True)]
            yield np.array([sum(of_row[a:b]) for a, b in pairwise([prompt - 1, *row.ends])], dtype=np.float32)


def _drawn_of(told: bool, choice: Json, reply: Json) -> tuple[list[int], list[float], int]:
    """The ids that a row drew, their log-probabilities if `told`, and how many of the ids before them were cached."""
    ids = list(choice["token_ids"])
    logprobs = [float(p) for p in choice["logprobs"]["token_logprobs"]] if told else []
    if choice["finish_reason"] not in ("stop", "length") or not ids or (told and len(ids) != len(logprobs)):
        raise BadReplyError(f"{len(ids)} tokens and the finish_reason {choice['finish_reason']!r}")
    return ids, logprobs, _cached(reply)


def _cached(reply: Json) -> int:
    """How many ids the server found in its memory: 0 where it does not tell (--enable-prompt-tokens-details)."""
    details = (reply.get("usage") or {}).get("prompt_tokens_details") or {}
    return int(details.get("cached_tokens") or 0)
