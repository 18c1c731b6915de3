"""The log of a training as others read it: each row is checked, since any folder may be given."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.files.rows import LogRow, TrainingRow, from_row, strict
from verifiers.interface.errors import BadInput
from verifiers.interface.files import Row, whole_rows


def read_log(path: Path) -> list[Row]:
    """The rows of a training's `metrics.jsonl` or `log.jsonl`; raises BadInput for one that no training writes."""
    rows = [strict(row) for row in whole_rows(path)]
    before = -1
    for number, row in enumerate(rows, 1):
        where = f"{path}, line {number}"
        step = checked(LogRow, row, where=where).step
        if step <= before:
            raise BadInput(f"{where}: 'step' is {step} after {before}; put the rows in the order they were written in")
        before = step
    return rows


def checked(kind: type[TrainingRow], row: Mapping[str, Any], *, where: str) -> TrainingRow:
    """A row of a training's file, in which NaN stands for none; raises BadInput for what is none."""
    try:
        return from_row(kind, strict(row), where=where)
    except BadInput as error:
        raise BadInput(f"{error}; give the folder of a training, with its files as they were written") from None
