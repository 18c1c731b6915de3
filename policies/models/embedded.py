"""The trained models that come with the package, and `tiny:NAME`, which is how a spec says one."""

import json
import os
from dataclasses import replace
from pathlib import Path

from verifiers.interface.errors import BadInput
from verifiers.interface.spec_parts import Spec, spec_parts

_FOLDER = Path(__file__).with_name("weights")


def weights_folder(name: str) -> Path:
    """The folder of a shipped model, such as "policy", "orm" or "prm".

    >>> weights_folder("policy").name
    'policy'

    Raises BadInput for a name that is not shipped.
    """
    folder = _FOLDER / name
    if not os.path.isfile(folder / "config.json"):
        shipped = sorted(path.parent.name for path in _FOLDER.glob("*/config.json"))
        raise BadInput(f"no tiny model named {name[:60]!r}: there are {', '.join(shipped) or 'none'}")
    return folder


def read_spec(text: str, *, dtype: str = "float32") -> Spec:
    """A spec in its parts, an embedded model's with its kind and its folder.

    >>> read_spec("tiny:genrm_cot,votes=4").kind
    'genrm'

    An embedded model computes in `dtype` where the spec has none; its weights are kept in bfloat16, in which most
    processors are slow. Raises ValueError for a name that is not shipped.
    """
    spec = spec_parts(text)
    if spec.kind != "tiny" or len(spec.names) != 1:
        return spec
    folder = weights_folder(spec.names[0])
    entry = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("stepbeam")
    kind = "transformers" if entry is None else entry["kind"]
    return replace(spec, kind=kind, names=(str(folder),), options={"dtype": dtype, **spec.options})
