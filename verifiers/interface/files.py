"""Durable files: a folder that one process holds and one owner claims, files replaced whole, rows appended to stay.

It lies on the lowest floor because searches' journals, collected values, trainings and runs all stand on it.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from verifiers.interface.errors import BadInput

Row = dict[str, Any]

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def held(folder: Path, *, owner: str | None = None) -> Iterator[Path]:
    """Make the folder where there is none and keep every other process, and thread, out of it meanwhile.

    With an `owner`, a file's name, a folder is taken that has this file, or is empty.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place, held(Path(place) / "out") as out:
    ...     with held(out):
    ...         pass
    Traceback (most recent call last):
    BlockingIOError: ...out: another process is writing there; wait for it, or choose another folder

    Raises BlockingIOError where another has it, OSError where nothing can be written there, BadInput where it
    holds other files and no `owner`.
    """
    if owner and not (folder / owner).exists() and folder.is_dir() and any(folder.glob("[!.]*")):
        raise BadInput(f"{folder}: this folder holds other files and no {owner}; choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / ".lock", "a", encoding="utf-8")  # noqa: SIM115  (closed below)
    except OSError as error:
        raise OSError(f"{folder}: cannot write results there ({error.strerror}); choose another folder") from None
    with file:
        try:
            _lock(file)
        except (BlockingIOError, PermissionError):  # what flock and msvcrt say of a file that is locked
            raise BlockingIOError(
                f"{folder}: another process is writing there; wait for it, or choose another folder"
            ) from None
        yield folder


def claim(
    path: Path, identity: Mapping[str, object], *, kind: str, begun: bool = True, free: Collection[str] = ()
) -> None:
    """Write what a folder is for into its JSON file `path`, or check that it is for this.

    What has not `begun` may still change its mind, but for its "kind", and the options named in `free` may always.
    Raises BadInput where the folder belongs to something else.
    """
    written = read_record(path) if path.exists() else None
    if written is not None and (begun or written.get("kind") != identity.get("kind")):
        check_identity(path, written, identity, kind=kind, free=free)
    else:
        replace_text(path, json.dumps(identity, indent=2) + "\n")


def read_record(path: Path) -> Row:
    """The JSON object in a file of `claim`; BadInput where it holds something else."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise BadInput(f"{path}: damaged, or not a file that was written here; choose another folder, or remove it")
    return record


def check_identity(
    path: Path, held: Mapping[str, object], asked: Mapping[str, object], *, kind: str, free: Collection[str] = ()
) -> None:
    """Raise BadInput, with the first option that differs, where `path` names another owner than the one that asks."""
    old, new = _flat(held), _flat(json.loads(json.dumps(asked)))
    for name in sorted(old.keys() | new.keys()):
        option = name.rpartition(".")[2]
        if option not in free and old.get(name) != new.get(name):
            raise BadInput(
                f"{path}: this folder holds {kind} with {option} = {old.get(name)!r}, and {new.get(name)!r} was asked "
                "for; choose another folder, or remove this one"
            )


def _flat(identity: Mapping[str, Any]) -> Row:
    flat: Row = {}
    for name, value in identity.items():
        flat |= {f"{name}.{key}": v for key, v in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def digest_of(rows: Iterable[object]) -> str:
    """What tells some rows from others: a digest of the fields that they name and that differ from their defaults.

    So a field that a later version adds, at its default, leaves all digests as they are.

    >>> from verifiers.interface.solution import Problem
    >>> plain, gold = digest_of([Problem("a", "1+1?")]), digest_of([Problem("a", "1+1?", "2")])
    >>> plain == digest_of([Problem("a", "1+1?", None)]), plain == gold
    (True, False)
    """
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row, default=_named_fields, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()[:32]


def _named_fields(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if not is_dataclass(value):
        return float(value)  # a tensor's number, a fraction
    return {f.name: held for f in fields(value) if (held := getattr(value, f.name)) != f.default}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A draft of a file or folder, which takes the place of `path` at the end, so that none sees half of it.

    A file takes a file's place in one move; a folder's, after what was there is removed. Raises OSError where a
    file would take the place of a folder.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "a.txt")) as draft:
    ...         _ = draft.write_text("whole")
    ...     [p.name for p in Path(folder).iterdir()]
    ['a.txt']
    """
    path = path.resolve()  # what a link leads to is replaced, and the link stays
    draft = path.with_name(f".{path.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.unlink(missing_ok=True)
    yield draft
    if draft.is_dir() and path.is_dir():
        shutil.rmtree(path)
    os.replace(draft, path)


def replace_text(path: Path, text: str) -> None:
    """Replace a text file in one move."""
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")


def json_line(row: Mapping[str, Any]) -> str:
    """One row as a line of strict JSON; what is not a number must come as None."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def append_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """Append JSON lines, on disk when this returns; returns where in the file they start and end, in bytes."""
    with open(path, "ab") as file:
        start = file.tell()
        file.write("".join(map(json_line, rows)).encode())
        file.flush()
        os.fsync(file.fileno())
        return start, file.tell()


def whole_rows(path: Path, *, mend: bool = False) -> list[Row]:
    """The rows of a file of `append_rows`, without the torn line that a kill may have left at its end.

    `mend=True` cuts that line off, so that more can be appended. Raises BadInput for a line that is not such a row:
    something else than a kill has damaged the file, or written it.
    """
    *lines, torn = path.read_bytes().split(b"\n") if path.exists() else [b""]
    rows = []
    for number, line in enumerate((*lines, torn), start=1):
        try:
            if line and not line.startswith(b"{"):
                raise ValueError
            if number <= len(lines):
                rows.append(json.loads(line))
        except ValueError:
            raise BadInput(
                f"{path}:{number}: not a line that was written here; mend or remove it, or choose another folder"
            ) from None
    if torn and mend:
        os.truncate(path, path.stat().st_size - len(torn))
    return rows
