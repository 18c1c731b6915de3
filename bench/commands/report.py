"""`stepbeam report RUN…`."""

import argparse
from pathlib import Path

from bench.commands.options import add_by
from verifiers.interface.errors import BadInput


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `stepbeam report`."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="the folder of a run, demo or rerank")
    parser.add_argument(
        "--out", type=Path, help="the file to write; default: RUN/report.html, of several ./report.html"
    )
    parser.add_argument(
        "--problems",
        type=int,
        metavar="N",
        help="list the first N problems of each run; figures are of all; default: as many as 128 MB hold",
    )
    add_by(parser)


def run(options: argparse.Namespace) -> None:
    """Write the page and say where it is."""
    from bench.report.page import write_report

    if options.problems is not None and options.problems < 0:
        raise BadInput(f"--problems {options.problems}: it must be 0 or more")
    path = options.out or (options.runs[0] / "report.html" if len(options.runs) == 1 else Path("report.html"))
    write_report(options.runs, path, problems=options.problems, by=options.by)
    print(f"a report on {', '.join(map(str, options.runs))}")
    print(f"- files: {path} ({path.stat().st_size / 1e6:.1f} MB; open it in a browser)")
