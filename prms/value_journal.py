"""What a collection of values has done so far, on disk: one line a chunk, whole or not there."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verifiers.interface.files import append_rows, check_identity, held, whole_rows

Record = dict[str, Any]
_KIND = "prms.collect_values"


@dataclass(frozen=True, slots=True)
class Journal:
    """An open journal: its first line says what is collected, each further line is a chunk's record."""

    path: Path
    records: list[Record]

    def append(self, record: Record) -> None:
        """Add a chunk; it is on disk when this returns."""
        append_rows(self.path, [record])
        self.records.append(record)


@contextmanager
def open_journal(folder: Path, config: Mapping[str, object]) -> Iterator[Journal]:
    """Make the journal of a folder, or go on with one that the same `config` began; nobody else can meanwhile.

    Raises ValueError where the folder holds something else or a collection with another config, and
    BlockingIOError where another process is at work there.
    """
    with held(folder, owner="journal.jsonl"):
        path = folder / "journal.jsonl"
        config = {"kind": _KIND, **config}
        rows = whole_rows(path, mend=True)
        if rows and rows[0].get("kind") != _KIND:
            raise ValueError(f"{path}: not the journal of collected values; choose another folder")
        if rows:
            check_identity(path, rows[0], config, kind="collected values")
        else:
            append_rows(path, [config])
        yield Journal(path, rows[1:])
