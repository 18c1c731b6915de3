"""What a collection of values has done so far, on disk: one line a chunk, whole or not there."""

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

Record = dict[str, Any]
_KIND = {"kind": "prms.collect_values"}
_MARK = json.dumps(_KIND).removesuffix("}").encode()


@dataclass(frozen=True, slots=True)
class Journal:
    """An open journal, locked against a second process until `close`.

    The first line says what is collected; each further line is a chunk's record. A line is the unit of
    survival: one that a kill has torn is cut off when the journal is opened again.
    """

    path: Path
    lock: IO[str]
    records: list[Record]

    def append(self, record: Record) -> None:
        """Add a chunk; it is on disk when this returns."""
        _append(self.path, record)
        self.records.append(record)

    def close(self) -> None:
        """Let other processes open the folder."""
        self.lock.close()


def open_journal(folder: Path, config: Mapping[str, object]) -> Journal:
    """Make the journal of a folder, or go on with one that the same `config` began.

    Raises ValueError where the folder holds something else or a collection with another config, and
    BlockingIOError where another process is at work there.
    """
    config = _KIND | dict(config)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "journal.jsonl"
    if not path.exists() and any(p.name != "lock" for p in folder.iterdir()):
        raise ValueError(f"{folder}: this folder holds other files and no journal.jsonl; choose another `out`")
    lock = open(folder / "lock", "w", encoding="utf-8")  # noqa: SIM115  (held until close)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise BlockingIOError(
            f"{folder}: another process is collecting values there; wait, or choose another `out`"
        ) from None
    try:
        lines = _whole_lines(path)
        if lines:
            _same_config(path, lines[0], json.loads(json.dumps(config)))
        else:
            _append(path, config)
        return Journal(path, lock, lines[1:])
    except BaseException:
        lock.close()
        raise


def write_atomically(path: Path, text: str) -> None:
    """Replace a file in one move, so that a reader or a kill never sees half of it."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


def _append(path: Path, record: Mapping[str, object]) -> None:
    with open(path, "ab") as file:
        file.write((json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())


def _whole_lines(path: Path) -> list[Record]:
    """The records; a torn last line, which is all that a kill can leave, is cut off."""
    content = path.read_bytes() if path.exists() else b""
    whole, _, torn = content.rpartition(b"\n")
    if not (content.startswith(_MARK) or _MARK.startswith(content)):
        raise ValueError(f"{path}: not the journal of collected values; choose another `out`")
    records = []
    for number, line in enumerate(whole.split(b"\n") if whole else [], start=1):
        try:
            records.append(json.loads(line))
        except ValueError as error:
            raise ValueError(
                f"{path}:{number}: damaged ({error}); remove the folder, or choose another `out`"
            ) from None
    if torn:
        with open(path, "ab") as file:
            file.truncate(len(content) - len(torn))
    return records


def _same_config(path: Path, found: Record, wanted: Mapping[str, object]) -> None:
    for key in sorted(found.keys() | wanted.keys()):
        if found.get(key) != wanted.get(key):
            raise ValueError(
                f"{path}: this folder holds values collected with {key} = {found.get(key)!r}, and "
                f"{wanted.get(key)!r} was asked for; choose another `out`, or remove the folder"
            )
