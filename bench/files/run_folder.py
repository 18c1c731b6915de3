"""A run on disk: append-only rows that survive a kill at any point.

A run is done in units. A unit's rows are appended to `samples.jsonl`, `scores.jsonl` and `trees.jsonl`;
then one line in `journal.jsonl` commits it and records how long these files are. Whatever a killed process
left behind the last commit, a torn line included, is cut off when the folder is opened again. So a
run that was killed and one that was not end with the same bytes.
"""

import json
import os
import shutil
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bench.files.journal import JOURNAL, ROW_FILES, check_tail, ends_of, read_journal
from bench.files.rows import SampleRow, ScoreRow, TreeRow, WrittenRow, from_row, to_row
from verifiers.interface.checksums import checksum
from verifiers.interface.errors import BadInput, first_line
from verifiers.interface.files import Row, append_rows, check_file, check_identity, check_ours, held, replace_text
from verifiers.interface.lines import json_object

_FREE = ("chunk",)  # settings that no result depends on; the folder keeps those that it began with

R = TypeVar("R", SampleRow, ScoreRow, TreeRow)

_OURS = ("task", "policy", "scorers", "strategies")  # settings that every run has
_AGAIN, _WHOLE = ".retry", ".retried"  # a folder's rows with failed ones drawn again: begun, and to take their place


@dataclass(frozen=True, slots=True)
class RunFolder:
    """An open run folder; `begin` comes before the first commit."""

    path: Path
    config: Mapping[str, object]
    committed: dict[str, Row]  # unit -> its journal record

    def samples(self, unit: str) -> list[SampleRow]:
        """A committed unit's rows of `samples.jsonl`."""
        return self._rows(SampleRow, unit, "samples.jsonl")

    def scores(self, unit: str) -> list[ScoreRow]:
        """A committed unit's rows of `scores.jsonl`."""
        return self._rows(ScoreRow, unit, "scores.jsonl")

    def trees(self, unit: str) -> list[TreeRow]:
        """A committed unit's rows of `trees.jsonl`."""
        return self._rows(TreeRow, unit, "trees.jsonl")

    def _rows(self, kind: type[R], unit: str, name: str) -> list[R]:
        start, end = self.committed[unit]["bytes"][name]
        if start == end:
            return []
        with open(self.path / name, "rb") as file:
            file.seek(start)
            lines = file.read(end - start).splitlines()
        where = f"{self.path / name}, unit {unit}, row"
        return [from_row(kind, json_object(line), where=f"{where} {i}") for i, line in enumerate(lines, start=1)]

    def begin(self) -> None:
        """Write what the folder is for, before its first rows."""
        write_config(self.path / "config.toml", self.config)
        (self.path / JOURNAL).touch()

    def commit(
        self,
        unit: str,
        record: Row,
        *,
        samples: Iterable[SampleRow] = (),
        scores: Iterable[ScoreRow] = (),
        trees: Iterable[TreeRow] = (),
    ) -> None:
        """Append a unit's rows and then the line that makes them count; raises OSError where the disk is full."""
        for name, end in ends_of(self.committed).items():
            _cut(self.path / name, end)  # what an earlier try has left, that failed
        new: tuple[Iterable[WrittenRow], ...] = (samples, scores, trees)
        files = zip(ROW_FILES, new, strict=True)
        spans = {name: append_rows(self.path / name, map(to_row, rows)) for name, rows in files}
        sums = {name: checksum(self.path / name, *span) for name, span in spans.items()}
        line = {"unit": unit, "bytes": spans, "crc32": sums, **record}
        append_rows(self.path / JOURNAL, [line], sealed=True)
        self.committed[unit] = line


@contextmanager
def open_run(path: Path, config: Mapping[str, object]) -> Iterator[RunFolder]:
    """Make the folder, or open one that the same `config` made, repaired to its last commit; nobody else can meanwhile.

    Raises BlockingIOError where another process has it open, BadInput where it holds a run with another config, or
    where a file of it is not ours.
    """
    with held(path, owner="config.toml"):
        _finish_again(path)
        yield _opened(path, config)


