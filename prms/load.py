"""PRMs by name, such as a command line takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prms.formats import PRMFormat, format_named, format_of, known_formats
from verifiers.interface.scoring import Scorer

if TYPE_CHECKING:
    from policies.models.engine_options import EngineChoice


def load(
    name: str | Path,
    *,
    format: PRMFormat | str | None = None,  # noqa: A002
    dtype: str = "auto",
    device: str = "auto",
    engine: EngineChoice = "transformers",
) -> Scorer:
    """The PRM in a folder or of a hub name: one of ours, or a public one.

    Ours are known by the `stepbeam` entry of their config.json, public ones by their name or
    architecture. A folder of which neither tells needs its format: `format="math-shepherd"`, a
    `PRMFormat`, or, on a command line, the name in front: `math-shepherd:FOLDER`.

    >>> from bench.tiny import weights_folder
    >>> type(load(str(weights_folder("prm")))).__name__
    'PRM'

    `engine="vllm"`, or `policies.EngineOptions` (its dtype is this call's), computes the model's body on vLLM's
    pooling runner, with the same scores up to float noise.
    `dtype="auto"` is float32 for ours and the checkpoint's for public ones. Raises FileNotFoundError
    where there is no such model, ValueError where it is of another or an unknown kind.
    """
    source = str(name)
    prefix, colon, rest = source.partition(":")
    if format is None and colon and rest and not Path(source).exists():
        format, source = prefix, rest  # noqa: A001
    if isinstance(format, str):
        if (named := format_named(format)) is None:
            raise ValueError(f"unknown format {format!r} of a PRM: use one of {known_formats()}")
        format = named  # noqa: A001
    elif format is None:
        config = {} if format_named(source) and not Path(source).is_dir() else _config(source)
        format = None if _is_ours(config) else format_of(source, config)  # noqa: A001
        if format is None:
            return _load_ours(source, config, dtype, device, engine)
    from prms.public_load import load_public

    return load_public(source, format, dtype=dtype, device=device, engine=engine)


def _load_ours(source: str, config: dict[str, Any], dtype: str, device: str, engine: EngineChoice) -> Scorer:
    architectures = config.get("architectures") or []
    if config and not _is_ours(config) and not any(a.endswith("ForTokenClassification") for a in architectures):
        raise ValueError(
            f"{source!r}: neither its name nor its architecture ({', '.join(architectures) or 'not given'}) tells "
            f"what kind of PRM it is; give format=..., one of {known_formats()}"
        )
    from prms.prm import PRM

    return PRM.load(source, dtype="float32" if dtype == "auto" else dtype, device=device, engine=engine)


def _is_ours(config: dict[str, Any]) -> bool:
    return "stepbeam" in config


def _config(source: str) -> dict[str, Any]:
    """The model's config.json; empty where there is none to read, of which the loaders then tell."""
    folder = Path(source)
    if folder.is_dir():
        file = folder / "config.json"
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}
    if folder.is_absolute() or source.startswith(".") or source.count("/") != 1:
        return {}
    from transformers import PreTrainedConfig

    try:
        return dict(PreTrainedConfig.get_config_dict(source)[0])
    except OSError as error:
        raise FileNotFoundError(f"no prm at {source!r}: {str(error).strip().splitlines()[0]}") from error
