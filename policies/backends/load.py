"""Policies by a short name, as the command line gives them."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any

from policies.models.embedded import read_spec
from policies.models.engine_options import (
    ENGINE_OPTIONS,
    SERVER_OPTIONS,
    Chat,
    DType,
    EngineChoice,
    chat_of,
    chat_options,
    engine_options,
    vllm_options,
)
from policies.policy import Policy
from verifiers.interface.own import object_named
from verifiers.interface.spec_parts import Spec

if TYPE_CHECKING:
    from policies.backends.openai import OpenAI
    from policies.backends.transformers import Transformers
    from policies.backends.vllm import VLLM

_FORMS = (
    "transformers:FOLDER_OR_HUB_NAME or vllm:FOLDER_OR_HUB_NAME[,context=T][,rows=R][,gib=G][,share=S][,gpus=N]"
    "[,eager=yes][,seeds=no], each with ,dtype=bfloat16 or float32, ,chat=no or ,chat.ARGUMENT=VALUE, "
    "openai:MODEL,base_url=ADDRESS[,connections=C][,seconds=S][,tries=T][,key_env=NAME][,tokenizer=FOLDER or no]"
    "[,continues=yes], tiny:policy"
)

_TAKES = {
    "transformers": {"dtype", "chat"},
    "vllm": {"dtype", "chat", *ENGINE_OPTIONS},
    "openai": {"chat", *SERVER_OPTIONS},
}


def load(spec: str, *, dtype: DType = "auto") -> Policy:
    """The policy that a spec names, its weights as `dtype` where the spec has no `dtype=`.

    `transformers:MODEL` decodes with this library's own loop, `vllm:MODEL` with vLLM's engine, which is to be closed
    (`policies.VLLM`): `context=4096` bounds a row's tokens, `rows=64` the rows computed side by side, `gib=3` the
    memory of keys and values, `share=0.45` the engine's part of a GPU, `gpus=2` splits the model over two, and
    `eager=yes` starts in seconds without compiling and `seeds=no` draws rows without seeds.
    `openai:MODEL,base_url=http://localhost:8000/v1` asks a server (`policies.OpenAI` has the options; `+` joins several
    addresses). `chat=no` leaves a chat template out, and `chat.enable_thinking=false` gives it an argument.
    `tiny:policy` is the embedded model, in float32 unless said, and `module:name` an object of your own with a method
    `extend`, or a class of such, as of a mine.py beside your script.

    >>> load("vllm:model,rows=none")
    Traceback (most recent call last):
    ...
    ValueError: 'vllm:model,rows=none': rows=none: use a whole number of 1 or more

    Raises ValueError for an unknown kind or option, and what the kind raises for a bad source.
    """
    policy: Policy | None = object_named(spec, "extend")
    if policy is not None:
        return policy
    parts = read_spec(spec, dtype="float32" if dtype == "auto" else dtype)
    on = ("dtype", *chat_options(parts))
    if parts.kind == "transformers" and parts.has(1, *on):
        return load_policy(parts.names[0], dtype=parts.dtype() or dtype, chat=chat_of(parts))
    if parts.kind == "vllm" and parts.has(1, *on, *ENGINE_OPTIONS):
        engine = engine_options(parts)
        return load_policy(parts.names[0], dtype=parts.dtype() or dtype, engine=engine, chat=chat_of(parts))
    if parts.kind == "openai" and parts.has(1, *chat_options(parts), *SERVER_OPTIONS):
        return load_served(parts)
    raise parts.refused("policies.load", "policy", _FORMS, _TAKES)


def load_served(spec: Spec) -> OpenAI:
    """The model of a server that a spec names, by the options that say where it is and how it is asked."""
    from policies.backends.openai import OpenAI

    continues = spec.word("continues", "yes", "no")
    given: dict[str, Any] = {"continues": None if continues is None else continues == "yes", **server_arguments(spec)}
    if tokenizer := spec.options.get("tokenizer"):
        given["tokenizer"] = {"yes": True, "no": False}.get(tokenizer, tokenizer)
    return OpenAI(spec.names[0], chat=chat_of(spec), **given)


def server_arguments(spec: Spec) -> dict[str, Any]:
    """What a spec says of how servers are reached, where it does."""
    base_url = spec.options.get("base_url")
    given = {
        "base_url": None if base_url is None else base_url.split("+"),
        "key_env": spec.options.get("key_env"),
        "connections": spec.count("connections"),
        "seconds": spec.number("seconds"),
        "tries": spec.count("tries"),
    }
    return {key: value for key, value in given.items() if value is not None}


def load_policy(
    name: str | PathLike[str],
    *,
    dtype: DType = "auto",
    device: str = "auto",
    engine: EngineChoice = "transformers",
    chat: Chat = True,
) -> Transformers | VLLM:
    """The model in a folder or of a hub name, on this library's loop or on vLLM's engine, which chooses its device."""
    if (options := vllm_options(engine)) is not None:
        from policies.backends.vllm import VLLM

        return VLLM(name, chat=chat, options=replace(options, dtype=dtype))
    from policies.backends.transformers import Transformers

    return Transformers.load(name, dtype=dtype, device=device, chat=chat)
