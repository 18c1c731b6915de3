"""`stepbeam report FOLDER…`, of runs or of trainings."""

import argparse
from pathlib import Path

from bench.commands.options import add_by, path_of
from bench.inputs.rows import real_path
from verifiers.interface.errors import BadArgument, BadInput


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `stepbeam report`."""
    parser.add_argument(
        "runs", nargs="+", type=path_of, metavar="RUN", help="the folder of a run, demo or rerank; or of a training"
    )
    parser.add_argument(
        "--out", type=path_of, help="the file to write; default: RUN/report.html, of several ./report.html"
    )
    parser.add_argument(
        "--problems",
        type=int,
        metavar="N",
        help="list the first N problems of each run; figures are of all; default: as many as 128 MB of all runs hold",
    )
    add_by(parser)


def run(options: argparse.Namespace) -> None:
    """Write the page and say where it is."""
    from bench.report.page import write_report
    from bench.report.trainings import is_training, write_training_report

    if options.problems is not None and options.problems < 0:
        raise BadInput(f"--problems {options.problems}: it must be 0 or more")
    path = options.out or (options.runs[0] / "report.html" if len(options.runs) == 1 else Path("report.html"))
    if missing := [folder for folder in options.runs if not real_path(folder).is_dir()]:
        raise BadInput(f"{missing[0]}: no such folder; give folders of runs, or of trainings")
    trainings = [folder for folder in options.runs if is_training(folder)]
    if not trainings:
        write_report(options.runs, path, problems=options.problems, by=options.by)
    elif others := [folder for folder in options.runs if folder not in trainings]:
        raise BadInput(f"{trainings[0]} is a training and {others[0]} is not: give runs or trainings, a report of each")
    else:
        given = [("by", name) for name in options.by] + [("problems", n) for n in [options.problems] if n is not None]
        for name, value in given:
            raise BadArgument(name, value, f"it is for the results of runs, and {trainings[0]} is a training")
        write_training_report(trainings, path)
    print(f"a report on {', '.join(map(str, options.runs))}")
    print(f"- files: {path} ({path.stat().st_size / 1e6:.1f} MB; open it in a browser)")
