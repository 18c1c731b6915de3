"""What a finished run leaves beside its rows: its problems, its results, and the points of its curves."""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path

from bench.files.rows import strict
from bench.stats.curves import Results
from bench.stats.outcomes import Outcomes
from verifiers.interface.errors import BadInput
from verifiers.interface.files import Row, each_row, replace_text, replacing
from verifiers.interface.lines import json_line
from verifiers.interface.solution import Problem

# What a finished folder has checksums of.
RUN_FILES = (
    "config.toml", "problems.jsonl", "samples.jsonl", "scores.jsonl", "trees.jsonl", "results.jsonl", "points.jsonl",
    "notes.txt",
)  # fmt: skip


def write_problems(out: Path, problems: Sequence[Problem]) -> None:
    """`problems.jsonl`: a row a problem, so that a folder can be read without the task it came from."""
    replace_text(out / "problems.jsonl", "".join(json_line(problem_row(problem)) for problem in problems))


def check_problems(out: Path, problems: Sequence[Problem], committed: Collection[str]) -> None:
    """Raise BadInput where a run that has begun is one of other problems than these under the same ids."""
    path = out / "problems.jsonl"
    if not committed or not path.is_file():
        return
    same = ("id", "prompt", "answer", "fields")
    now = {problem.id: json.loads(json_line(problem_row(problem))) for problem in problems}
    for _, row in each_row(path):
        mine = now.get(row.get("id", ""), row)
        if any(mine.get(name) != row.get(name) for name in same):
            raise BadInput(
                f"{path}: problem {row['id']!r} had another prompt, answer or fields when this run began: the task has "
                "changed; choose another folder, or remove this one"
            )


def problem_row(problem: Problem) -> Row:
    """A problem's row; what else is known of it stands in "fields", where there is anything."""
    row = asdict(problem)
    if not problem.fields:
        del row["fields"]
    return row


def write_results(out: Path, results: Results) -> None:
    """`results.jsonl`: a row a problem and point, without seconds, so that equal runs give equal bytes.

    `points.jsonl`: the table, a row a point, with seconds. `notes.txt`: what a reader should know, a line each.
    """
    replace_text(out / "notes.txt", "".join(f"{note}\n" for note in results.notes))
    with replacing(out / "results.jsonl") as draft, open(draft, "w", encoding="utf-8") as file:
        for table in Outcomes.of(results.outcomes).tables:
            file.writelines(table.lines())
    replace_text(out / "points.jsonl", "".join(json_line(strict(point.row())) for point in results.points()))
