"""A run on disk: append-only rows that survive a kill at any point.

A run is done in units. A unit's rows are appended to `samples.jsonl`, `scores.jsonl` and `trees.jsonl`;
then one line in `journal.jsonl` commits it and records how long these files are. Whatever a killed process
left behind the last commit, a torn line included, is cut off when the folder is opened again. So a
run that was killed and one that was not end with the same bytes.
"""

import fcntl
import json
import math
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bench.inputs.errors import BadInput

Row = dict[str, Any]
ROW_FILES = ("samples.jsonl", "scores.jsonl", "trees.jsonl")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """An open run folder, locked against a second process until `close`."""

    path: Path
    lock: IO[str]
    committed: dict[str, Row]  # unit -> its journal record

    def rows(self, unit: str, name: str) -> list[Row]:
        """A committed unit's rows of one of `ROW_FILES`."""
        start, end = self.committed[unit]["bytes"][name]
        with open(self.path / name, "rb") as file:
            file.seek(start)
            return [json.loads(line) for line in file.read(end - start).splitlines()]

    def commit(
        self,
        unit: str,
        record: Row,
        *,
        samples: Iterable[Row] = (),
        scores: Iterable[Row] = (),
        trees: Iterable[Row] = (),
    ) -> None:
        """Append a unit's rows and then the line that makes them count."""
        new = zip(ROW_FILES, (samples, scores, trees), strict=True)
        spans = {name: append_rows(self.path / name, rows) for name, rows in new}
        line = {"unit": unit, "bytes": spans, **record}
        append_rows(self.path / "journal.jsonl", [line])
        self.committed[unit] = line

    def close(self) -> None:
        """Let other processes open the folder."""
        self.lock.close()


def open_run(path: Path, config: Mapping[str, object]) -> RunFolder:
    """Make the folder, or open one that the same `config` made, repaired to its last commit.

    Raises BadInput where another process has it open, where it holds a run with another config, or
    where a file of it is not ours.
    """
    lock = lock_folder(path)
    try:
        return RunFolder(path, lock, _repaired(path, config))
    except BaseException:
        lock.close()
        raise


def _repaired(path: Path, config: Mapping[str, object]) -> dict[str, Row]:
    """Cut off what no commit covers; the journal's records."""
    journal = path / "journal.jsonl"
    whole = whole_lines(journal)
    _claim(path / "config.toml", config, empty=not whole)
    records = {record["unit"]: record for record in map(json.loads, whole)}
    last = json.loads(whole[-1])["bytes"] if whole else dict.fromkeys(ROW_FILES, (0, 0))
    _cut(journal, sum(len(line.encode()) for line in whole))
    for name in ROW_FILES:
        _cut(path / name, last.get(name, (0, 0))[1])
    return records


def lock_folder(path: Path) -> IO[str]:
    """Make the folder where there is none and keep other processes out of it until the lock is closed.

    Raises BadInput where another process has it, or nothing can be written there.
    """
    make_folder(path)
    lock = open(path / "lock", "w", encoding="utf-8")  # noqa: SIM115  (held until close)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise BadInput(f"{path}: another process is writing this run; wait for it, or choose another --out") from None
    return lock


def make_folder(path: Path) -> None:
    """Make a folder for results; raises BadInput where that cannot be, or nothing can be written there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / ".writable").touch()
        (path / ".writable").unlink()
    except OSError as error:
        raise BadInput(f"{path}: cannot write results there ({error.strerror}); choose another --out") from None


def append_rows(path: Path, rows: Iterable[Row]) -> tuple[int, int]:
    """Append JSON lines, on disk when this returns; returns where in the file they start and end, in bytes."""
    with open(path, "ab") as file:
        start = file.tell()
        file.write("".join(json_line(row) for row in rows).encode())
        file.flush()
        os.fsync(file.fileno())
        return start, file.tell()


def write_atomically(path: Path, text: str) -> None:
    """Replace a file in one move, so that a reader or a kill never sees half of it."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


def json_line(row: Mapping[str, Any]) -> str:
    """One row as a line of strict JSON; what is not a number must come as None."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def json_number(value: float) -> float | str | None:
    """A number in strict JSON, which has no NaN (None here) and no infinities (texts here, which `float` reads).

    >>> [json_number(x) for x in (0.5, math.nan, -math.inf)]
    [0.5, None, '-inf']
    """
    return value if math.isfinite(value) else None if math.isnan(value) else str(value)


def _claim(path: Path, config: Mapping[str, object], *, empty: bool) -> None:
    """Write the config of a run that has committed nothing yet; compare that of one that has."""
    wanted = {key: list(value) if isinstance(value, tuple) else value for key, value in config.items()}
    if empty:
        write_config(path, wanted)
        return
    found = read_config(path)
    differing = sorted(key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key))
    if differing:
        first = differing[0]
        raise BadInput(
            f"{path}: this folder holds a run with {first} = {found.get(first)!r}, and {wanted.get(first)!r} was "
            "asked for; choose another --out, or remove the folder"
        )


def write_config(path: Path, config: Mapping[str, object]) -> None:
    """A TOML file of flat settings."""
    # JSON's strings, numbers, booleans and flat lists are TOML's too.
    write_atomically(path, "".join(f"{key} = {json.dumps(value)}\n" for key, value in config.items()))


def read_config(path: Path) -> Row:
    """The settings in a file of `write_config`; BadInput where it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: not a config of a run ({error}); choose another --out") from None


def whole_lines(path: Path) -> list[str]:
    """The lines of a file of JSON lines, without the unfinished one that a kill may have left at its end.

    Raises BadInput for a finished line that is not JSON: something else than a kill has damaged the file.
    """
    if not path.exists():
        return []
    whole = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            json.loads(line)
        except ValueError:
            raise BadInput(
                f"{path}:{number}: not a line that was written here; mend or remove it, or choose another --out"
            ) from None
        whole.append(line.decode() + "\n")
    return whole


def _cut(path: Path, size: int) -> None:
    found = path.stat().st_size if path.exists() else 0
    if found < size:
        raise BadInput(
            f"{path}: has {found} bytes where the journal recorded {size}; rows are missing, so remove the run folder"
        )
    with open(path, "ab") as file:
        file.truncate(size)
