"""Load a model and its tokenizer from a folder or a hub, with errors of one line."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from policies.models.checkpoint import ADAPTER_CONFIG, INDEX, check_folder, weight_map
from policies.models.engine_options import DType, dtype_for
from policies.models.sources import source_of
from policies.models.tensors import json_of
from verifiers.interface import arguments
from verifiers.interface.errors import BadInput, MissingInput, first_line
from verifiers.interface.spec_parts import LOADED_BY

# What a causal model's head is called in transformers' classes: most say the first, GPT-NeoX (Pythia) the second.
_VALUE_HEAD = "v_head."
LM_HEADS = ("lm_head.", "embed_out.")


def load_pretrained(
    name: str | PathLike[str],
    *,
    auto_class: Any = AutoModelForCausalLM,
    kind: str = "model",
    dtype: DType = "auto",
    device: str = "auto",
    fresh: Collection[str] = (),
    unread: Collection[str] = (),
    labels: int | None = None,
) -> tuple[Any, Any]:
    """A model of one of transformers' classes and its tokenizer, from a folder with safetensors or by hub name.

    `dtype="auto"` is that of the checkpoint (float16 becomes float32 on a CPU); `device="auto"` is CUDA
    where there is one. The weights named in `fresh` may be missing and are then zeros; those whose names begin as
    `unread` says may be there and are left out; any other that is missing, too many or of another shape is refused.
    `labels` are the outputs of a classifier's head. Nothing is unpickled and no code of the repository is run.

    Raises MissingInput or BadInput, in one line that names the folder and what is wrong with it; `kind` is what the
    line calls the model.
    """
    source = checked_source(name, kind)
    device = device_of(device)
    config, tokenizer = load_config(source, kind), load_tokenizer(source, kind)
    if labels is not None:
        config.num_labels = labels
    with loading(source, kind), quiet(bars=True):  # what would be reported is judged here
        model, info = auto_class.from_pretrained(
            _base_of(source) or source,
            config=config,
            dtype=getattr(torch, dtype_for(dtype, config, device)),
            use_safetensors=True,
            trust_remote_code=False,  # unsaid, transformers would stop and ask
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
        _check_weights(source, kind, model, info, fresh=fresh, unread=unread)
        if _base_of(source) is not None:
            _check_weights(source, kind, model, model.load_adapter(source, use_safetensors=True).to_dict())
        with torch.no_grad():
            for key in info["missing_keys"]:
                model.get_parameter(key).zero_()
        if bool(first_pass(model.to(device).eval()).isnan().any()):
            raise BadInput(f"{source!r}: what its weights compute is no number (NaN): save the {kind} again")
    return model, tokenizer


def first_pass(model: Any) -> torch.Tensor:
    """What a model says of one token: what its config says that no loader asks about shows there."""
    with torch.inference_mode():
        out: torch.Tensor = model(input_ids=torch.zeros(1, 1, dtype=torch.long, device=model.device))[0]
    return out


def checked_source(name: str | PathLike[str], kind: str = "model") -> str:
    """A folder's path, looked into for what a model needs, or a hub name; raises as `load_pretrained`."""
    source = source_of(name, kind)
    if os.path.isdir(source):
        check_folder(Path(source))
    elif (index := json_of(source, INDEX)) is not None:
        weight_map(index, f"{source}/{INDEX}")
    if (base := _base_of(source)) is not None:
        if _base_of(base_source := source_of(base, kind)) is not None:
            raise BadInput(
                f"{source!r} is an adapter of {base!r}, which is an adapter too: merge that one, and save it"
            )
        if os.path.isdir(base_source):
            check_folder(Path(base_source))
    return source


def load_config(source: str, kind: str = "model") -> Any:
    """A model's config; that of an adapter, which has none, is its base model's."""
    with loading(source, kind):
        return AutoConfig.from_pretrained(_base_of(source) or source, trust_remote_code=False)


