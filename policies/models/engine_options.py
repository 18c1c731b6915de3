"""What a vLLM engine is started with, and how a spec says it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from verifiers.interface.spec_parts import count_of, share_of, yes_of

EngineDType: TypeAlias = Literal["auto", "float32", "bfloat16", "float16"]  # "auto" is that of the checkpoint
SPEC_OPTIONS = frozenset({"context", "rows", "gib", "share", "gpus", "eager"})


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How an engine is started; the defaults are vLLM's, but for the memory on a CPU.

    `memory_bytes` is that of keys and values; None takes what is left of the engine's share of a GPU, and 2 GiB on a
    CPU. `share` is the part of a GPU's memory that the engine may take: two engines on one GPU want 0.45 each.
    `max_rows` are the rows that are computed side by side, `context` the tokens of a row, `tensor_parallel` the GPUs
    that a model is split over. `eager=True` starts in seconds where compiling takes a minute, and computes a little
    slower.

    >>> EngineOptions(share=1.5)
    Traceback (most recent call last):
    ...
    ValueError: share=1.5: an engine's part of a GPU's memory is above 0 and at most 1
    """

    dtype: EngineDType = "auto"
    context: int | None = None
    memory_bytes: int | None = None
    share: float = 0.9
    max_rows: int = 256
    eager: bool = False
    tensor_parallel: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
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


def dtype_of_checkpoint(config: Any) -> EngineDType:
    """The dtype that a model was saved with, as its config says; float16 is float32 on a CPU."""
    import torch

    found = getattr(config, "dtype", None)
    if found is torch.float16:
        return "float16" if torch.cuda.is_available() else "float32"
    return "bfloat16" if found is torch.bfloat16 else "float32"


def options_from(spec: str, given: dict[str, str]) -> EngineOptions:
    """The engine's options that stand behind a spec's name; the other ones in `given` are left alone.

    >>> options_from("vllm:model,rows=8,share=0.4", {"rows": "8", "share": "0.4"}).max_rows
    8

    Raises ValueError, with the spec, for a value that is none.
    """
    options = EngineOptions()
    if "context" in given:
        options = replace(options, context=count_of(spec, "context", given["context"]))
    if "rows" in given:
        options = replace(options, max_rows=count_of(spec, "rows", given["rows"]))
    if "gib" in given:
        options = replace(options, memory_bytes=count_of(spec, "gib", given["gib"]) << 30)
    if "share" in given:
        options = replace(options, share=share_of(spec, "share", given["share"]))
    if "gpus" in given:
        options = replace(options, tensor_parallel=count_of(spec, "gpus", given["gpus"]))
    if "eager" in given:
        options = replace(options, eager=yes_of(spec, "eager", given["eager"]))
    return options


def without_resources(spec: str) -> str:
    """A spec without what a machine gives an engine, which changes no result: so that a run can go on with less.

    >>> without_resources("vllm:model,context=512,share=0.4,eager=yes")
    'vllm:model,context=512'
    """
    return ",".join(part for part in spec.split(",") if part.partition("=")[0] not in SPEC_OPTIONS - {"context"})


def engine_from(spec: str, given: dict[str, str]) -> EngineChoice:
    """The engine that a scorer's spec chooses with `engine=` and the options of vLLM's, taken out of `given`.

    Raises ValueError for an unknown engine, and for options without `engine=vllm`.
    """
    name = given.pop("engine", "transformers")
    if name not in ("transformers", "vllm"):
        raise ValueError(f"{spec!r}: engine={name}: use transformers or vllm")
    options = {key: given.pop(key) for key in sorted(SPEC_OPTIONS & given.keys())}
    if name == "vllm":
        return options_from(spec, options)
    if options:
        raise ValueError(f"{spec!r}: {', '.join(options)} is for vLLM's engine: add engine=vllm")
    return "transformers"
