"""`stepbeam report RUN…`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench.inputs.errors import BadInput
from bench.report import PROBLEMS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `stepbeam report`."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="the folder of a run, demo or rerank")
    parser.add_argument(
        "--out", type=Path, help="the file to write; default: RUN/report.html, of several ./report.html"
    )
    parser.add_argument(
        "--problems",
        type=int,
        default=PROBLEMS,
        metavar="N",
        help=f"list the first N problems of each run (default {PROBLEMS}); figures are of all",
    )


def report(runs: Sequence[Path], out: Path | None, problems: int) -> None:
    """Write the page and say where it is; raises BadInput for a folder that is no run."""
    from bench.report.page import write_report

    if problems < 0:
        raise BadInput(f"--problems {problems}: it must be 0 or more")
    path = out or (runs[0] / "report.html" if len(runs) == 1 else Path("report.html"))
    print(f"a report on {', '.join(map(str, runs))}")
    write_report(runs, path, problems=problems)
    print(f"- files: {path} ({path.stat().st_size / 1e6:.1f} MB; open it in a browser)")
