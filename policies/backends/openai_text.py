"""Rows in texts: what any server of OpenAI's protocol is asked, and how its replies become steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from policies.backends.in_flight import Answer, Row
from policies.backends.openai_client import OFFICIAL, Servers
from policies.backends.servers.replies import BadReplyError, Json, NoAnswerError, spend_of
from policies.checks import Call
from policies.models.chat import plain_text
from policies.models.engine_options import Chat
from policies.models.steps import extended_by_text, step_end
from policies.policy import Sampling, Until
from verifiers.interface.errors import BadInput
from verifiers.interface.scoring import Spend
from verifiers.interface.seeds import seed_at
from verifiers.interface.solution import Message, Problem, Solution, Stop, failed

_ENDED = ("stop", "eos", "eos_token", "stop_sequence", "end_turn")
_FINAL = ("content_filter", "tool_calls", "function_call")  # an answer, though none to read
# where a message may say all that it says
_ELSEWHERE = ("reasoning_content", "reasoning", "thinking", "tool_calls", "function_call", "refusal")
_BYTES_A_TOKEN = 4
_UNTOLD = object()


@dataclass(frozen=True, slots=True)
class Said:
    """A reply: its text and its choice as it came; `ended_by` is the text that stopped it, None where the model did."""

    text: str
    cut: bool  # at its length
    ended_by: Any
    spend: Spend
    choice: Json


@dataclass(eq=False)
class TextRows:
    """Rows of one model, each a request: a chat message, or with `chat=False` a text to complete.

    `continues` says whether the server goes on from an assistant's message that is sent with
    `continue_final_message`. A server that does not say which text stopped a reply is asked for whole solutions, of
    which a step is then cut: that it ended, and did not come to a separator, could not be told else. That it says so is
    known once it has: some write down at every reply that nothing stopped it.
    """

    servers: Servers
    model: str
    chat: Chat
    continues: bool
    others: frozenset[str] = frozenset()  # the server's other models
    most_likely: int = 20  # how many log-probabilities it may be asked for
    says_what_stopped: bool | None = None  # until either is seen
    gives_logprobs: bool = True

    def __post_init__(self) -> None:
        try:
            json.dumps(self.chat if isinstance(self.chat, bool) else dict(self.chat), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise BadInput(
                f"chat={self.chat!r}: a template's arguments are sent as JSON, which these are not: {error}"
            ) from None

    def rows(self, call: Call) -> list[Row]:
        """The work of each row. Raises BadInput where the server cannot go on from a prefix and has to."""
        self.check_continues(call.problems, call.prefixes, call.until)
        return [
            self._row(problem, prefix, call.until, call.sampling, seed)
            for problem, prefix, seed in zip(call.problems, call.prefixes, call.seeds, strict=True)
        ]

    @property
    def uses_chat_template(self) -> bool:
        """Whether prompts go through a chat template."""
        return self.chat is not False

    def check_continues(self, problems: Sequence[Problem], prefixes: Sequence[Solution], until: Until = "end") -> None:
        """Raise BadInput where rows go on from a prefix, or will after a step, and the server is not known to."""
        if self.continues or self.chat is False:
            return
        if until == "step" or any(_goes_on(p, prefix.text) for p, prefix in zip(problems, prefixes, strict=True)):
            raise BadInput(
                f"{self.servers.urls[0]}: this server is not known to go on from a prefix: give continues=yes where "
                "its chat takes continue_final_message, or chat=no for its /completions; or search whole solutions only"
            )

    async def _row(self, problem: Problem, prefix: Solution, until: Until, sampling: Sampling, seed: int) -> Answer:
        room = self.room(prefix, sampling)
        if room < 1:
            return Solution(prefix.steps, Stop.LENGTH), Spend(policy_calls=1)
        drawn, separator = "", sampling.separator
        bare: str | None = None  # what was said before the server may have come to a separator
        spent: list[Spend] = []
        while True:
            asks_for_step = until == "step" and self.says_what_stopped is not False and bare is None
            row_seed = seed_at(seed, "again", len(drawn)) if drawn else seed
            stop = separator if asks_for_step else None
            try:
                said = await self.ask(problem, prefix.text + drawn, room, sampling, row_seed, stop=stop)
            except NoAnswerError as error:
                return failed(error.reason, prefix.steps), one_row([*spent, error.cost])
            spent.append(said.spend)
            stopped = asks_for_step and said.ended_by == separator
            if stopped:
                self.says_what_stopped = True
            elif asks_for_step and not said.cut and (said.ended_by is _UNTOLD or not self.says_what_stopped):
                self.says_what_stopped = False if said.ended_by is _UNTOLD else self.says_what_stopped
                bare = said.text
                continue
            elif bare is not None and said.text.startswith(bare + separator):
                self.says_what_stopped = False
            drawn += said.text + (separator if stopped else "")
            end = step_end(drawn, separator) if until == "step" else -1
            if end >= 0 and (stopped or end < len(drawn) or said.cut):
                drawn, ended = drawn[:end], Stop.OPEN
            elif stopped:  # at separators before anything else
                room -= tokens_of(said)
                if self.uses_chat_template and len(drawn) > 2 * len(separator):
                    # Twice it went on from no more than was there before: a template that trims a message takes the
                    # separator away each time, and the model writes it again.
                    reason = (
                        f"problem {problem.id!r}: {self.servers.urls[0]}: its chat does not keep the {separator!r} "
                        "that ends a prefix: take chat=no, or search whole solutions only"
                    )
                    return failed(reason, prefix.steps), one_row(spent)
                if room >= 1:
                    continue
                ended = Stop.LENGTH
            else:
                ended = Stop.LENGTH if said.cut else Stop.EOS
            solution = extended_by_text(prefix, drawn, stop=ended, separator=separator)
            return solution, one_row(spent)

    def room(self, prefix: Solution, sampling: Sampling) -> int:
        """The tokens that a row may draw: a prefix in texts has about one for four bytes, as far as can be told."""
        bytes_ = sum(len(step.text.encode("utf-8", "replace")) for step in prefix.steps)
        return int(sampling.max_tokens) - -(-bytes_ // _BYTES_A_TOKEN)

    async def ask(
        self,
        problem: Problem,
        begun: str,
        room: int,
        sampling: Sampling,
        seed: int,
        *,
        stop: str | None = None,
        logprobs: bool = False,
    ) -> Said:
        """What the server says behind a problem and what has `begun`. Raises NoAnswerError where it does not answer."""
        asked: dict[str, Any] = {
            "model": self.model,
            "temperature": float(sampling.temperature),
            "top_p": float(sampling.top_p),
            "seed": int(seed % 2**31),  # some servers know no larger ones
        }
        if sampling.top_k:
            asked["top_k"] = int(sampling.top_k)
        if stop is not None:
            asked["stop"] = [stop]
        if self.chat is False:
            path = "/completions"
            asked |= {"prompt": plain_text(problem.prompt) + begun, "max_tokens": room}
            if logprobs:
                asked["logprobs"] = min(self.most_likely, 20)
        else:
            path = "/chat/completions"
            asked["messages"] = _messages(problem, begun)
            asked["max_completion_tokens" if self.servers.urls[0] == OFFICIAL else "max_tokens"] = room
            if _goes_on(problem, begun):
                asked |= {"continue_final_message": True, "add_generation_prompt": False}
            if not isinstance(self.chat, bool):
                asked["chat_template_kwargs"] = dict(self.chat)
            if logprobs:
                asked |= {"logprobs": True, "top_logprobs": self.most_likely}
        said, cost = await self.servers.post(path, asked, self._read, who=f"problem {problem.id!r}")
        return replace(said, spend=one_row([said.spend, cost]))

    def _read(self, reply: Json) -> Said:
        if (model := reply.get("model")) != self.model and model in self.others:
            raise BadReplyError(f"it is of the model {model!r}")
        choices = reply.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            raise BadReplyError("it has no choices")
        message = choice if self.chat is False else choice.get("message")
        if not isinstance(message, dict):
            raise BadReplyError("its choice has no message")
        text = message.get("text") if self.chat is False else _content(message)
        reason = choice.get("finish_reason")
        if not isinstance(text, str):
            raise BadReplyError("its choice has no text")
        if reason != "length" and reason not in _ENDED:
            raise BadReplyError(f"its finish_reason is {reason!r}", again=reason not in _FINAL)
        if not text.strip() and reason != "length" and (other := _elsewhere(message)):
            raise BadReplyError(f"it has no content, but {other}", again=False)
        ended_by = next((choice[key] for key in ("stop_reason", "matched_stop") if key in choice), _UNTOLD)
        return Said(text, reason == "length", ended_by, spend_of(reply), choice)


def _content(message: Json) -> Any:
    """A message's text; of one in parts (Mistral's, which thinks in parts of another type) that of its texts."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(part["text"] for part in content if _is_text(part))
    return "" if content is None else content


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


