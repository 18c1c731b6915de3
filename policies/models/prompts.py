"""From problems and prefixes to the ids that a model reads, and the room that they leave."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, TypeAlias

from policies.models.chat import TemplateError, check_template, encode_prompt, encode_text, has_template
from policies.models.engine_options import Chat
from policies.models.steps import StepCutter
from policies.models.token_rows import TokenRow, unknown_id
from policies.policy import Sampling
from verifiers.interface.solution import Message, Problem, Refusal, Solution, Stop, failed

_PROMPTS = 4096  # prompts whose ids are remembered


State: TypeAlias = tuple[str, tuple[int, ...], tuple[int, ...]]
"""A problem's id, the ids of its prompt, and those with a prefix behind it."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """One continuation to sample: where it goes in the reply, what it goes on from, and what it may do."""

    index: int
    seed: int
    problem: str  # its id
    prompt: tuple[int, ...]
    context: list[int]  # the solution's ids so far, without the prompt
    past: int  # how many characters they stand for
    room: int  # tokens that it may still sample, at least 1


class Prompts:
    """What a model with a context of `context` tokens reads of problems and prefixes.

    `chat=False` leaves a chat template out, and a mapping is what the template is given. Raises BadInput for a
    template that can be used for no prompt.
    """

    def __init__(self, tokenizer: Any, cutter: StepCutter, *, chat: Chat, context: int | None) -> None:
        check_template(tokenizer, chat)
        self.tokenizer = tokenizer
        self.cutter = cutter
        self.chat = chat
        self.context = context
        self._encoded = lru_cache(_PROMPTS)(partial(_encode, tokenizer, chat))  # not of `self`: a circle

    @property
    def uses_chat_template(self) -> bool:
        """Whether prompts go through a chat template."""
        return has_template(self.tokenizer, self.chat)

    def prompt_ids(self, problem: Problem) -> tuple[int, ...]:
        """The ids that the model reads for a problem, chat template included."""
        return self._encoded(problem.prompt, repr(self.chat))

    def prefix_ids(self, prefix: Solution) -> list[int]:
        """The prefix's ids: its own, and for runs of steps without tokens those of their text."""
        ids: list[int] = []
        text = ""
        for step, step_ids in zip(prefix.steps, self.cutter.own_ids(prefix.steps), strict=True):
            if step_ids is None:
                text += step.text
                continue
            ids += encode_text(self.tokenizer, text)
            ids += step_ids
            text = ""
        return ids + encode_text(self.tokenizer, text)

    def openings(
        self, problems: Sequence[Problem], prefixes: Sequence[Solution], sampling: Sampling, seeds: Sequence[int]
    ) -> list[Continuation | Solution]:
        """For each row what is there to go on from, or the solution where that is settled already."""
        contexts: dict[int, tuple[list[int], int]] = {}  # rows of one state mostly share the object

        def opening(i: int, problem: Problem, prefix: Solution) -> Continuation | Solution:
            prompt = self._prompt_or_reason(problem)
            if isinstance(prompt, str):
                return failed(prompt)
            if id(prefix) not in contexts:
                ids = self.prefix_ids(prefix)
                contexts[id(prefix)] = ids, len(self.cutter.stable(ids))
            context, past = contexts[id(prefix)]
            if unknown := unknown_id(context, self.cutter.vocabulary):
                return failed(f"problem {problem.id!r}: {unknown}", prefix.steps)
            if not prompt and not context:
                return failed(Refusal(f"problem {problem.id!r}: the prompt has no tokens"))
            if self.context is not None and len(prompt) > self.context:
                reason = f"the prompt has {len(prompt)} tokens and the model's context {self.context}"
                return failed(Refusal(f"problem {problem.id!r}: {reason}"), prefix.steps)
            room = sampling.max_tokens - len(context)
            if self.context is not None:
                room = min(room, self.context - len(prompt) - len(context))
            if room < 1:
                return Solution(prefix.steps, Stop.LENGTH)
            return Continuation(i, seeds[i], problem.id, prompt, context, past, room)

        return [opening(i, *row) for i, row in enumerate(zip(problems, prefixes, strict=True))]

    def states(self, problems: Sequence[Problem], prefixes: Sequence[Solution], *, more: int = 0) -> list[State | str]:
        """For each row its state, or why it cannot be read; `more` is the room that a reader needs behind it."""

        def state(problem: Problem, prefix: Solution) -> State | str:
            prompt = self._prompt_or_reason(problem)
            if isinstance(prompt, str):
                return prompt
            ids = (*prompt, *self.prefix_ids(prefix))
            return self._unreadable(problem, ids, more) or (problem.id, prompt, ids)

        return [state(*row) for row in zip(problems, prefixes, strict=True)]

    def whole_rows(
        self, problems: Sequence[Problem], solutions: Sequence[Solution], ends: Collection[int], *, more: int = 0
    ) -> list[tuple[int, TokenRow] | str | None]:
        """For each whole solution its prompt's length and its row; why there is none; None for one without steps.

        `ends` are the ids that end a solution; a finished one's last step includes one of them.
        """

        def row(problem: Problem, solution: Solution) -> tuple[int, TokenRow] | str | None:
            prompt = self._prompt_or_reason(problem)
            if isinstance(prompt, str):
                return prompt
            ids, last = list(prompt), []
            for step_ids in self.cutter.solution_ids(solution, ends):
                ids += step_ids
                last.append(len(ids) - 1)
            if ids and (why := self._unreadable(problem, ids, more)):
                return why
            if last and not prompt:
                return f"problem {problem.id!r}: the prompt has no tokens"
            return (len(prompt), TokenRow(tuple(ids), tuple(last))) if last else None

        return [row(*texts) for texts in zip(problems, solutions, strict=True)]

    def _prompt_or_reason(self, problem: Problem) -> tuple[int, ...] | str:
        try:
            ids = self.prompt_ids(problem)
        except TemplateError as error:
            return Refusal(f"problem {problem.id!r}: {error}")
        unknown = unknown_id(ids, self.cutter.vocabulary)
        return ids if unknown is None else f"problem {problem.id!r}: {unknown}"

    def _unreadable(self, problem: Problem, ids: Sequence[int], more: int) -> str | None:
        length = len(ids)
        if not length or (self.context is not None and length + more > self.context):
            return f"problem {problem.id!r}: {length + more} tokens and a context of {self.context}"
        unknown = unknown_id(ids, self.cutter.vocabulary)
        return unknown and f"problem {problem.id!r}: {unknown}"


def _encode(tokenizer: Any, chat: Chat, prompt: str | tuple[Message, ...], _said: str) -> tuple[int, ...]:
    return tuple(encode_prompt(tokenizer, prompt, chat=chat))
