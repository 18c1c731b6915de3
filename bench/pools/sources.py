"""Where rows of saved generations come from: files, run folders, data sets."""

import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from bench.files.journal import JOURNAL, ends_of, read_journal
from bench.files.rows import AnyRow, ProblemRow, SampleRow, ScoreRow, from_row
from bench.files.run_folder import read_config
from bench.inputs.data_sets import is_saved, rows_at, saved_rows
from bench.inputs.rows import Row, read_rows
from bench.pools.spool import Spool
from bench.runs.samples import costs_of
from verifiers.interface.checksums import CHECKSUMS, check_checksums
from verifiers.interface.errors import BadInput

_RUN = "samples.jsonl"
_MENDS = "the command that writes this folder, given again, mends it"


def source_rows(source: str) -> Iterator[tuple[str, Row]]:
    """Pairs of (where, row) of a source; `where` says where a row stands, for error messages.

    A file (see `bench.inputs.tables`), the folder of a run or of a data set saved to disk (with `:split` where it has
    several), or a data set's name and split, `owner/name:split`. Raises BadInput for one that cannot be read.
    """
    path = Path(source)
    if (path / _RUN).is_file():
        return _run_rows(path)
    if is_saved(source):
        return saved_rows(source)
    if path.is_dir():
        raise BadInput(f"{path}: a folder without {_RUN} is not that of a run; give one, or a file of generations")
    return rows_at(source)


def run_rows(folder: Path) -> Iterator[tuple[str, Row]]:
    """As `source_rows`, of the folder of a run; BadInput for anything else."""
    if not is_run_folder(str(folder)):
        raise BadInput(f"{folder}: it is not that of a run, with {_RUN} in it; give the folder of a run or of a rerank")
    return _run_rows(folder)


def is_run_folder(source: str) -> bool:
    """Whether the source is the folder of a run."""
    return (Path(source) / _RUN).is_file()


def _run_rows(folder: Path) -> Iterator[tuple[str, Row]]:
    """A run's pools, one problem a row, with the scores that the run holds; beams are no pools and left out.

    A solution has, beside what those of files may have, the answer that the task read, "extracted", and the value
    under each scorer's own reducer, "values". A pool has what it cost, "costs".
    """
    numbers: dict[str, int] = {}
    scores, samples = Spool(), Spool()
    if (folder / "scores.jsonl").is_file():
        for score in _of_pools(folder / "scores.jsonl", ScoreRow):
            silent = all(map(math.isnan, score.steps))
            steps = score.value if silent else list(score.steps)
            number = numbers.setdefault(score.problem, len(numbers))
            scores.add(number, (score.index, score.scorer, steps, score.value))
    for sample in _of_pools(folder / _RUN, SampleRow):
        entry = {
            "steps": list(sample.steps),
            "stop": sample.stop,
            "correct": sample.correct,
            "extracted": sample.answer,
        }
        samples.add(numbers.setdefault(sample.problem, len(numbers)), (sample.index, entry))
    costs = costs_of(_checked(folder))  # at last, since what is no row at all is named with its line
    for where, row in _rows_of(folder / "problems.jsonl"):
        name = from_row(ProblemRow, row, where=where).id
        number = numbers.get(name, len(numbers))
        entries = list(samples.of(number))
        said: defaultdict[int, Row] = defaultdict(dict)
        values: defaultdict[int, dict[str, float]] = defaultdict(dict)
        for index, scorer, steps, value in scores.of(number):
            said[index][scorer], values[index][scorer] = steps, value
        solutions = [entry | {"scores": said[index], "values": values[index]} for index, entry in entries]
        if solutions:
            yield where, {**row, "solutions": solutions, "costs": costs.get(name)}


def _checked(folder: Path) -> dict[str, Row]:
    """A run's journal; BadInput for rows that are not as they were written, or that no line of it commits."""
    if not (folder / JOURNAL).exists():
        check_checksums(folder)
        if (folder / CHECKSUMS).exists() and "pools" not in read_config(folder / "config.toml"):  # of a rerank
            raise BadInput(f"{folder / JOURNAL}: gone; put it back, or make the run again")
        return {}
    check_checksums(folder, among=("config.toml", "problems.jsonl"))  # the others grow
    committed = read_journal(folder)
    for name, end in ends_of(committed).items():
        if (folder / name).exists() and (folder / name).stat().st_size != end:
            raise BadInput(f"{folder / name}: rows of a run that did not end; {_MENDS}")
    return committed


def _of_pools(path: Path, kind: type[AnyRow]) -> Iterator[AnyRow]:
    """The rows of pools; those that another strategy kept, which are no pools, are left out."""
    for where, row in _rows_of(path):
        strategy = row.get("strategy")
        if strategy == "sample" or not isinstance(strategy, str):  # one that is no name is refused
            yield from_row(kind, row, where=where)


def _rows_of(path: Path) -> Iterator[tuple[str, Row]]:
    return read_rows(path, if_torn=_MENDS)
