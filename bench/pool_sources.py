"""Where rows of saved generations come from: files, run folders, data sets."""

import math
from collections.abc import Iterator
from pathlib import Path

from bench.errors import BadInput
from bench.rows import Row, read_rows

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
    if path.exists() or path.suffix in (".jsonl", ".gz", ".json") or source.count("/") != 1:
        return read_rows(path)
    return _dataset_rows(source, saved=False)


def is_run_folder(source: str) -> bool:
    """Whether the source is the folder of a run."""
    return (Path(source) / _RUN).is_file()


def _run_rows(folder: Path) -> Iterator[tuple[str, Row]]:
    """A run's pools, one problem a row, with the scores that the run holds; beams are no pools and left out."""
    scores: dict[tuple[str, int], Row] = {}
    values: dict[tuple[str, int], dict[str, float]] = {}
    for where, row in read_rows(folder / "scores.jsonl") if (folder / "scores.jsonl").is_file() else ():
        if _field(where, row, "strategy") == "sample":
            said = row["steps"] if any(s is not None for s in row["steps"]) else row["value"]
            place = row["problem"], row["index"]
            scores.setdefault(place, {})[row["scorer"]] = said
            values.setdefault(place, {})[row["scorer"]] = math.nan if row["value"] is None else float(row["value"])
    pools: dict[str, list[Row]] = {}
    for where, row in read_rows(folder / _RUN):
        if _field(where, row, "strategy") == "sample":
            entry = {key: row[key] for key in ("steps", "stop", "correct")}
            entry["extracted"] = row["answer"]
            entry["scores"] = scores.get((row["problem"], row["index"]), {})
            entry["values"] = values.get((row["problem"], row["index"]), {})
            pools.setdefault(row["problem"], []).append(entry)
    for where, row in read_rows(folder / "problems.jsonl"):
        if row["id"] in pools:
            yield where, {**row, "solutions": pools[row["id"]]}


def _field(where: str, row: Row, name: str) -> object:
    if name not in row:
        raise BadInput(f"{where}: no {name!r} in this row, so this is not a run's; it has {', '.join(map(repr, row))}")
    return row[name]


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
        raise BadInput(f"{path}: cannot be read as parquet ({str(error).splitlines()[0]})") from None


def _dataset_rows(source: str, *, saved: bool) -> Iterator[tuple[str, Row]]:
    import datasets

    name, _, split = source.partition(":")
    try:
        found = datasets.load_from_disk(source) if saved else datasets.load_dataset(name, split=split or "train")
    except Exception as error:  # noqa: BLE001  (the hub, the network and the cache each fail in their own way)
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(f"{source}: no such file, and no data set could be loaded by that name ({first})") from None
    if isinstance(found, dict):
        raise BadInput(f"{source}: it has the splits {', '.join(found)}; give the folder of one of them")
    return ((f"{name}[{i}]", dict(row)) for i, row in enumerate(found))
