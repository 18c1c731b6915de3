"""What a chat template is given, and how a spec says it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from verifiers.interface.spec_parts import Spec

# Whether prompts go through a tokenizer's chat template, or the arguments that the template is given.
Chat: TypeAlias = bool | Mapping[str, Any]

_WORDS = {"yes": True, "no": False, "true": True, "false": False, "none": None, "null": None}


def chat_options(spec: Spec) -> list[str]:
    """The options of a spec that are about its chat template: `chat=no`, and `chat.ARGUMENT=VALUE`."""
    return [key for key in spec.options if key == "chat" or key.startswith("chat.")]


def chat_of(spec: Spec) -> Chat:
    """What a spec says of its chat template; a value that is no number, yes or no is a text.

    >>> from verifiers.interface.spec_parts import spec_parts
    >>> chat_of(spec_parts("transformers:model,chat.enable_thinking=false,chat.effort=low"))
    {'enable_thinking': False, 'effort': 'low'}

    Raises ValueError for another word than yes or no, and for arguments of a template that is left out.
    """
    given = {key.removeprefix("chat."): _value(spec.options[key]) for key in chat_options(spec) if key != "chat"}
    used = spec.word("chat", "yes", "no") != "no"
    if given and not used:
        raise ValueError(f"{spec.text!r}: chat=no leaves out the chat template, which {', '.join(given)} is for")
    return given or used


def _value(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, int | float) else text
