"""From problems and prefixes to the ids that a model reads, and the room that they leave."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jinja2

from policies.models.chat import encode_prompt, encode_text
from policies.models.steps import StepCutter
from policies.models.token_rows import TokenRow
from policies.policy import Sampling
from verifiers.interface.solution import Message, Problem, Solution, Stop, failed

_PROMPTS = 4096  # prompts whose ids are remembered


@dataclass(frozen=True, slots=True)
class Opening:
    """What a row goes on from: the prompt's ids, those of the solution so far, and the tokens it may still sample."""

    prompt: tuple[int, ...]
    context: list[int]
    room: int


class Prompts:
    """What a model with a context of `context` tokens reads of problems and prefixes.

    `chat=False` leaves a chat template out.
    """

    def __init__(self, tokenizer: Any, cutter: StepCutter, *, chat: bool, context: int | None) -> None:
        self.tokenizer = tokenizer
        self.cutter = cutter
        self.chat = chat
        self.context = context
        self._encoded = lru_cache(_PROMPTS)(self._encode)

    @property
    def uses_chat_template(self) -> bool:
        """Whether prompts go through a chat template."""
        return self.chat and bool(getattr(self.tokenizer, "chat_template", None))

    def prompt_ids(self, problem: Problem) -> tuple[int, ...]:
        """The ids that the model reads for a problem, chat template included."""
        return self._encoded(problem.prompt, self.chat)

    def _encode(self, prompt: str | tuple[Message, ...], chat: bool) -> tuple[int, ...]:
        return tuple(encode_prompt(self.tokenizer, prompt, chat=chat))

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
        self, problems: Sequence[Problem], prefixes: Sequence[Solution], sampling: Sampling
    ) -> list[Opening | Solution]:
        """For each row what is there to go on from, or the solution where that is settled already."""
        openings: list[Opening | Solution] = []
        contexts: dict[int, list[int]] = {}  # rows of one state mostly share the object
        for problem, prefix in zip(problems, prefixes, strict=True):
            prompt = self._prompt_or_reason(problem)
            if isinstance(prompt, str):
                openings.append(failed(prompt))
                continue
            if (context := contexts.get(id(prefix))) is None:
                context = contexts[id(prefix)] = self.prefix_ids(prefix)
            openings.append(self._opening(problem, prefix, prompt, context, sampling))
        return openings

    def states(
        self, problems: Sequence[Problem], prefixes: Sequence[Solution], *, more: int = 0
    ) -> list[tuple[tuple[int, ...], tuple[int, ...]] | str]:
        """For each row its prompt's ids, and those with its prefix's; or why they cannot be read.

        `more` is the room that a reader needs behind them.
        """
        states: list[tuple[tuple[int, ...], tuple[int, ...]] | str] = []
        for problem, prefix in zip(problems, prefixes, strict=True):
            prompt = self._prompt_or_reason(problem)
            if isinstance(prompt, str):
                states.append(prompt)
                continue
            ids = (*prompt, *self.prefix_ids(prefix))
            states.append(self._over_context(problem, len(ids), more) or (prompt, ids))
        return states

    def whole_rows(
        self, problems: Sequence[Problem], solutions: Sequence[Solution], ends: Collection[int], *, more: int = 0
    ) -> list[tuple[int, TokenRow] | str | None]:
        """For each whole solution its prompt's length and its row; why there is none; None for one without steps.

        `ends` are the ids that end a solution; a finished one's last step includes one of them.
        """
        rows: list[tuple[int, TokenRow] | str | None] = []
        for problem, solution in zip(problems, solutions, strict=True):
            prompt = self._prompt_or_reason(problem)
            if isinstance(prompt, str):
                rows.append(prompt)
                continue
            ids, last = list(prompt), []
            for step_ids in self.cutter.solution_ids(solution, ends):
                ids += step_ids
                last.append(len(ids) - 1)
            if ids and (over := self._over_context(problem, len(ids), more)):
                rows.append(over)
            elif last and not prompt:
                rows.append(f"problem {problem.id!r}: the prompt has no tokens")
            else:
                rows.append((len(prompt), TokenRow(tuple(ids), tuple(last))) if last else None)
        return rows

    def _prompt_or_reason(self, problem: Problem) -> tuple[int, ...] | str:
        try:
            return self.prompt_ids(problem)
        except jinja2.TemplateError as error:
            return f"problem {problem.id!r}: the chat template refused the prompt ({error})"

    def _opening(
        self, problem: Problem, prefix: Solution, prompt: tuple[int, ...], context: list[int], sampling: Sampling
    ) -> Opening | Solution:
        if not prompt and not context:
            return failed(f"problem {problem.id!r}: the prompt has no tokens")
        if self.context is not None and len(prompt) > self.context:
            reason = f"the prompt has {len(prompt)} tokens and the model's context {self.context}"
            return failed(f"problem {problem.id!r}: {reason}", prefix.steps)
        room = sampling.max_tokens - len(context)
        if self.context is not None:
            room = min(room, self.context - len(prompt) - len(context))
        return Opening(prompt, context, room) if room > 0 else Solution(prefix.steps, Stop.LENGTH)

    def _over_context(self, problem: Problem, length: int, more: int) -> str | None:
        if length and (self.context is None or length + more <= self.context):
            return None
        return f"problem {problem.id!r}: {length + more} tokens and a context of {self.context}"
