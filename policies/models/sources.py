"""Where a model comes from: a folder, or a name of the Hugging Face hub."""

import os
import re
from pathlib import Path

from policies.models.embedded import weights_folder

# As the hub has them: letters, digits, "-", "_" and ".", and at most one owner in front.
_HUB_NAME = re.compile(r"(\w[\w.-]*/)?\w[\w.-]*", re.ASCII)


def source_of(name: str | Path, kind: str = "model") -> str:
    """The path of a folder that exists, `~` and `tiny:NAME` written out, or a hub name; `kind` is for the message.

    >>> source_of("Qwen/Qwen2.5-Math-PRM-7B")
    'Qwen/Qwen2.5-Math-PRM-7B'
    >>> source_of("./models/run-7")
    Traceback (most recent call last):
    ...
    FileNotFoundError: no model at './models/run-7': there is no such folder, and this is no hub name

    A `Path` is always a folder's. Raises ValueError for a file, and for an embedded model that is not there.
    """
    if isinstance(name, str) and name.startswith("tiny:"):
        return str(weights_folder(name.removeprefix("tiny:")))
    folder = Path(os.path.expanduser(name))  # which leaves the home of an unknown user as it is
    if folder.is_dir():
        return str(folder)
    if folder.exists():
        raise ValueError(f"{folder}: a file, where a folder with a saved model is needed")
    if isinstance(name, Path) or not is_hub_name(name):
        raise FileNotFoundError(f"no {kind} at {str(name)!r}: there is no such folder, and this is no hub name")
    return name


def is_hub_name(text: str) -> bool:
    r"""Whether a text can be `owner/name` or `name` on the hub.

    >>> [is_hub_name(text) for text in ("Qwen/Qwen2.5-Math-PRM-7B", "gpt2", "a/b/c", "./gpt2", "~gpt2", "C:\\gpt2")]
    [True, True, False, False, False, False]
    """
    return _HUB_NAME.fullmatch(text) is not None
