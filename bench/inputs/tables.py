"""Reading the rows of a file, whatever keeps them: JSON-lines, a JSON document, CSV, parquet, a zip of samples."""

import csv
import gzip
import io
import json
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.inputs.rows import Row, read_rows
from verifiers.interface.errors import BadInput, first_line

SUFFIXES = (".jsonl", ".json", ".gz", ".csv", ".tsv", ".parquet", ".eval")  # what a path is known by as a file's
_ZSTANDARD = 93  # a zip's number for that way of packing
_MARK = b"\xef\xbb\xbf"  # what some editors begin a UTF-8 file with
# Where a document keeps its rows, if it is no row itself.
_ROOMS = ("samples", "data", "rows", "results", "examples", "instances", "records", "items", "request_states")
_OF_A_ROW = ("prompt", "question", "problem", "input", "query", "messages", "solutions", "text")


def file_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """Pairs of (where, row) of a file; `where` says where a row stands, for error messages.

    JSON-lines (whatever the name ends in), a JSON array of objects, a JSON document that keeps its rows in "samples",
    "data" or the like or under their ids, CSV and TSV (all values are texts there), each also in `.gz`; parquet; the
    samples of an `.eval` log of Inspect. Only a JSON document is held in memory as a whole. Raises BadInput for a file
    that cannot be read.
    """
    if not path.is_file():
        raise BadInput(f"{path}: no such file")
    endings = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    ending = endings[-1] if endings else ""
    if ending == ".parquet":
        return _parquet_rows(path)
    if ending in (".csv", ".tsv"):
        return _csv_rows(path, "\t" if ending == ".tsv" else ",")
    if ending == ".eval":
        return _zipped_rows(path)
    return _document_rows(path) if _is_document(path, ending) else read_rows(path)


def _open(path: Path) -> Any:
    return gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb")


def _is_document(path: Path, ending: str) -> bool:
    """Whether the file is one JSON document: an array, or an object that does not end in its line, or stands alone."""
    try:
        with _open(path) as file:
            first = file.read(1 << 16).removeprefix(_MARK).lstrip()
            if first[:1] == b"[":
                return True
            if ending != ".json":
                return False
            file.seek(0)
            lines = filter(bytes.strip, iter(lambda: file.readline(64 << 20), b""))
            json.loads(next(lines, b"{}").removeprefix(_MARK))
            return next(lines, None) is None
    except (ValueError, RecursionError):
        return True
    except (OSError, EOFError, zlib.error):
        return False  # which the reader of lines says better


def _document_rows(path: Path) -> Iterator[tuple[str, Row]]:
    try:
        with _open(path) as file:
            found = json.loads(file.read())
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: cannot be read as JSON ({error}); is it a complete file?") from None
    yield from _rows_in(path, found)


def _rows_in(path: Path, found: object) -> Iterator[tuple[str, Row]]:
    """The rows of a document: it is a list of them, keeps one, names them by their ids, or is a row itself."""
    if isinstance(found, dict) and _is_split(found):
        names = found["columns"]
        yield from (
            (f"{path}: data[{i}]", dict(zip(names, values, strict=True))) for i, values in enumerate(found["data"])
        )
        return
    if isinstance(found, dict) and (columns := _columns_in(found)):
        count = len(next(iter(columns.values())))
        yield from ((f"{path}[{i}]", {name: values[i] for name, values in columns.items()}) for i in range(count))
        return
    if isinstance(found, dict) and found:
        rooms = [] if _is_row(found) else _rooms(found)
        if (
            not rooms
            and all(isinstance(row, dict) and row for row in found.values())
            and set.intersection(*map(set, found.values()))
        ):
            yield from ((f"{path}: {name!r}", {"id": name, **row}) for name, row in found.items())
            return
        if not rooms:
            yield str(path), found
        for room, rows in rooms:
            # The hub's server of rows wraps each.
            each = [row["row"] if isinstance(row.get("row"), dict) else row for row in rows]
            yield from ((f"{path}: {room}[{i}]", row) for i, row in enumerate(each))
        return
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise BadInput(f"{path}: a list of objects was expected")
    yield from ((f"{path}[{i}]", row) for i, row in enumerate(found))


def _rooms(found: Row, path: str = "", depth: int = 0) -> list[tuple[str, list[Row]]]:
    """The lists of rows in a document, with their paths: in one of its rooms, or in what a room has for each task.

    None of a room that has more rows than these: in a room of another name, under their ids, as a task's own list.
    """
    for name in (name for name in _ROOMS if name in found):
        if _is_list_of_rows(found[name]):
            return [(f"{path}{name}", found[name])]
        if isinstance(inner := found[name], dict) and depth < 2:
            tasks = {task: value for task, value in inner.items() if isinstance(value, dict)}
            rooms = _rooms(inner, f"{path}{name}.", depth + 1) or [
                room for task, value in tasks.items() for room in _rooms(value, f"{path}{name}.{task}.", depth + 1)
            ]
            if rooms and len(rooms) == _count(inner):
                return rooms
    return []


