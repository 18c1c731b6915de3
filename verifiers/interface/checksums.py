"""What a folder's files were when they were written, so that no reader takes a damaged one for another result."""

import json
import zlib
from collections.abc import Collection, Iterable
from pathlib import Path

from verifiers.interface.errors import BadInput
from verifiers.interface.files import read_record, replace_text

CHECKSUMS = "checksums.json"


def write_checksums(folder: Path, names: Iterable[str]) -> None:
    """`checksums.json`: the CRC-32 of each of these files that is there."""
    sums = {name: _crc(folder / name) for name in names if (folder / name).exists()}
    replace_text(folder / CHECKSUMS, json.dumps(sums, indent=2) + "\n")


def check_checksums(folder: Path, *, among: Collection[str] | None = None) -> None:
    """Raise BadInput for a file that is gone, or not as it was written; a folder without `checksums.json` has none."""
    if not (folder / CHECKSUMS).exists():
        return
    for name, crc in read_record(folder / CHECKSUMS).items():
        path = folder / name
        if (among is None or name in among) and not (path.is_file() and _crc(path) == crc):
            what = "not as it was written" if path.exists() else "gone"
            raise BadInput(f"{path}: {what}; the command that wrote this folder, given again, mends it or says more")


def _crc(path: Path) -> int:
    total = 0
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            total = zlib.crc32(part, total)
    return total
