"""Why a solution ended, in the words of engines, servers and evaluations."""

import re
from collections.abc import Mapping

from bench.inputs.rows import Row, decoded
from bench.pools.shapes.names import AROUND_STOPS, CUT, STOPS
from verifiers.interface.solution import Stop

UNKNOWN = "unknown stop"  # a field that we add: the word that was not understood

# A text that was stopped by a filter, by a fault or for a tool is no solution.
WORDS: Mapping[str, Stop] = {
    **{stop.value: stop for stop in Stop},
    **dict.fromkeys(
        ("stop", "end_turn", "eos_token", "stop_sequence", "stop_token", "end", "word", "completed", "finished"),
        Stop.EOS,
    ),
    **dict.fromkeys(
        (
            "max_tokens",
            "max_output_tokens",
            "max_new_tokens",
            "max_completion_tokens",
            "max_length",
            "model_length",
            "limit",
            "model_context_window_exceeded",
            "incomplete",
            "truncated",
        ),
        Stop.LENGTH,
    ),
    **dict.fromkeys(
        ("abort", "error", "content_filter", "tool_calls", "tool_use", "function_call", "refusal", "safety", "timeout"),
        Stop.FAILED,
    ),
}
# Parts of words that none of the above is, in the order in which they are looked for.
_PARTS = (
    (Stop.LENGTH, ("length", "max", "limit", "trunc", "incomplete", "budget", "context")),
    (
        Stop.FAILED,
        (
            "filter",
            "safety",
            "error",
            "abort",
            "tool",
            "function",
            "refus",
            "timeout",
            "cancel",
            "fail",
            "recit",
            "block",
            "prohibit",
            "malform",
        ),
    ),
    (Stop.EOS, ("stop", "eos", "end", "complete", "finish", "done")),
)
_SILENT = ("", "none", "null", "nan", "unknown", "unspecified", "finish_reason_unspecified")


def stop_of(word: str) -> Stop | None:
    """What an engine's word says, None for one that is not known.

    >>> [stop_of(word) for word in ("end_turn", "MAX_TOKENS", "tool_calls", "why not")]
    [<Stop.EOS: 'eos'>, <Stop.LENGTH: 'length'>, <Stop.FAILED: 'failed'>, None]
    """
    return WORDS.get(word.lower())


def with_stop(fields: Row) -> Row:
    """The fields with their "stop", if need be from a field of another name; that field is then gone.

    >>> with_stop({"text": "4", "finish_reason": "stop", "stop_reason": None})
    {'text': '4', 'stop': 'stop'}
    >>> with_stop({"text": "4", "finish_reason": {"type": "length", "length": 512}})
    {'text': '4', 'stop': 'length'}
    """
    for name in AROUND_STOPS:
        if isinstance(inner := fields.get(name), dict):
            fields = {key: inner[key] for key in STOPS if key in inner} | fields
    if isinstance(own := fields.get("stop"), dict) and isinstance(own.get("type"), str):
        fields = fields | {"stop": own["type"]}
    own = fields.get("stop")
    if isinstance(own, list) and own and not any(each is None or _is_word(each) for each in own):
        fields = {name: value for name, value in fields.items() if name != "stop"}  # texts to stop at, for a server
    others = [name for name in STOPS if name in fields]
    fields = fields | {name: decoded(fields[name]) for name in (*others, *CUT) if name in fields}
    flags = [name for name in CUT if _is_flag(fields.get(name))]
    if not others and not flags:
        return fields
    kept = {name: value for name, value in fields.items() if name not in others and name not in flags}
    own = fields.get("stop")
    if own not in (None, "") and _readable(own):
        return kept
    # The first that says something; a stop_reason beside a finish_reason is the text that it stopped at.
    said = next((fields[name] for name in others if fields[name] not in (None, "", [])), None)
    cut = [_is_cut(name, fields[name]) for name in flags]
    count = max((len(each) for each in (said, *cut) if isinstance(each, list)), default=None)
    if count is None:
        word, unknown = _word(said)
        word = Stop.LENGTH.value if word is None and True in cut else word
        read = {} if word is None and unknown is None else {"stop": word}
        return kept | read | ({UNKNOWN: unknown} if unknown else {})
    words = [_word(value) for value in _each(said, count)]
    lasts = [
        Stop.LENGTH.value if True in at else None for at in zip(*(_each(flag, count) for flag in cut), strict=False)
    ]
    known = [word or last for (word, _), last in zip(words, lasts or [None] * len(words), strict=False)]
    return kept | {"stop": known, UNKNOWN: [unknown for _, unknown in words]}


def _is_flag(found: object) -> bool:
    return isinstance(found, bool) or (isinstance(found, list) and any(isinstance(each, bool) for each in found))


def _is_cut(name: str, flag: object) -> object:
    return [each is CUT[name] for each in flag] if isinstance(flag, list) else flag is CUT[name]


def _each(said: object, count: int) -> list[object]:
    return said if isinstance(said, list) else [said] * count


def _is_word(found: object) -> bool:
    return isinstance(found, str) and re.fullmatch(r"[\w-]+", found) is not None


def _readable(own: object) -> bool:
    return isinstance(own, str) and stop_of(own) is not None


def _word(said: object) -> tuple[str | None, str | None]:
    """A word that is known, None for finished; and one that is not."""
    if isinstance(said, dict):
        said = said.get("type", said.get("reason"))
    if not isinstance(said, str) or said.strip().lower() in _SILENT:  # the number of a token that it stopped at
        return None, None
    word = said.strip()
    if stop_of(word) is not None:
        return word, None
    for stop, parts in _PARTS:
        if any(part in word.lower() for part in parts):
            return ("error" if stop is Stop.FAILED else stop.value), None
    return None, word
