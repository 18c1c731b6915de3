"""`stepbeam show RUN…`: the table of a run that has ended, for a terminal or for another program."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.options import add_by, path_of

if TYPE_CHECKING:
    from bench.files.rows import PointRow
    from bench.report.folder import Folder
    from bench.stats.outcomes import Outcomes

_FORMATS = ("text", "csv", "json", "markdown", "latex")
_EXAMPLES = """\
examples:
  stepbeam show runs/mine --by level
  stepbeam show runs/mine runs/other --format csv > points.csv
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `stepbeam show`."""
    parser.epilog = _EXAMPLES
    parser.add_argument("runs", nargs="+", type=path_of, metavar="RUN", help="the folder of a run, demo or rerank")
    parser.add_argument(
        "--format",
        choices=_FORMATS,
        default="text",
        help="how it is printed; csv and json have all digits, latex is for booktabs",
    )
    add_by(parser)


def run(options: argparse.Namespace) -> None:
    """Print the table of each run, with its notes where a person reads it."""
    from bench.report.folder import read_folders

    folders = read_folders(options.runs, by=options.by, samples=False)
    if options.format != "text":
        print(_table(folders, options.by, options.format))
        return
    texts: list[str] = []  # all of them before the first is printed: a field may not be known to the last run
    for place, folder in enumerate(folders):
        if len(folders) > 1:
            texts.append(f"{chr(10) * (place > 0)}{folder.name}\n")
        texts += _shown(folder, options.by)
    print("\n".join(texts))


def shown_by(folder: Path, by: Sequence[str], outcomes: "Outcomes | None" = None) -> Iterator[str]:
    """The tables of a run's categories, for a terminal; `outcomes` where they are at hand."""
    from bench.report.folder import read_folder

    read = [read_folder(folder, folder.name, by=by, samples=False, outcomes=outcomes)] if by else []
    for name in by:
        yield _table(read, [name], "text")


def _shown(folder: "Folder", by: Sequence[str]) -> Iterator[str]:
    yield _table([folder], (), "text")
    for name in by:
        yield f"\n{_table([folder], [name], 'text')}"
    yield ""
    yield from (f"- {note}" for note in folder.notes)


def _table(folders: Sequence["Folder"], by: Sequence[str], how: str) -> str:
    """The points of runs, or of the categories in them, with what tells them apart."""
    from bench.report.breakdown import categories
    from bench.runs.table import FORMATS, column_name

    apart = how in ("csv", "json")  # for programs, which have the number of problems in every table
    columns: tuple[str, ...] = ("run",) if len(folders) > 1 else ()
    if by:
        columns += (column_name(by[0]),) if len(by) == 1 else ("field", "category") if apart else ("category",)
        columns += () if apart else ("problems",)
    points: list[PointRow] = []
    beside: list[tuple[str, ...]] = []
    for folder in folders:
        run = (folder.name,) * (len(folders) > 1)
        for one in categories(folder.results, folder.fields, by, of=folder.name) if by else ():
            named = (one.field, one.value) if apart else (f"{one.field} {one.value}",)
            cells = (*(named if len(by) > 1 else (one.value,)), *(() if apart else (str(one.problems),)))
            points += one.points
            beside += [(*run, *cells)] * len(one.points)
        if not by:
            points += folder.points
            beside += [run] * len(folder.points)
    return FORMATS[how](points, (columns, beside))
