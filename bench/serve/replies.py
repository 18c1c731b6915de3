"""What is sent back: OpenAI's objects, with what the search says of itself."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from search import SearchResult
from verifiers.interface.scoring import Spend


def completion(name: str, model: str, result: SearchResult, *, pool: bool) -> dict[str, Any]:
    """A whole answer; what a search adds stands under `stepbeam`."""
    message = {"role": "assistant", "content": _text(result)}
    choice = {"index": 0, "message": message, "finish_reason": _finish(result), "logprobs": None}
    return {
        **_head(name, model, "chat.completion"),
        "choices": [choice],
        "usage": usage(result.spend),
        "stepbeam": about(result, pool=pool),
    }


def chunks(name: str, model: str, result: SearchResult, *, pool: bool, with_usage: bool) -> Iterator[str]:
    """The answer as events, a step each; the last but one says why it ended."""
    head = _head(name, model, "chat.completion.chunk")

    def delta(said: dict[str, str], finish: str | None, **more: Any) -> str:
        choice = {"index": 0, "delta": said, "finish_reason": finish, "logprobs": None}
        return event({**head, "choices": [choice], **more})

    yield delta({"role": "assistant", "content": ""}, None)
    for step in () if result.solution is None else result.solution.steps:
        yield delta({"content": step.text}, None)
    yield delta({}, _finish(result), stepbeam=about(result, pool=pool))
    if with_usage:
        yield event({**head, "choices": [], "usage": usage(result.spend)})
    yield "data: [DONE]\n\n"


def usage(spend: Spend) -> dict[str, Any]:
    """All that was spent, by the policy and the scorers; null where a server did not say."""
    prompt = spend.prompt_tokens + spend.cached_prompt_tokens + spend.scored_tokens + spend.cached_scored_tokens
    sampled = spend.sampled_tokens + spend.judged_tokens
    cached = spend.cached_prompt_tokens + spend.cached_scored_tokens
    return {
        "prompt_tokens": _whole(prompt),
        "completion_tokens": _whole(sampled),
        "total_tokens": _whole(prompt + sampled),
        "prompt_tokens_details": {"cached_tokens": _whole(cached)},
    }


def about(result: SearchResult, *, pool: bool) -> dict[str, Any]:
    """The answer that was read, the spend, why a search ended early, and on request every solution with its scores."""
    spend = {name: _number(value) for name, value in asdict(result.spend).items() if value}
    said: dict[str, Any] = {"answer": result.answer, "reason": result.reason, "spend": spend}
    if pool:
        rows = zip(result.pool, result.scores.steps, result.scores.values(), result.scores.reasons, strict=True)
        said["pool"] = [
            {
                "text": solution.text,
                "stop": solution.stop.value,
                "score": _number(float(value)),
                "steps": [_number(float(score)) for score in steps],
                "reason": solution.reason or reason,
            }
            for solution, steps, value, reason in rows
        ]
    return said


def error(message: str, *, kind: str, param: str | None = None) -> dict[str, Any]:
    """An error as OpenAI's clients read it."""
    return {"error": {"message": message, "type": kind, "param": param, "code": None}}


def _head(name: str, model: str, kind: str) -> dict[str, Any]:
    return {"id": name, "object": kind, "created": int(time.time()), "model": model}


def event(value: dict[str, Any]) -> str:
    """One of a stream's events."""
    return f"data: {json.dumps(value)}\n\n"


def _text(result: SearchResult) -> str:
    return "" if result.solution is None else result.solution.text


def _finish(result: SearchResult) -> str:
    return "length" if result.solution is None else "stop"  # none came to its end


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _whole(value: float) -> int | None:
    return int(value) if math.isfinite(value) else None
