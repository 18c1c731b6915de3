"""Texts in what wraps them: messages and parts of messages."""

from bench.inputs.rows import Row

_ROLES = {"human": "user", "gpt": "assistant", "model": "assistant", "ai": "assistant", "bot": "assistant"}


def is_talk(found: object) -> bool:
    """Whether it is a list of messages, with role and content or, as ShareGPT has them, from and value."""
    return (
        isinstance(found, list)
        and bool(found)
        and all(isinstance(turn, dict) and ("role" in turn or {"from", "value"} <= turn.keys()) for turn in found)
    )


def talk_of(turns: list[Row]) -> list[Row]:
    """Messages with role and content alone, contents as texts where they can be."""
    return [
        {"role": _role(turn), "content": text if isinstance(text := text_of(_content(turn)), str) else _content(turn)}
        if turn.keys() & {"content", "value", "prompt"}
        else turn
        for turn in turns
    ]


def is_of_the_model(turn: Row) -> bool:
    """Whether a message is the model's."""
    return _role(turn) == "assistant"


def text_of(found: object) -> object:
    """The text in a message, a talk (that of its last answer) or parts; None for none, else what was given.

    >>> text_of([{"role": "user", "content": "?"}, {"role": "assistant", "content": [{"type": "text", "text": "4"}]}])
    '4'
    >>> text_of({"parts": [{"text": "a"}, {"text": "thought of", "thought": True}]}), text_of({"content": None})
    ('a', None)
    """
    if is_talk(found):
        turns = [turn for turn in found if is_of_the_model(turn)]  # type: ignore[attr-defined]
        return text_of(_content((turns or found)[-1]))  # type: ignore[index]
    if isinstance(found, list) and found and all(isinstance(part, dict) for part in found):
        return _joined(found)
    if isinstance(found, dict):
        for name in ("text", "content", "message", "parts", "value", "generated_text"):
            if found.get(name) is not None:
                return text_of(found[name])
        return None if {"content", "text", "message", "parts"} & found.keys() else found
    return found


def _joined(parts: list[Row]) -> object:
    """The texts among the parts; what a model thought, called or drew is none of them."""
    texts = [
        text_of(part)
        for part in parts
        if not part.get("thought") and part.get("type", "text") in ("text", "output_text", "message")
    ]
    if all(isinstance(text, str | None) for text in texts):
        return "".join(text for text in texts if isinstance(text, str)) if any(texts) else None
    return parts


def _role(turn: Row) -> object:
    role = turn.get("role", turn.get("from"))
    return _ROLES.get(role.lower(), role) if isinstance(role, str) else role


def _content(turn: Row) -> object:
    """What a message says; OpenCompass has it in "prompt"."""
    return next((turn[name] for name in ("content", "value", "prompt") if name in turn), None)
