"""Inspect's own model as a policy: each row is a call of `Model.generate` in the sample that asks for it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from math import nan
from typing import Any

from anyio.from_thread import BlockingPortal
from inspect_ai.model import ChatMessage, ChatMessageAssistant, GenerateConfig, Model, ModelOutput
from inspect_ai.util import LimitExceededError

from policies.backends.in_flight import Answer, Loop, Row, RowsInFlight
from policies.checks import Call
from policies.models.steps import extended_by_text, step_end
from policies.policy import UNKNOWN, Extended, Sampling, Until
from verifiers.interface.errors import BadInput
from verifiers.interface.scoring import Spend
from verifiers.interface.solution import Problem, Solution, Stop, failed

_CUT = ("max_tokens", "model_length")
_NO_ANSWER = ("content_filter", "tool_calls")


@dataclass(slots=True, eq=False)
class Place:
    """Where a sample of Inspect's is at work: calls made there count in its limits and stand in its transcript."""

    model: Model
    messages: list[ChatMessage]
    config: GenerateConfig
    cache: bool
    continues: bool  # whether the model goes on from an assistant's message
    portal: BlockingPortal
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    limit: LimitExceededError | None = None  # which the sample has met
    under_way: set[Future[ModelOutput]] = field(default_factory=set)

    async def generate(self, messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput:
        """One call; where it meets a limit of the sample's, the other calls of the sample are stopped."""
        try:
            return await self.model.generate(messages, config=config, cache=self.cache)
        except LimitExceededError as error:
            self.limit = error
            for other in tuple(self.under_way):
                other.cancel()
            raise


@dataclass(frozen=True, slots=True)
class PlacedProblem(Problem):
    """The problem of a sample that is under way."""

    place: Place | None = field(default=None, compare=False, repr=False)


class InspectModel:
    """A policy whose rows are drawn by Inspect's model, in the samples that ask; problems are `PlacedProblem`s.

    A model is not told where a step ends: a row of a step is drawn to its end, and the first step of it is taken.
    """

    def __init__(self) -> None:
        self._loop = Loop()

    def stream(self) -> RowsInFlight:
        """Rows that are answered one by one as they end; see `policies.policy.RowStream`."""
        return RowsInFlight(self._loop, self._rows, lambda: None)

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
        rows = self._rows(Call(problems, prefixes, until, sampling, seeds))
        return Extended(*zip(*self._loop.run(*rows), strict=True)) if rows else Extended(())

    def _rows(self, call: Call) -> list[Row]:
        """The work of each row; raises BadInput where the model has to go on from a prefix and is not known to."""
        placed = [(problem, _place_of(problem)) for problem in call.problems]
        for (problem, place), prefix in zip(placed, call.prefixes, strict=True):
            if not place.continues and (call.until == "step" or prefix.steps):
                raise BadInput(
                    f"sample {problem.id!r}: {place.model} is not known to go on from a prefix: give continues=true "
                    "where its provider goes on from an assistant's message, or a policy of stepbeam's, policy=SPEC"
                )
        return [
            _row(place, prefix, call.until, call.sampling.separator, seed)
            for (_, place), prefix, seed in zip(placed, call.prefixes, call.seeds, strict=True)
        ]


async def _row(place: Place, prefix: Solution, until: Until, separator: str, seed: int) -> Answer:
    begun: list[ChatMessage] = [ChatMessageAssistant(content=prefix.text)] if prefix.steps else []
    config = place.config.merge(GenerateConfig(seed=seed % 2**31))
    if place.limit is not None:
        return failed(str(place.limit), prefix.steps), UNKNOWN
    future: Future[ModelOutput] = place.context.copy().run(
        place.portal.start_task_soon, place.generate, [*place.messages, *begun], config
    )
    place.under_way.add(future)
    try:
        output = await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
        return failed("its sample was stopped", prefix.steps), UNKNOWN  # which ends no other sample's rows
    finally:
        place.under_way.discard(future)
    return _solution(output, prefix, until, separator), _spend(output)


def _solution(output: ModelOutput, prefix: Solution, until: Until, separator: str) -> Solution:
    if (reason := failure_in(output)) is not None:
        return failed(reason, prefix.steps)
    text, stop = output.completion, stop_in(output)
    end = step_end(text, separator) if until == "step" else -1
    if 0 <= end < len(text):
        text, stop = text[:end], Stop.OPEN
    return extended_by_text(prefix, text, stop=stop, separator=separator)


def failure_in(output: ModelOutput) -> str | None:
    """Why an output is no solution; None where it is one."""
    reason: Any = output.stop_reason if output.choices else "no choice"
    is_one = output.choices and not output.error and reason not in _NO_ANSWER
    return None if is_one else f"{output.model}: {output.error or reason}"


def stop_in(output: ModelOutput) -> Stop:
    """Whether an output came to its end or was cut."""
    return Stop.LENGTH if output.stop_reason in _CUT else Stop.EOS


def _spend(output: ModelOutput) -> Spend:
    usage = output.usage
    if usage is None:
        return UNKNOWN
    return Spend(
        policy_calls=1,
        prompt_tokens=usage.input_tokens + (usage.input_tokens_cache_write or 0),
        cached_prompt_tokens=usage.input_tokens_cache_read or 0,
        sampled_tokens=usage.output_tokens,
        policy_flops=nan,
        prompt_flops=nan,
    )


def _place_of(problem: Problem) -> Place:
    place = problem.place if isinstance(problem, PlacedProblem) else None
    if place is None:
        raise BadInput(f"problem {problem.id!r}: Inspect's model is asked within a sample of Inspect's alone")
    return place
