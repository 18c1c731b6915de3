"""From problems and prefixes to the ids that a model reads, and the room that they leave."""

from __future__ import annotations

from typing import Any

from policies.chat import encode_prompt, encode_text
from policies.policy import Sampling
from policies.steps import StepCutter
from verifiers.solution import Message, Problem, Solution, Stop, failed

_PROMPTS = 4096  # prompts whose ids are remembered


class Prompts:
    """What a model with a context of `context` tokens reads of problems and prefixes.

    `chat=False` leaves a chat template out.
    """

    def __init__(self, tokenizer: Any, cutter: StepCutter, *, chat: bool, context: int | None) -> None:
        self.tokenizer = tokenizer
        self.cutter = cutter
        self.chat = chat
        self.context = context
        self._known: dict[str | tuple[Message, ...], tuple[int, ...]] = {}

    @property
    def uses_chat_template(self) -> bool:
        """Whether prompts go through a chat template."""
        return self.chat and bool(getattr(self.tokenizer, "chat_template", None))

    def prompt_ids(self, problem: Problem) -> tuple[int, ...]:
        """The ids that the model reads for a problem, chat template included."""
        ids = self._known.get(problem.prompt)
        if ids is None:
            ids = tuple(encode_prompt(self.tokenizer, problem.prompt, chat=self.chat))
            if len(self._known) >= _PROMPTS:
                self._known.pop(next(iter(self._known)))
            self._known[problem.prompt] = ids
        return ids

    def prefix_ids(self, prefix: Solution) -> list[int]:
        """The prefix's ids: its own, and for runs of steps without tokens those of their text."""
        ids: list[int] = []
        text = ""
        for step, own in zip(prefix.steps, self.cutter.own_ids(prefix.steps), strict=True):
            if own is None:
                text += step.text
                continue
            ids += encode_text(self.tokenizer, text)
            ids += own
            text = ""
        return ids + encode_text(self.tokenizer, text)

    def room(
        self, problem: Problem, prefix: Solution, prompt: int, past: int, sampling: Sampling
    ) -> tuple[Solution | None, int]:
        """How many tokens may be sampled after `prompt` and `past` ids, or the solution where that is settled."""
        if not prompt + past:
            return failed(f"problem {problem.id!r}: the prompt has no tokens"), 0
        if self.context is not None and prompt > self.context:
            return failed(
                f"problem {problem.id!r}: the prompt has {prompt} tokens and the model's context {self.context}",
                prefix.steps,
            ), 0
        room = sampling.max_tokens - past
        if self.context is not None:
            room = min(room, self.context - prompt - past)
        return (None, room) if room > 0 else (Solution(prefix.steps, Stop.LENGTH), 0)

    def over_context(self, problem: Problem, length: int) -> str | None:
        """Why a row of so many tokens cannot be read, None where it can."""
        if length and (self.context is None or length <= self.context):
            return None
        return f"problem {problem.id!r}: {length} tokens and a context of {self.context}"
