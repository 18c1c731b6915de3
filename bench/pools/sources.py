"""Where rows of saved generations come from: files, run folders, data sets."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.inputs.rows import Row, read_rows
from policies.models.sources import is_hub_name
from verifiers.interface.errors import BadInput, first_line

_RUN = "samples.jsonl"


def source_rows(source: str) -> Iterator[tuple[str, Row]]:
    """Pairs of (where, row) of a source; `where` says where a row stands, for error messages.

    A `.jsonl` or `.jsonl.gz` file, a `.parquet` file, the folder of a run or of a data set saved to disk, or a data
    set's name and split, `owner/name:split`. Raises BadInput for one that cannot be read.
    """
    path = Path(source)
    if (path / _RUN).is_file():
        return _run_rows(path)
    if (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file():
        return _dataset_rows(source, saved=True)
    if path.is_dir():
        raise BadInput(f"{path}: a folder without {_RUN} is not that of a run; give one, or a file of generations")
    if path.suffix == ".parquet":
        return _parquet_rows(path)
    if path.exists() or path.suffix in (".jsonl", ".gz", ".json") or "/" not in source:
        return read_rows(path)
    return _dataset_rows(source, saved=False) if is_hub_name(source.partition(":")[0]) else read_rows(path)


def is_run_folder(source: str) -> bool:
    """Whether the source is the folder of a run."""
    return (Path(source) / _RUN).is_file()


def _run_rows(folder: Path) -> Iterator[tuple[str, Row]]:
    """A run's pools, one problem a row, with the scores that the run holds; beams are no pools and left out.

    A solution has, beside what those of files may have, the answer that the task read, "extracted", and the value
    under each scorer's own reducer, "values".
    """
    scores: dict[tuple[str, int], Row] = {}
    values: dict[tuple[str, int], dict[str, float]] = {}
    for where, row in _rows_of(folder / "scores.jsonl") if (folder / "scores.jsonl").is_file() else ():
        if _field(where, row, "strategy", str) == "sample":
            place, scorer = _place(where, row), _field(where, row, "scorer", str)
            steps = [_number(where, score) for score in _field(where, row, "steps", list)]
            value = _number(where, _field(where, row, "value", object))
            scores.setdefault(place, {})[scorer] = value if all(map(math.isnan, steps)) else steps
            values.setdefault(place, {})[scorer] = value
    pools: dict[str, list[Row]] = {}
    for where, row in _rows_of(folder / _RUN):
        if _field(where, row, "strategy", str) == "sample":
            place = _place(where, row)
            entry: Row = {key: _field(where, row, key, object) for key in ("steps", "stop", "correct")}
            entry["extracted"] = _field(where, row, "answer", (str, type(None)))
            entry["scores"] = scores.get(place, {})
            entry["values"] = values.get(place, {})
            pools.setdefault(place[0], []).append(entry)
    for where, row in _rows_of(folder / "problems.jsonl"):
        name = _field(where, row, "id", str)
        if name in pools:
            yield where, {**row, "solutions": pools[name]}


def _rows_of(path: Path) -> Iterator[tuple[str, Row]]:
    return read_rows(path, if_torn="the command that writes this folder, given again, mends it")


def _field(where: str, row: Row, name: str, kind: type | tuple[type, ...]) -> Any:
    if name not in row:
        raise BadInput(f"{where}: no {name!r} in this row, so this is not a run's; it has {', '.join(map(repr, row))}")
    if not isinstance(row[name], kind):
        raise BadInput(f"{where}: {name!r} is {row[name]!r}, so this row is not a run's")
    return row[name]


def _place(where: str, row: Row) -> tuple[str, int]:
    """Which solution a row is about."""
    return _field(where, row, "problem", str), _field(where, row, "index", int)


def _number(where: str, score: object) -> float:
    """A run's score, NaN for none; infinities, which strict JSON has not, are texts."""
    if score is None:
        return math.nan
    if not isinstance(score, int | float) and score not in ("inf", "-inf"):
        raise BadInput(f"{where}: a score is {score!r}, so this row is not a run's")
    return float(score)


def _parquet_rows(path: Path) -> Iterator[tuple[str, Row]]:
    import pyarrow
    from pyarrow import parquet

    if not path.is_file():
        raise BadInput(f"{path}: no such file")
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=64):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}: row {number}", row
    except (pyarrow.ArrowException, OSError) as error:
        raise BadInput(f"{path}: cannot be read as parquet ({first_line(error)})") from None


def _dataset_rows(source: str, *, saved: bool) -> Iterator[tuple[str, Row]]:
    import datasets

    name, _, split = source.partition(":")
    try:
        found = datasets.load_from_disk(source) if saved else datasets.load_dataset(name, split=split or "train")
    except Exception as error:  # noqa: BLE001  (the hub, the network and the cache each fail in their own way)
        raise BadInput(
            f"{source}: no such file, and no data set could be loaded by that name ({first_line(error)})"
        ) from None
    if isinstance(found, dict):
        raise BadInput(f"{source}: it has the splits {', '.join(found)}; give the folder of one of them")
    # Without its format: rows of lists and numbers, whatever arrays the data set was saved to give.
    return ((f"{name}[{i}]", dict(row)) for i, row in enumerate(found.with_format(None)))
