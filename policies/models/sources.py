"""Where a model comes from: a folder, or a name of the Hugging Face hub."""

import os
import re
from os import PathLike
from pathlib import Path

from policies.models.embedded import weights_folder
from verifiers.interface.arguments import path_argument
from verifiers.interface.errors import BadInput, MissingInput

# As the hub has them: letters, digits, "-", "_" and ".", and at most one owner in front.
_HUB_NAME = re.compile(r"(\w[\w.-]*/)?\w[\w.-]*", re.ASCII)
_LONGEST = 200  # of a name: a hub's have less than a hundred letters


def source_of(name: str | PathLike[str], kind: str = "model") -> str:
    """The path of a folder that exists, `~` and `tiny:NAME` written out, or a hub name; `kind` is for the message.

    >>> source_of("Qwen/Qwen2.5-Math-PRM-7B")
    'Qwen/Qwen2.5-Math-PRM-7B'
    >>> source_of("./run-7")
    Traceback (most recent call last):
    ...
    verifiers.interface.errors.MissingInput: no model at './run-7': there is no such folder, and this is no hub name

    A `Path` is always a folder's. Raises MissingInput, which is a FileNotFoundError too, BadInput for a file, and
    ValueError for an embedded model that is not there.
    """
    if not isinstance(name, str):
        name = path_argument(kind, name, "give a folder's path, tiny:NAME or a hub's name")
    if isinstance(name, str) and name.startswith("tiny:"):
        return str(weights_folder(name.removeprefix("tiny:")))
    # `os.path` answers False where `Path` raises: for a path that is too long, and for one with a NUL.
    folder = os.path.expanduser(name)  # which leaves the home of an unknown user as it is
    if os.path.isdir(folder):
        return str(Path(folder))
    if os.path.exists(folder):
        raise BadInput(f"{folder}: a file, where a folder with a saved model is needed")
    if os.path.lexists(folder):
        raise MissingInput(f"no {kind} at {str(name)!r}: a link that leads nowhere")
    if isinstance(name, Path) or not is_hub_name(name):
        shown = repr(str(name)) if len(str(name)) <= _LONGEST else f"{str(name)[:_LONGEST]!r} and more"
        raise MissingInput(f"no {kind} at {shown}: there is no such folder, and this is no hub name")
    return name


def is_hub_name(text: str) -> bool:
    r"""Whether a text can be `owner/name` or `name` on the hub.

    >>> [is_hub_name(text) for text in ("Qwen/Qwen2.5-Math-PRM-7B", "gpt2", "a/b/c", "./gpt2", "~gpt2", "C:\\gpt2")]
    [True, True, False, False, False, False]
    """
    return len(text) <= _LONGEST and _HUB_NAME.fullmatch(text) is not None