def open_again(folder: RunFolder) -> RunFolder:
    """An open run's rows-to-be, where its units are committed anew; a killed one is gone on with."""
    (folder.path / _AGAIN).mkdir(exist_ok=True)
    _check_place(folder.path / _AGAIN)
    again = _opened(folder.path / _AGAIN, folder.config)
    again.begin()
    return again


def put_in_place(again: RunFolder) -> RunFolder:
    """The run with its rows-to-be in the place of its rows."""
    path = again.path.parent
    again.path.rename(path / _WHOLE)  # from here on nothing but moves is left to do, and a kill among them does no harm
    _finish_again(path)
    return _opened(path, again.config)


def check_in_place(path: Path) -> None:
    """Raise BadInput for a run whose rows are of two kinds, since a kill came while the new ones took their places."""
    if (path / _WHOLE).exists():
        raise BadInput(f"{path}: a `run --retry-failed` was killed here at its very end; run the same command again")


def _finish_again(path: Path) -> None:
    whole = path / _WHOLE
    if not os.path.lexists(whole):
        return
    _check_place(whole)
    names = (*ROW_FILES, JOURNAL)
    if others := {*os.listdir(whole)} - {*names, "config.toml"}:
        raise BadInput(f"{whole}: it holds {min(others)}, which is none of a run; move it away")
    for name in names:
        if (whole / name).exists():
            (whole / name).replace(path / name)
    shutil.rmtree(whole)


def _check_place(path: Path) -> None:
    """Raise BadInput for what is no folder of ours in a run."""
    if path.is_symlink() or not path.is_dir():
        raise BadInput(f"{path}: not a folder that was written here; move it away")
    check_ours(path, owner="config.toml")
    _check_config(path / "config.toml")


def _opened(path: Path, config: Mapping[str, object]) -> RunFolder:
    """The folder, with what no commit covers cut off."""
    _check_config(path / "config.toml")
    rows = {name: path / name for name in ROW_FILES if (path / name).exists()}
    if rows and not (path / JOURNAL).exists():
        raise BadInput(
            f"{path}: it has {', '.join(rows)} and no {JOURNAL}, which says what of them counts; put that back, or "
            "choose another folder"
        )
    committed = read_journal(path, mend=True)
    if committed:
        before = read_config(path / "config.toml")
        further = {
            "scorers": f"'stepbeam rerank {path} --scorer SPEC' scores its samples with a further one",
            "n": "samples go by their places, so those of a smaller n are the first of a larger one, drawn anew; a "
            f"smaller n stands in 'stepbeam show {path}'",
        }
        check_identity(path / "config.toml", before, config, kind="a run", free=_FREE, instead=further)
        config = {**config, **{name: before[name] for name in _FREE if name in before}}
    ends = ends_of(committed)
    for name, file in rows.items():
        check_tail(file, ends[name])
    for name, file in rows.items():
        _cut(file, ends[name])
    return RunFolder(path, config, committed)


def _check_config(path: Path) -> None:
    """Raise BadInput where somebody else wrote it; a run without a row yet may still change its mind."""
    if not path.exists():
        return
    before = read_config(path)
    if "pools" in before:
        raise BadInput(f"{path.parent}: this folder holds a rerank; choose another folder")
    if not before.keys() >= set(_OURS):
        raise BadInput(f"{path}: not the config of a run; choose another folder")


def check_folder(path: Path) -> None:
    """Raise BadInput where no folder for results can be made; nothing is made yet."""
    there = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        why = "no permission" if there.is_dir() else f"{there} is no folder"
        raise BadInput(f"{path}: cannot write results there ({why}); choose another folder")


def write_config(path: Path, config: Mapping[str, object]) -> None:
    """A TOML file of flat settings."""
    # JSON's strings, numbers, booleans and flat lists are TOML's too.
    replace_text(path, "".join(f"{key} = {json.dumps(value)}\n" for key, value in config.items()))


def read_config(path: Path) -> Row:
    """The settings in a file of `write_config`; BadInput where it cannot be read."""
    check_file(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(
            f"{path}: not a config of a run ({first_line(error)}); make the run again, or choose another folder"
        ) from None


def _cut(path: Path, size: int) -> None:
    if path.exists() and path.stat().st_size > size:
        os.truncate(path, size)
