"""What is known of servers before they are asked for anything: addresses, the key, and the models that they have."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from verifiers.interface.errors import BadInput

_NAMED = 10  # models of a list that may be very long


@dataclass(frozen=True, slots=True)
class Card:
    """What a server says of one of its models, as far as it does: whose it is, where its files are, its context."""

    id: str
    owner: str | None = None
    root: str | None = None
    parent: str | None = None  # of an adapter
    context: int | None = None


def cards_of(reply: Any) -> list[Card]:
    """The models of a server's list; nothing of what is none.

    >>> cards_of({"data": [{"id": "toy", "owned_by": "vllm", "max_model_len": 512}, 7]})
    [Card(id='toy', owner='vllm', root=None, parent=None, context=512)]
    >>> cards_of({"data": 5})
    []
    """
    listed = reply.get("data") if isinstance(reply, dict) else None

    def text(card: dict[str, Any], key: str) -> str | None:
        return value if isinstance(value := card.get(key), str) and value else None

    return [
        Card(
            name,
            text(card, "owned_by"),
            text(card, "root"),
            text(card, "parent"),
            context if type(context := card.get("max_model_len")) is int and context > 0 else None,
        )
        for card in (listed if isinstance(listed, list) else [])
        if isinstance(card, dict) and (name := text(card, "id")) is not None
    ]


def all_have(model: str, listed: Sequence[tuple[str, Sequence[Card]]]) -> None:
    """Raise BadInput for an address whose list lacks the model, if that of another has it or it is vLLM's.

    Others answer to names that they do not list.
    """
    had = any(card.id == model for _, cards in listed for card in cards)
    for url, cards in listed:
        names = {card.id for card in cards}
        if names and model not in names and (had or any(card.owner == "vllm" for card in cards)):
            raise BadInput(f"{url} has no model {model!r}: it has {_nearest(model, names)}")


def instead(model: str, cards: Sequence[Card]) -> str | None:
    """What a server lists and not this model; None where it lists it, or nothing.

    Gemini's lists say models/NAME, Ollama's NAME:latest, a proxy's PROVIDER/*; OpenRouter takes NAME:VARIANT.

    >>> instead("toy", [Card("toy:latest")]), instead("toy", [Card("large"), Card("tiny")])
    (None, 'large, tiny')
    """
    names = {card.id for card in cards}
    asked = model.removeprefix("models/")
    for name in (name.removeprefix("models/") for name in names):
        same = asked in (name, name.removesuffix(":latest")) or asked.startswith(f"{name}:")
        if same or (name.endswith("*") and asked.startswith(name[:-1])):
            return None
    return _nearest(model, names) if names else None


def _nearest(model: str, names: Set[str]) -> str:
    """Some names, those like the model's first."""
    alike = get_close_matches(model, sorted(names), n=_NAMED)
    first = [*alike, *sorted(names - set(alike))][:_NAMED]
    more = len(names) - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")


def one_card(model: str, cards: Sequence[Card], *, one_root: bool) -> Card:
    """What the servers say of a model together, or of the base that it is an adapter of: the least of their contexts.

    Raises BadInput where they name several roots and it must be one, as where the tokenizer is loaded from it.

    >>> one_card("toy", [Card("toy", context=512), Card("toy", context=128)], one_root=True).context
    128
    """
    mine = [card for card in cards if card.id == model]
    parents = {card.parent for card in mine}
    mine = [card for card in cards if card.id in parents] or mine
    roots = sorted({card.root for card in mine if card.root is not None})
    if one_root and len(roots) > 1:
        raise BadInput(
            f"{model!r} is {' at one address and '.join(map(repr, roots))} at another: give addresses of one model, or "
            "tokenizer= where they are one"
        )
    contexts = [card.context for card in mine if card.context is not None]
    first = mine[0] if mine else Card(model)
    return replace(first, root=roots[0] if roots else None, context=min(contexts, default=None))


def key_in(key_env: str) -> str:
    """The key in a variable of the environment, "" without one. Raises BadInput for what no header can hold."""
    key = os.environ.get(key_env, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise BadInput(f"the key in {key_env} has a line break or a character that no key has: set it again")
    return key


def near(url: str) -> list[str]:
    """The addresses that may be meant by one that lists no models: /v1 was left out, or a route is named too.

    >>> near("http://localhost:8000"), near("http://localhost:8000/v1/chat/completions")
    (['http://localhost:8000/v1'], ['http://localhost:8000/v1'])
    """
    base = re.sub(r"(/chat)?/(completions|models|chat)$", "", url)
    return [meant for meant in (base, f"{base}/v1") if meant != url and not meant.endswith("/v1/v1")]


def check_address(url: str) -> None:
    """Raise BadInput for what is no address, or holds a key."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port or brackets
        sound = False
    if not sound or not url.isprintable() or " " in url:
        shown = url.split("@")[-1].split("?")[0].split("#")[0]  # whatever else it is, it may hold a key
        raise BadInput(f"base_url {shown!r}: it must be an address such as http://localhost:8000/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        host = parts.hostname
        raise BadInput(f"base_url of {host}: keys do not belong into an address, which runs write down: use key_env")
