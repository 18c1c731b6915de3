"""The journal of a run: which bytes of its files each unit of work committed, and whether they still are those.

A line names a unit, where its rows stand in each file ("bytes") and the checksums of these ("crc32"), and ends with a
checksum of its own. The spans of each file follow one another from its first byte on, so a line that is lost, doubled
or out of its place is found, and a flipped byte never becomes another row.
"""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.files.rows import SampleRow, ScoreRow, TreeRow, WrittenRow, from_row
from verifiers.interface.checksums import parts_of
from verifiers.interface.errors import BadInput
from verifiers.interface.files import Row, whole_rows
from verifiers.interface.lines import json_object

JOURNAL = "journal.jsonl"
ROW_FILES: dict[str, type[WrittenRow]] = {
    "samples.jsonl": SampleRow,
    "scores.jsonl": ScoreRow,
    "trees.jsonl": TreeRow,
}
_TO_DO = "put a whole copy in its place, or remove the run folder and run again"


def read_journal(folder: Path, *, mend: bool = False) -> dict[str, Row]:
    """The record of each unit that is committed in a folder, in their order, with the rows that it covers checked.

    `mend` cuts the journal's torn last line off. Raises BadInput for a line, or rows, that are not as they were
    written, and for a file that holds less than was committed.
    """
    path = folder / JOURNAL
    committed: dict[str, Row] = {}
    ends = dict.fromkeys(ROW_FILES, 0)
    for number, record in enumerate(_read(path, mend), start=1):
        where = f"{path}:{number}"
        unit = record.get("unit")
        if not isinstance(unit, str) or not _of_problems(record):
            raise BadInput(f"{where}: not a unit of a run; {_TO_DO}")
        if unit in committed:
            raise BadInput(f"{where}: unit {unit!r} was committed before; {_TO_DO}")
        for name, end in ends.items():
            start, ends[name], _ = _span(record, name, where)
            if start != end:
                raise BadInput(
                    f"{where}: unit {unit!r} begins at byte {start} of {name}, and what was committed before it ends "
                    f"at byte {end}: a line of the journal is missing or out of its place; {_TO_DO}"
                )
        committed[unit] = record
    for name in ROW_FILES:
        _check_rows(folder / name, {unit: _span(record, name, "") for unit, record in committed.items()})
    return committed


def ends_of(committed: Mapping[str, Row]) -> dict[str, int]:
    """How long the committed part of each file is."""
    return {name: max((record["bytes"][name][1] for record in committed.values()), default=0) for name in ROW_FILES}


def check_tail(path: Path, start: int) -> None:
    """Raise BadInput where a file has other than rows of a run from byte `start` on, but for a torn last line."""
    *lines, torn = b"".join(parts_of(path, start, path.stat().st_size)).split(b"\n")
    for line in lines:
        _check_line(path.name, line, f"{path}, behind the rows that the journal knows")
    if torn.strip(b"\0") and not torn.startswith(b"{"):
        raise BadInput(f"{path}: its end is no row of a run; move the file away, or choose another folder")


def _read(path: Path, mend: bool) -> Sequence[Row]:
    try:
        return whole_rows(path, mend=mend, sealed=True)
    except BadInput as error:
        raise BadInput(f"{str(error).partition(';')[0]}; {_TO_DO}") from None


def _of_problems(record: Row) -> bool:
    """Whether what a line says of its problems has the shape that results are drawn up from."""
    spend, classes, kept = (record.get(key, {}) for key in ("spend", "classes", "kept"))
    return (
        all(isinstance(by, dict) for by in (spend, classes, kept))
        and all(isinstance(costs, dict) for costs in (*spend.values(), *kept.values()))
        and all(isinstance(places, list) for places in classes.values())
    )


def _span(record: Row, name: str, where: str) -> tuple[int, int, int]:
    """Where a unit's rows of one file begin and end, and their checksum."""
    spans, sums = record.get("bytes"), record.get("crc32")
    span = spans.get(name) if isinstance(spans, dict) else None
    crc = sums.get(name) if isinstance(sums, dict) else None
    numbers: list[Any] = [*span, crc] if isinstance(span, list) else []
    if len(numbers) != 3 or any(type(n) is not int or n < 0 for n in numbers) or numbers[1] < numbers[0]:
        raise BadInput(f"{where}: no span of {name}, as two whole numbers and a checksum; {_TO_DO}")
    return numbers[0], numbers[1], numbers[2]


def _check_rows(path: Path, spans: Mapping[str, tuple[int, int, int]]) -> None:
    end = max((end for _, end, _ in spans.values()), default=0)
    size = path.stat().st_size if path.exists() else 0
    if size < end:
        raise BadInput(f"{path}: has {size} bytes where the journal recorded {end}: rows are missing; {_TO_DO}")
    first = 1
    for unit, (start, end, crc) in spans.items():
        if start == end:
            continue
        total = lines = 0
        for part in parts_of(path, start, end):
            total, lines = zlib.crc32(part, total), lines + part.count(b"\n")
        if total != crc:
            _say_what_is_wrong(path, b"".join(parts_of(path, start, end)).split(b"\n"), first)
            raise BadInput(
                f"{path}:{first}: what unit {unit!r} wrote, from this line to line {first + lines - 1}, is not as it "
                f"was written; {_TO_DO}"
            )
        first += lines


def _say_what_is_wrong(path: Path, lines: Sequence[bytes], first: int) -> None:
    """Raise BadInput that names the line, where there is one that is no row."""
    for number, line in enumerate(lines, start=first):
        if line or number < first + len(lines) - 1:
            _check_line(path.name, line, f"{path}:{number}")


def _check_line(name: str, line: bytes, where: str) -> None:
    try:
        row = json_object(line)
    except ValueError as error:
        raise BadInput(f"{where}: not a line that was written here ({error}); {_TO_DO}") from None
    from_row(ROW_FILES[name], row, where=where)
