"""Where the trained models that come with the package lie."""

from pathlib import Path

_FOLDER = Path(__file__).with_name("weights")


def weights_folder(name: str) -> Path:
    """The folder of a shipped model, such as "policy", "orm" or "prm".

    >>> weights_folder("policy").name
    'policy'

    Raises ValueError for a name that is not shipped.
    """
    folder = _FOLDER / name
    if not (folder / "config.json").is_file():
        shipped = sorted(path.parent.name for path in _FOLDER.glob("*/config.json"))
        raise ValueError(f"no tiny model named {name!r}: there are {', '.join(shipped) or 'none'}")
    return folder