def _elsewhere(message: Json) -> str | None:
    """What a message has that has no text: a field, or parts of other types."""
    content = message.get("content")
    others = [part for part in content if not _is_text(part)] if isinstance(content, list) else []
    types = sorted({str(part.get("type")) if isinstance(part, dict) else type(part).__name__ for part in others})
    return next(filter(message.get, _ELSEWHERE), f"parts of type {', '.join(types)}" if types else None)


def _goes_on(problem: Problem, begun: str) -> bool:
    """Whether the last message is to go on, and not to be answered."""
    return bool(begun) or (not isinstance(problem.prompt, str) and problem.prompt[-1].role == "assistant")


def _messages(problem: Problem, begun: str) -> list[dict[str, str]]:
    turns = (Message("user", problem.prompt),) if isinstance(problem.prompt, str) else problem.prompt
    if turns[-1].role == "assistant":
        turns, begun = turns[:-1], turns[-1].content + begun
    said = [{"role": turn.role, "content": turn.content} for turn in turns]
    return [*said, {"role": "assistant", "content": begun}] if begun else said


def one_row(requests: Sequence[Spend]) -> Spend:
    """What a row cost that took these requests, with those that failed."""
    return replace(Spend.total(requests), policy_calls=1)


def tokens_of(said: Said) -> int:
    """The tokens of a reply, at least one: as the server says, else about one for four bytes."""
    told = said.spend.sampled_tokens
    return max(1, len(said.text) // _BYTES_A_TOKEN if told != told else int(told))
