"""PRMs by name, and scorers by a short spec, such as a command line takes."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path

from policies.models.embedded import read_spec
from policies.models.engine_options import ENGINE_OPTIONS, SERVER_OPTIONS, DType, EngineChoice, engine_of
from prms.formats import PRMFormat, format_named, format_of, known_formats
from prms.pav import PAV
from verifiers import load as load_verifier
from verifiers.interface.arguments import path_argument
from verifiers.interface.errors import BadInput
from verifiers.interface.own import object_named
from verifiers.interface.scoring import Scorer
from verifiers.interface.spec_parts import LOADED_BY, Spec
from verifiers.load import FORMS, TAKES

_FORMS = (
    "prm:MODEL, with ,dtype=bfloat16 or float32 and ,engine=vllm, or with ,base_url=ADDRESS, "
    "pav:BASE,PROVER,alpha=A, pav:BASE,k=K,alpha=A, "
    f"a model's folder or hub name, {FORMS}"
)

_TAKES = {**TAKES, "prm": {"dtype", "engine", *ENGINE_OPTIONS, *SERVER_OPTIONS}, "pav": {"alpha", "k"}}


def load(
    name: str | PathLike[str],
    *,
    format: PRMFormat | str | None = None,  # noqa: A002
    dtype: DType = "auto",
    device: str = "auto",
    engine: EngineChoice = "transformers",
) -> Scorer:
    """The PRM in a folder or of a hub name, one of ours or a public one; or the scorer that a spec names.

    Our PRMs are known by the `stepbeam` entry of their config.json, public ones by their name or
    architecture. A folder of which neither tells needs its format: `format="math-shepherd"`, a
    `PRMFormat`, or the name in front: `math-shepherd:FOLDER`.

    A spec is `prm:MODEL` with, where they are wanted, `,dtype=bfloat16` and `,engine=vllm` with its options;
    or `prm:MODEL,base_url=http://localhost:8000/v1` for one that vLLM serves (`prms.served`);
    `pav:BASE,PROVER,alpha=0.5` or `pav:BASE,k=4,alpha=0.5`, PAVs of scorers that have specs themselves; `tiny:prm`;
    or what `verifiers.load` takes.

    >>> type(load("tiny:prm")).__name__, type(load("pav:tiny:prm,k=4,alpha=0.5")).__name__
    ('PRM', 'PAV')

    `engine="vllm"`, or `policies.EngineOptions` (its dtype is this call's), computes the model's body on vLLM's
    pooling runner, with the same scores up to float noise.
    `dtype="auto"` is float32 for ours and the checkpoint's for public ones. A spec says these things itself, and
    refuses the keywords. Raises FileNotFoundError where there is no such model, ValueError where it is of another or
    an unknown kind.
    """
    if not isinstance(name, str):
        name = path_argument("name", name, "give a folder's path, a hub's name or a spec, such as tiny:prm")
    text = str(name)
    spec = read_spec(text)
    if isinstance(name, Path) or not spec.kind or format_named(spec.kind) or os.path.exists(text):
        return _load_prm(text, format, dtype, device, engine)
    if (format, dtype, device, engine) != (None, "auto", "auto", "transformers"):
        raise ValueError(
            f"{spec.text!r}: format, dtype, device and engine are for a folder or a hub name, not for a spec"
        )
    scorer: Scorer | None = object_named(text, "score")
    if scorer is not None:
        return scorer
    if spec.kind == "prm" and "base_url" in spec.options and spec.has(1, *SERVER_OPTIONS - {"continues"}):
        from policies.backends.load import server_arguments
        from policies.backends.openai_client import Servers
        from prms.served import ServedPRM

        return ServedPRM.of(
            spec.names[0], Servers.at(**server_arguments(spec)), tokenizer=spec.options.get("tokenizer")
        )
    if spec.kind == "prm" and spec.has(1, "dtype", "engine", *ENGINE_OPTIONS):
        return _load_prm(spec.names[0], None, spec.dtype() or "auto", "auto", engine_of(spec))
    if spec.kind == "pav" and spec.has(2 if "k" not in spec.options else 1, "alpha", "k"):
        return _load_pav(spec)
    if LOADED_BY.get(spec.kind) == "verifiers.load":
        return load_verifier(text)
    raise spec.refused("prms.load", "scorer", _FORMS, _TAKES)


def _load_prm(name: str, form: PRMFormat | str | None, dtype: DType, device: str, engine: EngineChoice) -> Scorer:
    prefix, colon, rest = name.partition(":")
    if form is None and colon and not os.path.exists(name) and format_named(prefix) is not None:
        form, name = prefix, rest
    if isinstance(form, str):
        if (named := format_named(form)) is None:
            raise ValueError(f"unknown format {form!r} of a PRM: use one of {known_formats()}")
        form = named
    if form is None:
        from policies.models.pretrained import checked_source
        from policies.models.tensors import json_of

        config = json_of(checked_source(name, "prm"), "config.json") or {}  # the loaders tell where there is none
        ours, architectures = "stepbeam" in config, config.get("architectures") or []
        classifies = any(architecture.endswith("ForTokenClassification") for architecture in architectures)
        form = None if ours else format_of(name, config)
        if form is None and config and not (ours or classifies):
            raise BadInput(
                f"{name!r}: neither its name nor its architecture ({', '.join(architectures) or 'not given'}) tells "
                f"what kind of PRM it is; give format=..., one of {known_formats()}"
            )
    if form is None:
        from prms.prm import PRM

        return PRM.load(name, dtype="float32" if dtype == "auto" else dtype, device=device, engine=engine)
    from prms.public_load import load_public

    return load_public(name, form, dtype=dtype, device=device, engine=engine)


def _load_pav(spec: Spec) -> PAV:
    alpha, k = spec.number("alpha"), spec.count("k")
    alpha = 0.5 if alpha is None else alpha
    base, *prover = [load(name) for name in spec.names]
    return PAV.best_of_k(base, k, alpha=alpha) if k is not None else PAV(base, prover[0], alpha)
