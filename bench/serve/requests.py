"""What a request for a completion asks for, read from its body."""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from bench.serve.limits import Limits
from bench.serve.strategies import ServedStrategy, read_strategy
from policies.policy import Sampling
from verifiers.interface.errors import BadArgument, BadInput
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Message, Problem

# What changes an answer, and is not done here: refused unless it has the value that asks for nothing.
_NOT_DONE: dict[str, tuple[object, ...]] = {
    "stop": (None, [], ""),
    "tools": (None, []),
    "functions": (None, []),
    "response_format": (None, {"type": "text"}),
    "logprobs": (None, False),
    "presence_penalty": (None, 0),
    "frequency_penalty": (None, 0),
    "logit_bias": (None, {}),
    "min_p": (None, 0),
    "repetition_penalty": (None, 1),
}
# What is read, and what changes no answer; anything else is refused, as a slip of the pen would change one in silence.
_READ = {"model", "messages", "n", "stream", "stream_options", "max_tokens", "max_completion_tokens"}
_READ |= {"temperature", "top_p", "top_k", "seed", "strategy", "pool"}
_HARMLESS = {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"}
_HARMLESS |= {"parallel_tool_calls", "tool_choice", "top_logprobs"}
_ROLES = ("system", "developer", "user", "assistant")
_HALF = re.compile("[\ud800-\udfff]")  # of a character that JSON writes as two, which no model reads
_LONGEST = 500  # characters of a strategy


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its conversation as a problem, how to search, and how to answer."""

    problem: Problem
    how: ServedStrategy
    sampling: Sampling
    seed: int
    stream: bool
    usage_in_stream: bool
    pool: bool  # whether the answer is to hold all solutions with their scores


def read_request(
    body: bytes,
    *,
    model: str,
    default: ServedStrategy,
    scorers: Mapping[str, Scorer],
    sampling: Sampling,
    limits: Limits,
) -> Asked:
    """The request that a body holds.

    Beside OpenAI's fields `strategy` (as `read_strategy` takes it) and `pool` are read. Raises BadArgument, with the
    field, and BadInput for what is no request.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"the body is no JSON: {error}") from None
    if not isinstance(fields, dict):
        raise BadInput("the body is no JSON object")
    for name, nothing in _NOT_DONE.items():
        if fields.get(name) not in nothing:
            raise BadArgument(name, _shown(fields[name]), "this server does not do it; leave it out")
    if unknown := sorted(fields.keys() - _READ - _HARMLESS - _NOT_DONE.keys()):
        raise BadArgument(
            _shown(unknown[0]).strip('"'), _shown(fields[unknown[0]]), "this server does not know it; leave it out"
        )
    if fields.get("n") not in (None, 1):
        raise BadArgument("n", _shown(fields["n"]), "one answer is given; samples are set with strategy")
    if fields.get("model") not in (None, "", model):
        raise UnknownModelError("model", _shown(fields["model"]), f"this server has {model!r}")
    prompt = _prompt(fields.get("messages"))
    options = fields.get("stream_options")
    return Asked(
        Problem(_name_of(prompt), prompt),
        default if fields.get("strategy") is None else _strategy(fields["strategy"], scorers, limits),
        _sampling(fields, sampling, limits),
        secrets.randbits(62) if fields.get("seed") is None else _whole(fields, "seed"),
        _flag(fields, "stream"),
        isinstance(options, dict) and options.get("include_usage") is True,
        _flag(fields, "pool"),
    )


class UnknownModelError(BadArgument):
    """A model that this server does not have."""


def _strategy(value: Any, scorers: Mapping[str, Scorer], limits: Limits) -> ServedStrategy:
    if isinstance(value, str) and len(value) > _LONGEST:
        raise BadArgument("strategy", _shown(value), f"it is longer than {_LONGEST} characters")
    try:
        return read_strategy(value, scorers, limits)
    except BadArgument as error:
        raise BadArgument("strategy", _shown(value), error.args[2]) from None


def _prompt(messages: Any) -> str | tuple[Message, ...]:
    """The conversation; one message of the user's alone is a plain prompt, which a model without a template wants."""
    told = 'give a list of {"role": ..., "content": ...}, each content a text or a list of parts of type "text"'
    try:
        turns = tuple(Message(_text(turn["role"]), _content(turn["content"])) for turn in messages)
    except (TypeError, KeyError):
        raise BadArgument("messages", _shown(messages), told) from None
    if not turns:
        raise BadArgument("messages", _shown(messages), told)
    for turn in turns:
        if turn.role not in _ROLES:
            raise BadArgument("messages", _shown(turn.role), f"this server knows no such role; use {', '.join(_ROLES)}")
        if _HALF.search(turn.content):
            raise BadArgument("messages", _shown(turn.content), "it holds half a character; send it as UTF-8")
    return turns[0].content if len(turns) == 1 and turns[0].role == "user" else turns


def _content(content: Any) -> str:
    if isinstance(content, list) and all(part["type"] == "text" for part in content):
        return "".join(_text(part["text"]) for part in content)
    return _text(content)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _name_of(prompt: str | tuple[Message, ...]) -> str:
    """The same for the same conversation, so that a seed gives the same answer again."""
    return f"request-{blake2b(repr(prompt).encode('utf-8', 'surrogatepass'), digest_size=12).hexdigest()}"


def _sampling(fields: Mapping[str, Any], sampling: Sampling, limits: Limits) -> Sampling:
    temperature = sampling.temperature if fields.get("temperature") is None else _number(fields, "temperature")
    top_k = sampling.top_k if fields.get("top_k") is None else _whole(fields, "top_k")
    top_p = sampling.top_p if fields.get("top_p") is None else _number(fields, "top_p")
    room = "max_completion_tokens" if fields.get("max_completion_tokens") is not None else "max_tokens"
    tokens = min(sampling.max_tokens, limits.tokens) if fields.get(room) is None else _whole(fields, room)
    if tokens > limits.tokens:
        raise BadArgument(room, tokens, f"this server allows {limits.tokens}")
    given: dict[str, Any] = {"temperature": temperature, "top_p": top_p, "top_k": top_k, "max_tokens": tokens}
    for field, value in given.items():
        try:
            sampling = replace(sampling, **{field: value})
        except ValueError as error:
            complaint = str(error).rpartition(": ")[2]
            raise BadArgument(room if field == "max_tokens" else field, _shown(value), complaint) from None
    return sampling


def _number(fields: Mapping[str, Any], name: str) -> float:
    value = fields[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadArgument(name, _shown(value), "it must be a number")
    try:
        return float(value)
    except OverflowError:
        raise BadArgument(name, _shown(value), "it must be a number of a usual size") from None


def _whole(fields: Mapping[str, Any], name: str) -> int:
    value = fields[name]
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadArgument(name, _shown(value), "it must be a whole number")
    return value


def _flag(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name)
    if not (value is None or isinstance(value, bool)):
        raise BadArgument(name, _shown(value), "it must be true or false")
    return value is True


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
