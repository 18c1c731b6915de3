"""Tokenizers that put a mark in front of every text, as SentencePiece's do, and how a text goes without it.

Such a tokenizer takes each piece of a text that is encoded alone for the beginning of one. So a piece is encoded behind
an anchor, a short text whose tokens the piece cannot change, and the anchor's tokens are taken off; and ids are decoded
behind one, as the blank of the first would else be dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from policies.models.locks import TOKENIZING

_TEXTS = ("\n", ".", "(", "a", "1")
_PROBE = "b"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A text and its ids, the mark among them."""

    text: str
    ids: tuple[int, ...]


_KNOWN: WeakKeyDictionary[Any, tuple[Anchor, ...]] = WeakKeyDictionary()


def anchors(tokenizer: Any) -> tuple[Anchor, ...]:
    """The anchors of a tokenizer, the best first; none where it puts nothing in front of a text.

    >>> from policies.models.tiny_example import tiny_tokenizer
    >>> anchors(tiny_tokenizer())
    ()
    """
    known = _KNOWN.get(tokenizer)
    if known is None:
        known = _KNOWN[tokenizer] = _found(tokenizer)
    return known


def plain_ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """The ids of whole texts: none is added, and what spells a special token stays text."""
    if not texts:
        return []
    with TOKENIZING:
        rows = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return [list(ids) for ids in rows]


def ids_behind(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """The ids of texts that stand behind others; what no anchor fits is encoded as a whole text."""
    found: dict[int, list[int]] = {i: [] for i, text in enumerate(texts) if not text}
    for anchor in anchors(tokenizer):
        left = [i for i in range(len(texts)) if i not in found]
        length = len(anchor.ids)
        for i, ids in zip(left, plain_ids(tokenizer, [anchor.text + texts[i] for i in left]), strict=True):
            if tuple(ids[:length]) == anchor.ids:
                found[i] = ids[length:]
    left = [i for i in range(len(texts)) if i not in found]
    found |= zip(left, plain_ids(tokenizer, [texts[i] for i in left]), strict=True)
    return [found[i] for i in range(len(texts))]


def _found(tokenizer: Any) -> tuple[Anchor, ...]:
    [alone], unknown = plain_ids(tokenizer, [_PROBE]), getattr(tokenizer, "unk_token_id", None)
    several = plain_ids(tokenizer, [text + more for text in _TEXTS for more in ("", _PROBE)])
    # Of those whose tokens stay as they are when a text follows.
    fit = [
        (Anchor(text, tuple(ids)), longer[len(ids) :])
        for text, ids, longer in zip(_TEXTS, several[::2], several[1::2], strict=True)
        if ids and longer[: len(ids)] == ids and len(longer) > len(ids)
    ]
    if all(behind == alone for _, behind in fit):
        return ()
    # Unknown characters beside each other may become one token.
    return tuple(sorted((anchor for anchor, _ in fit), key=lambda anchor: unknown in anchor.ids))
