"""Replies of servers that speak OpenAI's protocol: as JSON, and what they cost."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import nan
from typing import Any, TypeAlias

from verifiers.interface.scoring import ZERO, Spend
from verifiers.interface.solution import Refusal

Json: TypeAlias = Mapping[str, Any]

_AT_FAULT = (400, 413, 422)  # of a request: malformed, too long, or with a value that is not taken
_MOST_TOKENS = 1 << 53  # beyond it, a count is another program's slip (-1 as an unsigned number)
_SURROGATE = re.compile("[\ud800-\udfff]")


class BadReplyError(ValueError):
    """A reply that is no answer: half of it, no choices, another model's.

    `again` is whether another try may mend it, `cost` what it cost, None where that is not known.
    """

    def __init__(self, why: str, *, again: bool = True) -> None:
        super().__init__(why)
        self.again = again
        self.cost: Spend | None = None


class NoAnswerError(RuntimeError):
    """A request that was not answered: why, the server's `status` where it gave one, and what its tries cost."""

    def __init__(self, why: str, status: int | None = None, cost: Spend = ZERO) -> None:
        super().__init__(why)
        self.status, self.cost = status, cost

    @property
    def reason(self) -> str:
        """What its row says: whether what was asked is at fault is told by the status."""
        return Refusal(self) if self.status in _AT_FAULT else str(self)


def reply_of(text: str) -> dict[str, Any]:
    r"""A reply's text as JSON. Raises BadReplyError where it is no object.

    Half of a character that takes two, which no file can hold, becomes the sign for what cannot be read.

    >>> reply_of('{"content": "a\\ud83d"}')
    {'content': 'a\ufffd'}
    """
    try:
        reply = json.loads(text)
    except (ValueError, RecursionError):
        reply = text
    if not isinstance(reply, dict):
        raise BadReplyError(f"it is no JSON object: {text}")
    return _sound(reply) if "\\u" in text else reply


def sound(text: str) -> str:
    """A text that can be written in UTF-8."""
    return _SURROGATE.sub("\ufffd", text)


def _sound(value: Any) -> Any:
    if isinstance(value, dict):
        return {_sound(key): _sound(of_key) for key, of_key in value.items()}
    if isinstance(value, list):
        return [_sound(item) for item in value]
    return sound(value) if isinstance(value, str) else value


def spend_of(reply: Json) -> Spend:
    """What a reply cost by its `usage`: NaN where it does not say.

    >>> spend_of({"usage": {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 8}}})
    Spend(policy_calls=1, prompt_tokens=1, cached_prompt_tokens=8, sampled_tokens=4, policy_flops=nan, prompt_flops=nan)
    """
    usage = _object(reply, "usage")
    prompt, cached = _count(usage, "prompt_tokens", nan), cached_in(reply)
    cached = int(min(cached, prompt)) if prompt == prompt else cached
    return Spend(
        policy_calls=1,
        prompt_tokens=prompt - cached,
        cached_prompt_tokens=cached,
        sampled_tokens=_count(usage, "completion_tokens", nan),
        policy_flops=nan,
        prompt_flops=nan,
    )


def cached_in(reply: Json) -> int:
    """How many ids the server found in its memory: 0 where it does not tell (--enable-prompt-tokens-details)."""
    return int(_count(_object(_object(reply, "usage"), "prompt_tokens_details"), "cached_tokens", 0))


def _object(of: Json, key: str) -> Json:
    value = of.get(key)
    return value if isinstance(value, dict) else {}


def _count(usage: Json, key: str, missing: float) -> float:
    value = usage.get(key)
    return value if type(value) is int and 0 <= value < _MOST_TOKENS else missing
