"""What a folder's files were when they were written, so that no reader takes a damaged one for another result."""

import json
import zlib
from pathlib import Path

from verifiers.interface.errors import BadInput
from verifiers.interface.files import read_record, replace_text

_RECORD = "checksums.json"
_CHECKED = (
    "config.toml", "problems.jsonl", "samples.jsonl", "scores.jsonl", "trees.jsonl", "results.jsonl", "points.jsonl",
    "notes.txt",
)  # fmt: skip


def write_checksums(folder: Path) -> None:
    """`checksums.json`: the CRC-32 of each file of a run that is there."""
    sums = {name: zlib.crc32((folder / name).read_bytes()) for name in _CHECKED if (folder / name).exists()}
    replace_text(folder / _RECORD, json.dumps(sums, indent=2) + "\n")


def check_checksums(folder: Path, *, among: tuple[str, ...] = _CHECKED) -> None:
    """Raise BadInput for a file that is gone, or not as it was written; a folder without `checksums.json` has none."""
    if not (folder / _RECORD).exists():
        return
    for name, crc in read_record(folder / _RECORD).items():
        path = folder / name
        if name in among and not (path.is_file() and zlib.crc32(path.read_bytes()) == crc):
            what = "not as it was written" if path.exists() else "gone"
            raise BadInput(f"{path}: {what}; the command that wrote this folder, given again, mends it or says more")
