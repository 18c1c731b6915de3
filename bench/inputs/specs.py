"""Policies and scorers from what a person types on the command line."""

import hashlib
import importlib
import json
import os
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import policies
import prms
import verifiers
from bench.runs.plan import DType
from bench.tiny import weights_folder
from policies.models.engine_options import engine_from, without_resources
from policies.policy import Policy
from verifiers.interface.errors import BadInput
from verifiers.interface.scoring import Scorer
from verifiers.interface.spec_parts import dtype_of, parts_of


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
    except (ValueError, OSError, ImportError) as error:
        raise BadInput(f"--policy {spec}: {_first_line(error)}") from None


def load_scorer(spec: str) -> Scorer:
    """A scorer by its spec.

    `tiny:NAME` for an embedded one (`tiny:genrm_cot,votes=4`), `prm:MODEL` for one of ours or a public PRM
    (`prm:MODEL,dtype=bfloat16`), what `verifiers.load` takes, or `package.module:name` for one of your own.
    `pav:BASE,PROVER,alpha=0.5` and `pav:BASE,k=4,alpha=0.5` are PAVs of scorers that have specs themselves.

    Raises BadInput where nothing of that name can be loaded.
    """
    _quiet()
    try:
        if spec.startswith("pav:"):
            return _load_pav(spec)
        known = _in_full(spec) if spec.startswith("tiny:") else spec
        if known.startswith("prm:"):
            names, options = parts_of(known.removeprefix("prm:"))
            engine = engine_from(spec, options)
            if len(names) != 1 or options.keys() - {"dtype"}:
                raise ValueError("a PRM is prm:MODEL, with ,dtype=bfloat16 or float32 and ,engine=vllm")
            return prms.load(names[0], dtype=dtype_of(spec, options.get("dtype")), engine=engine)
        own: Scorer | None = _from_module(spec, "score")
        return own if own is not None else verifiers.load(known)
    except (ValueError, TypeError, OSError, ImportError) as error:
        raise BadInput(f"--scorer {spec}: {_first_line(error)}") from None


def separator_note(name: str, trained: str | None, given: str) -> str | None:
    r"""What a reader should know where a scorer is given steps of another format than its own.

    >>> separator_note("prm", "\n\n", "\n")
    "prm scores steps that end with '\\n' and was trained on steps that end with '\\n\\n'"
    """
    if trained is None or trained == given:
        return None
    return f"{name} scores steps that end with {given!r} and was trained on steps that end with {trained!r}"


def version_of(spec: str) -> str:
    """The spec with a digest of every model folder that it names, so that a model trained anew is another one.

    A scorer of one's own, `package.module:name`, is as new as its module's file.
    """
    from policies.training.folder import base_digest

    tiny = dict.fromkeys(re.findall(r"\btiny:\w+", spec))
    folders = [*map(_tiny_folder, tiny), *(Path(part) for part in re.split(r"[:,]", spec) if part)]
    module = spec.partition(":")[0]
    own = getattr(sys.modules.get(module), "__file__", None) if "." in module else None
    code = [hashlib.sha256(Path(own).read_bytes()).hexdigest()[:16]] if own else []
    return " ".join([without_resources(spec), *(base_digest(folder) for folder in folders if folder.is_dir()), *code])


def named_scorers(options: list[str]) -> dict[str, str]:
    """Names and specs of scorers written as SPEC or NAME=SPEC; a bare spec is named by its last part.

    >>> named_scorers(["tiny:orm", "mine=orm:models/run-7", "pav:tiny:prm,k=4,alpha=0.5"])
    {'orm': 'tiny:orm', 'mine': 'orm:models/run-7', 'pav': 'pav:tiny:prm,k=4,alpha=0.5'}

    Raises BadInput where two have the same name.
    """
    named: dict[str, str] = {}
    for option in options:
        if given := re.fullmatch(r"([\w.-]+)=(.*)", option):
            name, spec = given.groups()
        else:
            kind, _, rest = option.partition(":")
            spec, name = (
                option,
                "pav" if kind == "pav" else Path(rest.rpartition(":")[2].partition(",")[0] or kind).name,
            )
        if name in named:
            raise BadInput(f"--scorer {option}: the name {name!r} is taken by {named[name]}; write NAME={spec}")
        named[name] = spec
    return named


def _load_pav(spec: str) -> Scorer:
    from prms.pav import PAV

    names, options = parts_of(spec.removeprefix("pav:"))
    unknown = options.keys() - {"alpha", "k"}
    if unknown or len(names) != (1 if "k" in options else 2):
        raise ValueError("a PAV is pav:BASE,PROVER,alpha=A or pav:BASE,k=K,alpha=A")
    base, *prover = [load_scorer(name) for name in names]
    alpha = float(options.get("alpha", 0.5))
    if prover:
        return PAV(base, prover[0], alpha)
    return PAV.best_of_k(base, int(options["k"]), alpha=alpha)


def _in_full(spec: str) -> str:
    """An embedded model's spec with its kind and its folder."""
    name, comma, options = spec.partition(",")
    folder = _tiny_folder(name)
    kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["stepbeam"]["kind"]
    return f"{kind}:{folder}{comma}{options}"


def _quiet() -> None:
    """Keep the engines' own bars and advice out of the command's output; their errors still come through."""
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # read when vLLM is imported
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"vllm\.")
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
