"""Rows of scores in an SQLite file that several processes may use at once."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from verifiers.interface.scoring import FloatArray
from verifiers.interface.solution import Problem, Step, Stop

Key = bytes
_PATIENCE = 60.0  # seconds to wait for another process to finish writing
_OURS = 0x5B5C0E01  # `application_id`: the mark of a file of ours, and its version
_ASKED_AT_ONCE = 900  # SQLite's oldest limit of variables in a statement is 999


@dataclass(frozen=True, slots=True)
class Entry:
    """Kept scores; `tokens` is what they cost, None where that is not known."""

    values: FloatArray
    tokens: int | None
    reduce: str


def key_of(problem: Problem, steps: Sequence[Step], stop: Stop, *, scope: str) -> Key:
    """16 bytes for what a scorer is shown: prompt, gold answer, texts of the steps and the stop, not the id."""
    prompt = problem.prompt if isinstance(problem.prompt, str) else [[m.role, m.content] for m in problem.prompt]
    content = json.dumps([scope, prompt, problem.answer, [step.text for step in steps], stop.value])
    return blake2b(content.encode(), digest_size=16).digest()


_HEADER = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class ScoreStore:
    """The scores of one scorer in a file; no connection is kept open between calls.

    Raises ValueError for a file that is not ours or is damaged, FileNotFoundError where its folder is
    missing and TimeoutError where another process has it locked for a minute.
    """

    path: Path
    scorer: str

    def __post_init__(self) -> None:
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"{self.path}: there is no folder {str(self.path.parent)!r} to keep scores in")
        if self.path.is_file() and self.path.stat().st_size:
            with open(self.path, "rb") as file:
                if file.read(len(_HEADER)) != _HEADER:  # SQLite would take a small one of others
                    raise ValueError(f"{self.path}: not a file of cached scores; choose another path")
        with self._connection() as connection:
            _claim(connection, self.path)

    def read(self, keys: Iterable[Key]) -> dict[Key, Entry]:
        """What is kept under these keys."""
        wanted = list(keys)
        found: dict[Key, Entry] = {}
        if not wanted:
            return found
        with self._connection() as connection:
            for i in range(0, len(wanted), _ASKED_AT_ONCE):
                part = wanted[i : i + _ASKED_AT_ONCE]
                marks = ",".join("?" * len(part))
                query = f"SELECT key, vals, tokens, reduce FROM scores WHERE scorer = ? AND key IN ({marks})"  # noqa: S608  (only question marks)
                for key, values, tokens, reduce in connection.execute(query, (self.scorer, *part)):
                    found[key] = Entry(np.frombuffer(values, dtype="<f4").astype(np.float32), tokens, reduce)
        return found

    def write(self, entries: Mapping[Key, Entry]) -> dict[Key, Entry]:
        """Keep what is new; returns what is kept, which is another process's where that came first."""
        if not entries:
            return {}
        rows = [
            (self.scorer, key, entry.values.astype("<f4").tobytes(), entry.tokens, entry.reduce)
            for key, entry in entries.items()
        ]
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?, ?, ?, ?)", rows)
            connection.execute("COMMIT")
        return self.read(entries)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)
        except sqlite3.OperationalError as error:
            raise ValueError(f"{self.path}: cannot be opened to keep scores in ({error})") from error
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            yield connection
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) and "busy" not in str(error):
                raise ValueError(f"{self.path}: cannot be used to keep scores in ({error})") from error
            raise TimeoutError(
                f"{self.path}: another process has it locked for {_PATIENCE:.0f} s; is it stuck?"
            ) from error
        except sqlite3.DatabaseError as error:
            raise ValueError(
                f"{self.path}: not a file of cached scores, or a damaged one ({error}); "
                "remove it, or choose another path"
            ) from error
        finally:
            connection.close()


def _claim(connection: sqlite3.Connection, path: Path) -> None:
    """Make a new file ours; refuse another's."""
    if _mark(connection) != _OURS:
        connection.execute("BEGIN IMMEDIATE")
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if _mark(connection) != _OURS:  # still: another process may have been first
            if tables or _mark(connection):
                connection.execute("ROLLBACK")
                raise ValueError(f"{path}: a database of another program; choose another path")
            connection.execute(
                "CREATE TABLE scores (scorer TEXT, key BLOB, vals BLOB NOT NULL, tokens INTEGER, reduce TEXT NOT NULL, "
                "PRIMARY KEY (scorer, key)) WITHOUT ROWID"
            )
            connection.execute(f"PRAGMA application_id = {_OURS}")
        connection.execute("COMMIT")
    _write_ahead(connection)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Readers do not wait for writers. The switch does not honour the time-out, so it is tried again."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _mark(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA application_id").fetchone()[0])
