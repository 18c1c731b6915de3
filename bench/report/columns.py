"""What the rows of a run's files hold, so that a report can say of a row that it is none."""

import json
from collections.abc import Callable
from typing import Any

# What a row must have, by the file that it is in, and of what kind it is.
_COLUMNS = {
    "results.jsonl": {
        "problem": "text", "strategy": "text", "scorer": "name", "n": "count", "correct": "share", "flops": "cost",
    },
    "points.jsonl": {
        "strategy": "text", "scorer": "name", "n": "count", "accuracy": "share", "low": "share", "high": "share",
        "problems": "count",
    },
    "problems.jsonl": {"id": "text", "prompt": "prompt", "answer": "answer"},
    "samples.jsonl": {
        "problem": "text", "strategy": "text", "n": "count", "index": "place", "steps": "texts", "stop": "text",
        "correct": "grade",
    },
    "scores.jsonl": {
        "problem": "text", "strategy": "text", "n": "count", "index": "place", "scorer": "text", "steps": "scores",
        "value": "score",
    },
    "trees.jsonl": {
        "problem": "text", "scorer": "text", "n": "count", "node": "place", "parent": "number", "depth": "place",
        "text": "text", "value": "score", "fate": "text",
    },
}  # fmt: skip
# And what it may have.
_COSTS = ("flops", "seconds", "prompt_tokens", "sampled_tokens", "scored_tokens", "judged_tokens")
_OPTIONAL = {
    "results.jsonl": dict.fromkeys(_COSTS, "cost"),
    "points.jsonl": dict.fromkeys(_COSTS, "cost"),
    "samples.jsonl": {"scorer": "name", "tokens": "token lists", "logprob": "score"},
}


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _score(value: Any) -> bool:
    return value is None or _number(value) or value in ("inf", "-inf")  # strict JSON has no infinities


def _listed(value: Any, kind: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(map(kind, value))


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _mapping(value: Any) -> bool:
    return isinstance(value, dict)


# What each kind is called, and whether a value is one.
_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "answer": ("an answer", lambda value: not isinstance(value, float) or _number(value)),
    "text": ("a text", _text),
    "name": ("a name or null", lambda value: value is None or _text(value)),
    "texts": ("a list of texts", lambda value: _listed(value, _text)),
    "count": ("a whole number from 1", lambda value: _whole(value) and value >= 1),
    "place": ("a whole number from 0", lambda value: _whole(value) and value >= 0),
    "number": ("a number", _number),
    "cost": ("a number from 0", lambda value: _number(value) and value >= 0),
    "share": ("a number from 0 to 1", lambda value: _number(value) and -1e-9 <= value <= 1 + 1e-9),
    "grade": ("true, false or null", lambda value: value is None or isinstance(value, bool)),
    "score": ("a number or null", _score),
    "scores": ("a list of numbers and nulls", lambda value: _listed(value, _score)),
    "prompt": ("a text or a list of messages", lambda value: value is None or _text(value) or _listed(value, _mapping)),
    "token lists": ("lists of tokens", lambda value: value is None or _listed(value, lambda v: isinstance(v, list))),
}


def complaint_about(row: Any, file: str) -> str | None:
    """What is wrong with a row, if anything."""
    if not _mapping(row):
        return "not an object"
    for key, kind in _COLUMNS[file].items():
        if key not in row:
            return f"no {key!r}"
        if not _KINDS[kind][1](row[key]):
            return f"{key!r} is {_shown(row[key])}, not {_KINDS[kind][0]}"
    for key, kind in _OPTIONAL.get(file, {}).items():
        if key in row and not _KINDS[kind][1](row[key]):
            return f"{key!r} is {_shown(row[key])}, not {_KINDS[kind][0]}"
    return None


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