def load_tokenizer(source: str, kind: str = "model") -> Any:
    """A model's tokenizer."""
    with loading(source, kind, "its tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        tokenizer("a")  # what a vocabulary lacks shows in the first text
    return tokenizer


def check_kind(source: str, config: Any, kind: str) -> dict[str, Any]:
    """A model's `stepbeam` entry; raises BadInput where that says that the model is of another kind."""
    entry = dict(getattr(config, "stepbeam", None) or {})
    if (seen := entry.get("kind", kind)) != kind:
        told = f"write {f'{seen}:{source}'!r} where a spec is taken" if seen in LOADED_BY else "load it as what it is"
        raise BadInput(f"{str(source)!r} holds a model of kind {seen!r}, not {kind!r}: {told}")
    return entry


def device_of(device: str) -> str:
    """The device that is asked for; "auto" is CUDA where there is one. Raises BadArgument for what is none."""
    arguments.check_kind("device", device, str | torch.device, "give auto, cpu, cuda or cuda:1, say")
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


@contextmanager
def loading(source: str, kind: str = "model", what: str = "it") -> Iterator[None]:
    """Whatever a loader raises of a model's files, as BadInput in one line that names the folder.

    A package that is not installed stays an ImportError, and where there is no such model it is MissingInput.
    """
    try:
        yield
    except (BadInput, ImportError):
        raise
    except Exception as error:
        raise _refused(source, kind, what, error) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # a tokenizer's, which is no Exception
            raise
        raise _refused(source, kind, what, error) from error


@contextmanager
def quiet(*, bars: bool = False) -> Iterator[None]:
    """Without transformers' report of new weights and weights left over, and, unless asked for, its bars."""
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if not bars:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _refused(source: str, kind: str, what: str, error: BaseException) -> BadInput:
    if isinstance(error, OSError) and not os.path.isdir(source):
        return MissingInput(f"no {kind} at {source!r}: {first_line(error)}")
    said = f"{type(error).__name__}: {first_line(error)}" if isinstance(error, LookupError) else first_line(error)
    return BadInput(f"{source}: transformers could not load {what}: {said:.300}; save the model again")


def _base_of(source: str) -> str | None:
    """What an adapter's updates are added to; None where the source is a whole model."""
    adapter = json_of(source, ADAPTER_CONFIG)
    if adapter is None:
        return None
    base = adapter.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise BadInput(
            f"{source}/{ADAPTER_CONFIG}: its base_model_name_or_path is {base!r}: name a folder or a hub name"
        )
    return base


def _check_weights(
    source: str,
    kind: str,
    model: Any,
    info: Mapping[str, Any],
    *,
    fresh: Collection[str] = (),
    unread: Collection[str] = (),
) -> None:
    """Raise BadInput where a model got other weights than it has places for: missing ones would be random."""
    missing = sorted(key for key in info["missing_keys"] if key not in fresh)
    others = sorted(key for key in info["unexpected_keys"] if not key.startswith(tuple(unread)))
    shapes = sorted(info["mismatched_keys"])
    if missing:
        raise BadInput(f"{source!r} holds no trained {kind}: its weights lack {_some(missing)}")
    if shapes:
        key, seen, wanted = shapes[0]
        raise BadInput(
            f"{source!r}: its weight {key} has the shape {tuple(seen)}, and its config.json describes {tuple(wanted)}: "
            "save the model again"
        )
    if others and all(key.startswith(_VALUE_HEAD) for key in others):
        # A policy in training with TRL and a reward model are saved alike: nothing says which of them it is.
        raise BadInput(
            f"{source!r} is a {kind} with a value head ({_some(others)}): of a policy save the part without it "
            "(model.pretrained_model.save_pretrained), a reward model load as what it is, such as prm:FOLDER"
        )
    if others:
        raise BadInput(
            f"{source!r} holds no {kind} as its config.json describes it: a {type(model).__name__} has no place for "
            f"{_some(others)}: load it as what it is, or save the model again"
        )


def _some(keys: Sequence[str]) -> str:
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
