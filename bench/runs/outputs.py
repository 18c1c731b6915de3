"""What a finished run leaves beside its rows: its problems, its results, and the points of its curves."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.files.run_folder import json_line, write_atomically
from bench.stats.curves import Results
from verifiers.interface.solution import Problem


def write_problems(out: Path, problems: Sequence[Problem]) -> None:
    """`problems.jsonl`: a row a problem, so that a folder can be read without the task it came from."""
    write_atomically(out / "problems.jsonl", "".join(json_line(asdict(problem)) for problem in problems))


def write_results(out: Path, results: Results) -> None:
    """`results.jsonl`: a row a problem and point, without seconds, so that equal runs give equal bytes.

    `points.jsonl`: the table, a row a point, with seconds. `notes.txt`: what a reader should know, a line each.
    """
    write_atomically(out / "notes.txt", "".join(f"{note}\n" for note in results.notes))
    write_atomically(out / "results.jsonl", "".join(json_line(o.row()) for o in results.outcomes))
    write_atomically(out / "points.jsonl", "".join(json_line(point.row()) for point in results.points()))
