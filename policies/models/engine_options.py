"""What a model is loaded with, vLLM's engine started and a chat template given, and how a spec says it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from verifiers.interface.errors import check_kinds
from verifiers.interface.spec_parts import Spec

DType: TypeAlias = Literal["auto", "float32", "bfloat16", "float16"]  # "auto" is that of the checkpoint
# Whether prompts go through a tokenizer's chat template, or the arguments that the template is given.
Chat: TypeAlias = bool | Mapping[str, Any]
ENGINE_OPTIONS = frozenset({"context", "rows", "gib", "share", "gpus", "eager", "seeds"})
# Where a model is served and how it is asked: of these, the ones that change no result, and those that may.
_REACHED_BY = frozenset({"base_url", "key_env", "connections", "seconds", "tries"})
SERVER_OPTIONS = _REACHED_BY | {"tokenizer", "continues"}

_WORDS = {"yes": True, "no": False, "true": True, "false": False, "none": None, "null": None}


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How an engine is started; the defaults are vLLM's, but for the memory on a CPU.

    `memory_bytes` is that of keys and values; None takes what is left of the engine's share of a GPU, and 2 GiB on a
    CPU. `share` is the part of a GPU's memory that the engine may take: two engines on one GPU want 0.45 each.
    `max_rows` are the rows that are computed side by side, `context` the tokens of a row, `tensor_parallel` the GPUs
    that a model is split over. `seeded=False` draws rows without seeds of their own, which is faster, and another
    solution each time. `eager=True` starts in seconds where compiling takes a minute, and computes a little
    slower.

    >>> EngineOptions(share=1.5)
    Traceback (most recent call last):
    ...
    ValueError: share=1.5: an engine's part of a GPU's memory is above 0 and at most 1
    """

    dtype: DType = "auto"
    context: int | None = None
    memory_bytes: int | None = None
    share: float = 0.9
    max_rows: int = 256
    eager: bool = False
    tensor_parallel: int = 1
    seed: int = 0
    seeded: bool = True

    def __post_init__(self) -> None:
        check_kinds(self)
        for name in ("context", "memory_bytes", "max_rows", "tensor_parallel"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name}={value}: it must be 1 or more")
        if not 0 < self.share <= 1:
            raise ValueError(f"share={self.share}: an engine's part of a GPU's memory is above 0 and at most 1")


# What computes a model: "vllm" is vLLM's engine as it starts by itself, options are vLLM's engine too.
EngineChoice: TypeAlias = Literal["transformers", "vllm"] | EngineOptions


def vllm_options(engine: EngineChoice) -> EngineOptions | None:
    """The options of the vLLM engine that was chosen, None for transformers.

    >>> vllm_options("vllm") == EngineOptions()
    True

    Raises ValueError for another word.
    """
    if isinstance(engine, EngineOptions):
        return engine
    if engine not in ("transformers", "vllm"):
        raise ValueError(f"engine={engine!r}: use 'transformers', 'vllm' or policies.EngineOptions")
    return EngineOptions() if engine == "vllm" else None


def dtype_for(dtype: DType, config: Any, device: str) -> DType:
    """What a model is to compute in on a device; "auto" is what it was saved in, and float32 for float16 on a CPU.

    Raises ValueError for another word.
    """
    known = get_args(DType)
    if dtype not in known:
        raise ValueError(f"unknown dtype {dtype!r}: use one of {', '.join(known)}")
    if dtype != "auto":
        return dtype
    saved = str(getattr(config, "dtype", None)).removeprefix("torch.")
    return "bfloat16" if saved == "bfloat16" else "float16" if saved == "float16" and device != "cpu" else "float32"


def engine_options(spec: Spec) -> EngineOptions:
    """The engine's options among a spec's.

    >>> from verifiers.interface.spec_parts import spec_parts
    >>> engine_options(spec_parts("vllm:model,rows=8,share=0.4")).max_rows
    8

    Raises ValueError, with the spec, for a value that is none.
    """
    default, gib, share = EngineOptions(), spec.count("gib"), spec.number("share")
    if share is not None and not 0 < share <= 1:
        raise ValueError(f"{spec.text!r}: share={spec.options['share']}: use a number above 0 and at most 1")
    return EngineOptions(
        context=spec.count("context"),
        memory_bytes=None if gib is None else gib << 30,
        share=share or default.share,
        max_rows=spec.count("rows") or default.max_rows,
        eager=spec.word("eager", "yes", "no") == "yes",
        tensor_parallel=spec.count("gpus") or default.tensor_parallel,
        seeded=spec.word("seeds", "yes", "no") != "no",
    )


def without_resources(spec: str) -> str:
    """A spec without what a machine gives an engine, which changes no result: so that a run can go on with less.

    Nor does the address of a server: a model that is served elsewhere by now is the same.

    >>> without_resources("vllm:model,context=512,share=0.4,eager=yes")
    'vllm:model,context=512'
    """
    left_out = ENGINE_OPTIONS - {"context", "seeds"} | _REACHED_BY
    return ",".join(part for part in spec.split(",") if part.partition("=")[0] not in left_out)


def engine_of(spec: Spec) -> EngineChoice:
    """The engine that a scorer's spec chooses with `engine=` and the options of vLLM's.

    Raises ValueError for an unknown engine, and for options without `engine=vllm`.
    """
    if spec.word("engine", "transformers", "vllm") == "vllm":
        return engine_options(spec)
    if given := sorted(ENGINE_OPTIONS & spec.options.keys()):
        raise ValueError(f"{spec.text!r}: {', '.join(given)} is for vLLM's engine: add engine=vllm")
    return "transformers"


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


def with_chat(name: str, chat: Chat) -> str:
    """A model's name with what its chat template is given, or that it is left out.

    >>> with_chat("model", {"effort": "low"}), with_chat("model", False), with_chat("model", True)
    ('model[effort=low]', 'model[chat=False]', 'model')
    """
    given = ["chat=False"] * (chat is False) if isinstance(chat, bool) else [f"{k}={v}" for k, v in chat.items()]
    return name + (f"[{', '.join(given)}]" if given else "")


def _value(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, int | float) else text