def _count(found: object) -> int:
    """How many lists of rows, and rows of their own, a part of a document has."""
    if isinstance(found, dict) and not _is_row(found):
        return sum(map(_count, found.values()))
    return int(isinstance(found, dict) or _is_list_of_rows(found))


def _columns_in(found: Row) -> dict[str, list[Any]]:
    """The columns of a document that holds a table column by column, as pandas writes it; else nothing."""
    columns = list(found.values())
    if len(columns) < 2:
        return {}
    if all(isinstance(column, dict) and column.keys() == columns[0].keys() for column in columns):
        numbered = all(place.isdecimal() for place in columns[0]) and not all(name.isdecimal() for name in found)
        return {name: list(column.values()) for name, column in found.items()} if numbered else {}
    # Lists of messages are a row's own.
    plain = all(
        isinstance(column, list) and not any("role" in x for x in column if isinstance(x, dict)) for column in columns
    )
    return found if plain and len({len(column) for column in columns}) == 1 and columns[0] else {}


def _is_split(found: Row) -> bool:
    """Whether a document is a table of names and rows of values, as pandas (split) and wandb write it."""
    names, rows = found.get("columns"), found.get("data")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or not isinstance(rows, list):
        return False
    return all(isinstance(row, list) and len(row) == len(names) for row in rows)


def _is_row(found: Row) -> bool:
    return any(name in found for name in _OF_A_ROW)


def _is_list_of_rows(found: object) -> bool:
    return isinstance(found, list) and bool(found) and all(isinstance(row, dict) for row in found)


def _csv_rows(path: Path, delimiter: str) -> Iterator[tuple[str, Row]]:
    csv.field_size_limit(min(sys.maxsize, 1 << 31 - 1))
    try:
        with io.TextIOWrapper(_open(path), encoding="utf-8-sig", newline="") as file:
            head = next(filter(str.strip, iter(file.readline, "")), "")
            if delimiter not in head and ";" in head:  # where a comma is the decimal point
                delimiter = ";"
            file.seek(0)
            # Strict, so that a file which ends within quotes is torn and no row.
            reader = (row for row in csv.reader(file, delimiter=delimiter, strict=True) if any(map(str.strip, row)))
            names = next(reader, [])
            if doubled := [name for name in names if names.count(name) > 1]:
                raise BadInput(f"{path}: two columns are named {doubled[0]!r}; rename one")
            for number, cells in enumerate(reader, 1):
                where = f"{path}: row {number}"
                if len(cells) != len(names):
                    raise BadInput(
                        f"{where}: {len(cells)} values for {len(names)} columns; quote what holds a {delimiter!r}"
                    )
                # Pandas writes its row numbers into a column without a name.
                yield where, {name: cell or None for name, cell in zip(names, cells, strict=True) if name}
    except UnicodeDecodeError:
        raise BadInput(f"{path}: not UTF-8; convert the file to UTF-8") from None
    except (csv.Error, OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, "CSV", error) from None


def _parquet_rows(path: Path) -> Iterator[tuple[str, Row]]:
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=64):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}: row {number}", row
    except Exception as error:  # noqa: BLE001  (pyarrow's, and Python's of a value that it cannot hold)
        raise _unreadable(path, "parquet", error) from None


def _zipped_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """The samples of a log, which is a zip with a file for each epoch of each; read one by one, in their order."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.startswith("samples/") and name.endswith(".json")]
            if not names:
                raise BadInput(f"{path}: no samples/*.json in it; give the log of a finished evaluation")
            for name in names:
                where = f"{path}: {name}"
                found = json.loads(_member(archive, name))
                if not isinstance(found, dict):
                    raise BadInput(f"{where}: a {type(found).__name__} where an object was expected")
                yield where, found
    except NotImplementedError as error:  # a compression that this Python has not
        raise BadInput(f"{path}: {first_line(error)}; give the log as .json (inspect log convert --to json)") from None
    except Exception as error:  # noqa: BLE001  (each way of packing fails in its own)
        raise _unreadable(path, "a log of Inspect", error) from None


def _unreadable(path: Path, kind: str, error: Exception) -> Exception:
    """What to raise for an error in reading a file of this kind; memory that ran out is not the file's fault."""
    if isinstance(error, BadInput) or type(error) is MemoryError:
        return error
    todo = "" if isinstance(error, PermissionError) else "; is it a complete file?"
    return BadInput(f"{path}: cannot be read as {kind} ({first_line(error)}){todo}")


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A file of a zip, also one that is packed as today's Inspect packs it, which older Pythons cannot read."""
    info = archive.getinfo(name)
    if info.compress_type != _ZSTANDARD:
        return archive.read(name)
    import pyarrow

    file: Any = archive.fp
    file.seek(info.header_offset)
    head = file.read(30)
    file.seek(int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little"), 1)  # its name, and more
    packed = pyarrow.BufferReader(file.read(info.compress_size))
    read: bytes = pyarrow.CompressedInputStream(packed, "zstd").read()
    if zlib.crc32(read) != info.CRC:
        raise zipfile.BadZipFile(f"{name} is not as it was written")
    return read
