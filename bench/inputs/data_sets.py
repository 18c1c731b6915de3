"""Reading the rows of data sets: of the hub by name, and of folders that `datasets` saved."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.inputs.rows import Row
from bench.inputs.tables import SUFFIXES, file_rows
from policies.models.sources import is_hub_name
from verifiers.interface.errors import BadInput, first_line
from verifiers.interface.files import check_file

_MOVED = "; where one was saved and moved, give the folder that it is in now, FOLDER or FOLDER:SPLIT"
_SAVED = ("dataset_info.json", "dataset_dict.json")  # of which `datasets` leaves one in a folder


def hub_rows(name: str, split: str, configuration: str | None = None) -> Iterator[tuple[str, Row]]:
    """A data set of the hub as `read_rows` gives a file; raises BadInput where it cannot be loaded."""
    import datasets

    try:
        rows = datasets.load_dataset(name, configuration, split=split)
    except Exception as error:  # noqa: BLE001  (the hub, the network and the cache each fail in their own way)
        raise BadInput(f"{name} could not be loaded ({first_line(error)})") from None
    return _each(name, rows)


def is_hub_source(source: str) -> bool:
    """Whether a source can be a data set's name on the hub, `owner/name` or `owner/name:split`, and is no file."""
    return "/" in source and is_hub_name(source.partition(":")[0]) and not Path(source).exists()


def named_rows(source: str) -> Iterator[tuple[str, Row]]:
    """The rows of a data set's name and split, `owner/name:split` ("train" without one)."""
    name, _, split = source.partition(":")
    try:
        return hub_rows(name, split or "train")
    except BadInput as error:
        raise BadInput(f"{source}: no such file, and the data set {error}{_MOVED}") from None


def rows_at(source: str | Path) -> Iterator[tuple[str, Row]]:
    """The rows of a file, or of a data set by its name and split, `owner/name:split`, where no such file is there."""
    name, path = str(source), Path(source)
    if ":" in path.name and not path.exists() and not is_hub_source(name):
        raise BadInput(f"{name}: no such file, and no data set is saved in {name.rpartition(':')[0]}{_MOVED}")
    return named_rows(name) if is_hub_source(name) and path.suffix.lower() not in SUFFIXES else file_rows(path)


def is_saved(source: str) -> bool:
    """Whether a source is a folder that `datasets` saved, or a split in one, `FOLDER:split`."""
    folders = (source, source.rpartition(":")[0] or source)
    return any((Path(folder) / file).is_file() for folder in folders for file in _SAVED)


def saved_rows(source: str) -> Iterator[tuple[str, Row]]:
    """The rows of a data set saved to disk; raises BadInput for one that cannot be read, or has several splits."""
    import datasets

    folder, split = (source, None) if Path(source).exists() else source.rsplit(":", 1)
    for path in Path(folder).rglob("*"):
        if not path.is_dir():
            check_file(path)
    try:
        loaded = datasets.load_from_disk(folder)
    except Exception as error:  # noqa: BLE001  (each of its formats fails in its own way)
        raise BadInput(f"{source}: cannot be read as a data set ({first_line(error)})") from None
    if isinstance(loaded, dict):
        name = split or next(iter(loaded)) if split or len(loaded) == 1 else ""
        if name not in loaded:
            raise BadInput(
                f"{source}: it has the splits {', '.join(loaded)}; name one, as {folder}:{next(iter(loaded))}"
            )
        loaded = loaded[name]
    elif split is not None:
        raise BadInput(f"{source}: it has no splits; give {folder}")
    # Without its format: rows of lists and numbers, whatever arrays the data set was saved to give.
    try:
        loaded.data.table.validate(full=True)  # of a damaged file that arrow maps, reading a row ends the process
    except ValueError as error:
        raise BadInput(f"{source}: its rows are damaged ({first_line(error)}); save it again") from None
    return _each(source, loaded.with_format(None))


def _each(source: str, rows: Any) -> Iterator[tuple[str, Row]]:
    """The rows of a data set that is loaded, which reads each as it is asked for."""
    where = f"{source}[0]"
    try:
        for i, row in enumerate(rows):
            yield where, dict(row)
            where = f"{source}[{i + 1}]"
    except Exception as error:  # noqa: BLE001  (of damaged rows, and of what needs another package to be decoded)
        raise BadInput(f"{where}: this row cannot be read ({first_line(error)})") from None
