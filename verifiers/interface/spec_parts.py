"""What a `load` takes: `KIND:NAME,...,KEY=VALUE,...`, or `module:name` for an object of one's own."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, TypeVar

Word = TypeVar("Word", bound=str)

LOADED_BY = {
    **dict.fromkeys(("transformers", "vllm", "openai"), "policies.load"),
    **dict.fromkeys(("orm", "genrm", "judge", "implicit"), "verifiers.load"),
    **dict.fromkeys(("prm", "pav"), "prms.load"),
}
_USUAL = {"policies.load": "transformers", "verifiers.load": "orm", "prms.load": "prm"}


@dataclass(frozen=True, slots=True)
class Spec:
    """The parts of a spec; `text` is what of it may stand in messages.

    The readers of options answer None where an option is not given, and raise ValueError, with the spec, for a value
    that is none.
    """

    text: str
    kind: str
    names: tuple[str, ...]
    options: Mapping[str, str]

    def has(self, names: int, *options: str) -> bool:
        """Whether it has so many names, and no options but these."""
        return len(self.names) == names and self.options.keys() <= set(options)

    def count(self, key: str) -> int | None:
        """A whole number of 1 or more."""
        value = self.options.get(key)
        if value is not None and (not value.isdecimal() or int(value) < 1):
            raise ValueError(f"{self.text!r}: {key}={value}: use a whole number of 1 or more")
        return None if value is None else int(value)

    def number(self, key: str) -> float | None:
        """A finite number."""
        if (value := self.options.get(key)) is None:
            return None
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"{self.text!r}: {key}={value} is not a number")
        return number

    def word(self, key: str, *words: Word) -> Word | None:
        """One of the words."""
        value = self.options.get(key)
        if value not in (None, *words):
            raise ValueError(f"{self.text!r}: {key}={value}: use {' or '.join(words)}")
        return next((word for word in words if word == value), None)

    def dtype(self) -> Literal["float32", "bfloat16"] | None:
        """What to compute in."""
        return self.word("dtype", "bfloat16", "float32")

    def refused(self, load: str, what: str, forms: str, takes: Mapping[str, Collection[str]]) -> ValueError:
        """What `load` raises for a spec that it does not take, where its kinds take such options; a kind of another
        package is sent to its `load`.

        >>> spec_parts("orm:m,dtyp=float32").refused("verifiers.load", "verifier", "orm:MODEL", {"orm": ["dtype"]})
        ValueError("unknown verifier 'orm:m,dtyp=float32': orm takes no dtyp=, but dtype=")
        """
        loader = LOADED_BY.get(self.kind, load)
        if loader != load:
            return ValueError(f"{load} takes no {self.kind!r}, as in {self.text!r}: give it to {loader}")
        if not self.kind and (kind := _kind_of_folder(Path(self.text), load)) is not None:
            loader = LOADED_BY.get(kind, load)
            to = "" if loader == load else f" and give it to {loader}"
            return ValueError(
                f"{self.text!r} is a model's folder, without its kind: write {f'{kind}:{self.text}'!r}{to}"
            )
        said = f"unknown {what} {self.text!r}"
        mine = takes.get(self.kind)
        known_too = "chat." if mine is not None and "chat" in mine else ()
        odd = [] if mine is None else [key for key in self.options if key not in mine and not key.startswith(known_too)]
        if mine is not None and odd:
            secret = _is_secret(odd[0]) and "key_env" in mine
            close = get_close_matches(odd[0], mine, 1, cutoff=0.8 if secret else 0.6)
            known = ", ".join(f"{key}=" for key in close or sorted(mine))
            if secret and not close:
                known = "key_env=, the name of the environment's variable that holds it"
            return ValueError(f"{said}: {self.kind} takes no {odd[0]}=, but {known}")
        if mine is not None and not self.names:
            return ValueError(f"{said}: it names no model; use {forms}")
        if mine is None and (close := get_close_matches(self.kind, takes, 1, cutoff=0.6)):
            said += f" (did you mean {close[0]}:?)"
        bare = "" if self.kind else f"write {forms.partition(':')[0]}:{self.text}, or "
        return ValueError(
            f"{said}: {bare}use {forms}, or package.module:name of your own, such as "
            "mine:name of a mine.py in this folder"
        )


def _kind_of_folder(folder: Path, load: str) -> str | None:
    """The kind that a model's folder tells, or else what `load` takes most often; None for no such folder."""
    try:
        entry = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("stepbeam") or {}
        return entry.get("kind") if entry.get("kind") in LOADED_BY else _USUAL.get(load)
    except (OSError, ValueError, AttributeError):
        return None


def spec_parts(text: str) -> Spec:
    r"""A spec in its parts; one without a kind, or that begins with a drive, is one name.

    >>> spec = spec_parts("pav:tiny:prm,tiny:prover,alpha=0.5")
    >>> spec.kind, spec.names, spec.number("alpha")
    ('pav', ('tiny:prm', 'tiny:prover'), 0.5)
    >>> spec_parts("C:\\models\\prm").kind
    ''
    """
    kind, colon, rest = text.partition(":")
    if not colon or len(kind) == 1:
        return Spec(shown(text), "", (text,), {})
    names: list[str] = []
    options: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if equals and all(word.isidentifier() for word in key.split(".")):
            options[key] = value
        else:
            names.append(part)
    return Spec(shown(text), kind, tuple(names), options)


def shown(text: str) -> str:
    """A spec as messages show it: without what somebody may have taken for a place to put a key.

    >>> shown("openai:m,key=sk-1"), shown("openai:m,base_url=http://me:word@host/v1?key=1,tries=0")
    ('openai:m,key=...', 'openai:m,base_url=http://...@host/v1?...,tries=0')
    """
    parts = []
    for part in text.split(","):
        key, equals, _ = part.partition("=")
        part = f"{key}=..." if equals and _is_secret(key) else part
        parts.append(re.sub(r"(://[^\s?#]*)([?#]).*", r"\1\2...", re.sub(r"://[^/\s]*@", "://...@", part)))
    return ",".join(parts)


def _is_secret(key: str) -> bool:
    """Whether an option's name looks as if its value were a key."""
    named = re.search("key|token|secret|password", key, re.IGNORECASE)
    return named is not None and key not in ("key_env", "tokenizer", "max_tokens")
