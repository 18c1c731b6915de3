"""The model that a training starts from, and low-rank updates of it."""

import copy
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from os import PathLike, fspath
from typing import Any

from policies.models.engine_options import DType
from policies.models.pretrained import LM_HEADS, first_pass, load_pretrained, loading, quiet
from policies.training.config import TrainConfig
from policies.training.loop import seeded
from verifiers.interface.errors import BadInput

_HEADS = ("score.", *LM_HEADS)


def load_base(
    auto_class: Any,
    base: str | PathLike[str],
    config: TrainConfig,
    *,
    fresh: Collection[str] = (),
    labels: int | None = None,
) -> tuple[Any, Any]:
    """Model and tokenizer of a `save_pretrained` folder or a hub name; safetensors only.

    The weights named in `fresh` may be missing and are then zeros, so that an untrained head says 0.5
    everywhere and the first steps do not tear the body up. Where a head is trained, those of the base are left out.

    Raises BadInput where there is no such model, where its weights are not those of its config, and where it has no
    end-of-sequence token.
    """
    # The frozen weights under LoRA need no more than bfloat16; trained ones need float32.
    dtype: DType = "bfloat16" if config.bf16 and config.lora_rank else "float32"
    with quiet():
        model, tokenizer = load_pretrained(
            base,
            auto_class=auto_class,
            dtype=dtype,
            device="cpu",
            fresh=fresh,
            unread=() if labels is None else _HEADS,
            labels=labels,
        )
        with loading(fspath(base)), seeded(0):  # a config may say what only a training reads, such as its dropout
            first_pass(model.train())
        model.eval()
    if tokenizer.eos_token_id is None:
        raise BadInput(f"the tokenizer of {fspath(base)!r} has no eos_token: the end of a solution could not be shown")
    return model, tokenizer


def longest(model: Any, config: TrainConfig) -> int | None:
    """The tokens that an example may have: `max_length`, and never more than the model's context."""
    limits = (config.max_length, getattr(model.config.get_text_config(), "max_position_embeddings", None))
    return min((limit for limit in limits if limit is not None), default=None)


def add_lora(model: Any, config: TrainConfig) -> Any:
    """Put low-rank updates into the model's layers, the only trained weights beside the head; None for rank 0.

    What is returned knows how to leave them out (`disable_adapter`) and how to merge them. Raises ImportError where
    peft is not installed.
    """
    if not config.lora_rank:
        return None
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise ImportError("lora_rank needs the package peft: pip install 'stepbeam[train]'") from error
    options = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=list(config.lora_targets) or "all-linear",
        exclude_modules=[head.rstrip(".") for head in _HEADS],
    )
    updates = get_peft_model(model, options)
    if (head := getattr(model, "score", None)) is not None:
        head.float().requires_grad_(True)
    return updates


def before_training(model: Any, updates: Any) -> Callable[[], AbstractContextManager[Any]]:
    """What gives, inside its context, the model as it is now: a frozen copy, or the one without its `updates`."""
    frozen = None if updates is not None else copy.deepcopy(model).eval().requires_grad_(False)

    @contextmanager
    def before() -> Iterator[Any]:
        if frozen is not None:
            yield frozen
        else:
            with updates.disable_adapter():
                yield model

    return before
