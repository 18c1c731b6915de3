"""What a folder's files were when they were written, so that no reader takes a damaged one for another result."""

import json
import zlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from verifiers.interface.errors import BadInput
from verifiers.interface.files import read_record, replace_text

CHECKSUMS = "checksums.json"
_PART = 1 << 20  # bytes that are read at once


def write_checksums(folder: Path, names: Iterable[str]) -> None:
    """`checksums.json`: the CRC-32 of each of these files that is there."""
    sums = {name: file_checksum(folder / name) for name in names if (folder / name).exists()}
    replace_text(folder / CHECKSUMS, json.dumps(sums, indent=2) + "\n")


def check_checksums(folder: Path, *, among: Collection[str] | None = None) -> None:
    """Raise BadInput for a file that is gone, or not as it was written; a folder without `checksums.json` has none."""
    if not (folder / CHECKSUMS).exists():
        return
    for name, crc in read_record(folder / CHECKSUMS).items():
        path = folder / name
        if (among is None or name in among) and not (path.is_file() and file_checksum(path) == crc):
            what = "not as it was written" if path.exists() else "gone"
            raise BadInput(f"{path}: {what}; the command that wrote this folder, given again, mends it or says more")


def file_checksum(path: Path) -> int:
    """The CRC-32 of all bytes of a file."""
    return checksum(path, 0, path.stat().st_size)


def checksum(path: Path, start: int, end: int) -> int:
    """The CRC-32 of the bytes of a file from `start` to `end`."""
    total = 0
    for part in parts_of(path, start, end):
        total = zlib.crc32(part, total)
    return total


def parts_of(path: Path, start: int, end: int) -> Iterator[bytes]:
    """The bytes of a file from `start` to `end`, as far as it has them, in parts that memory holds."""
    if start == end:
        return
    with open(path, "rb") as file:
        file.seek(start)
        while start < end and (part := file.read(min(_PART, end - start))):
            start += len(part)
            yield part
