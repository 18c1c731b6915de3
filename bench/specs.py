"""Policies and scorers from what a person types on the command line."""

import importlib
import json
from pathlib import Path
from typing import Any

import policies
import prms
import verifiers
from bench.errors import BadInput
from bench.plan import DType
from bench.tiny import weights_folder
from policies.policy import Policy
from verifiers.scoring import Scorer


def load_policy(spec: str, *, dtype: DType = "auto") -> Policy:
    """`tiny:policy`, `transformers:FOLDER_OR_NAME`, or `package.module:name` for one of your own.

    Raises BadInput where nothing of that name can be loaded.
    """
    _quiet()
    try:
        if spec.startswith("tiny:"):
            return policies.load(f"transformers:{_tiny_folder(spec)}", dtype="float32")
        own: Policy | None = _from_module(spec, "extend")
        return own if own is not None else policies.load(spec, dtype=dtype)
    except (ValueError, OSError) as error:
        raise BadInput(f"--policy {spec}: {_first_line(error)}") from None


def load_scorer(spec: str) -> Scorer:
    """`tiny:orm`, `tiny:prm`, `orm:FOLDER`, `prm:FOLDER`, or `package.module:name` for one of your own.

    Raises BadInput where nothing of that name can be loaded.
    """
    _quiet()
    try:
        if spec.startswith("tiny:"):
            folder = _tiny_folder(spec)
            kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["stepbeam"]["kind"]
            spec_of_folder = f"{kind}:{folder}"
        else:
            spec_of_folder = spec
        if spec_of_folder.startswith("prm:"):
            return prms.load(spec_of_folder.removeprefix("prm:"))
        own: Scorer | None = _from_module(spec, "score")
        return own if own is not None else verifiers.load(spec_of_folder)
    except (ValueError, OSError) as error:
        raise BadInput(f"--scorer {spec}: {_first_line(error)}") from None


def named_scorers(options: list[str]) -> dict[str, str]:
    """Names and specs of scorers written as SPEC or NAME=SPEC; a bare spec is named by its last part.

    >>> named_scorers(["tiny:orm", "mine=orm:models/run-7"])
    {'orm': 'tiny:orm', 'mine': 'orm:models/run-7'}

    Raises BadInput where two have the same name.
    """
    named: dict[str, str] = {}
    for option in options:
        name, equals, spec = option.partition("=")
        if not equals:
            spec, name = option, Path(option.rpartition(":")[2]).name
        if name in named:
            raise BadInput(f"--scorer {option}: the name {name!r} is taken by {named[name]}; write NAME={spec}")
        named[name] = spec
    return named


def _quiet() -> None:
    """Keep transformers' own bars and advice out of the command's output; its errors still come through."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()


def _tiny_folder(spec: str) -> Path:
    return weights_folder(spec.removeprefix("tiny:"))


def _from_module(spec: str, method: str) -> Any:
    """The object that `package.module:name` names, or None where the spec does not look like one."""
    module, _, name = spec.partition(":")
    if "/" in module or "." not in module or not name.isidentifier():
        return None
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"cannot import it ({error})") from None
    if not hasattr(found, method) or isinstance(found, type):
        raise ValueError(f"{name} in {module} is a {type(found).__name__} without the method .{method}()")
    return found


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
