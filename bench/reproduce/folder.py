"""The folder of a reproduction: the work of a run with one set of sizes, each piece of it done once."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from bench.files.run_folder import write_atomically
from bench.inputs.errors import BadInput

Unit: TypeAlias = dict[str, Any]


def claim_folder(out: Path, settings: Mapping[str, object]) -> None:
    """Take the folder for a run, or go on with the run that it holds.

    Raises BadInput, naming what differs, where it holds one with other settings.
    """
    path = out / "settings.json"
    wanted = json.loads(json.dumps(settings))
    if path.exists():
        if (found := json.loads(path.read_text(encoding="utf-8"))) != wanted:
            differing = sorted(k for k in wanted.keys() | found.keys() if found.get(k) != wanted.get(k))
            raise BadInput(f"{path}: this folder holds a run with other {', '.join(differing)}; choose another --out")
        return
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(wanted, indent=2) + "\n")


def unit(out: Path, name: str, compute: Callable[[], Unit]) -> Unit:
    """What a unit of work found; it is done once, and its file appears whole or not at all."""
    path = out / f"{name}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(compute()) + "\n")
    found: Unit = json.loads(path.read_text(encoding="utf-8"))
    return found


def slug(name: str) -> str:
    """A name for a file.

    >>> slug("PAV-RL, gamma 10")
    'pav-rl_gamma_10'
    """
    return name.replace(", ", "_").replace(" ", "_").lower()
