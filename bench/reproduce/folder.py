"""The folder of a reproduction: the work of a run with one set of sizes, each piece of it done once."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from verifiers.interface.errors import BadInput
from verifiers.interface.files import claim, held, replace_text, room_for, whole_rows
from verifiers.interface.lines import sealed_line

Unit: TypeAlias = dict[str, Any]


@contextmanager
def plan_folder(plan: Any) -> Iterator[None]:
    """Hold the folder `plan.out` for a run of these sizes, or to go on with it.

    Raises BlockingIOError where another process writes there, BadInput where it holds other files or a run of other
    sizes.
    """
    sizes = asdict(plan)
    out = Path(sizes.pop("out"))
    with held(out, owner="settings.json"):
        claim(out / "settings.json", sizes, kind="a run")
        yield


def unit(out: Path, name: str, compute: Callable[[], Unit]) -> Unit:
    """What a unit of work came to; it is done once, and its file appears whole or not at all.

    Raises BadInput for a file that is not as it was written, OSError where the disk is full.
    """
    path = out / f"{name}.json"
    if not path.exists():
        with room_for(path):  # compute writes models and trainings too
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_text(path, sealed_line(json.dumps(compute()) + "\n"))
    rows = whole_rows(path, sealed=True)
    if len(rows) != 1:
        raise BadInput(f"{path}: damaged, or not a file that was written here; remove it, and run the same again")
    return rows[0]


def slug(name: str) -> str:
    """A name for a file.

    >>> slug("PAV-RL, gamma 10")
    'pav-rl_gamma_10'
    """
    return name.replace(", ", "_").replace(" ", "_").lower()
