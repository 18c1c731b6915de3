"""What the commands show of a run: a table, a plot, a page and the files."""

import re
from collections.abc import Sequence
from pathlib import Path

from bench.commands.show import shown_by
from bench.report.page import write_report
from bench.runs.plan import RunPlan
from bench.runs.plot import plot
from bench.runs.table import table
from bench.stats.curves import Results
from bench.stats.outcomes import Outcomes

_SHOWN = (".html", ".jsonl", ".png", ".toml")


def say_begun(plan: RunPlan, out: Path) -> None:
    """Print what is run, and where to."""
    print(f"task {plan.task}, policy {plan.policy}, n = {plan.n}, seed {plan.seed} -> {out}", flush=True)


def show_run(results: Results, plan: RunPlan, out: Path, *, by: Sequence[str] = ()) -> None:
    """Show what a plan has come to."""
    show(results, out, by=by, title=f"{plan.task.partition(':')[0]}, {plan.policy.rpartition('/')[2]}")


def show(results: Results, out: Path, *, title: str, by: Sequence[str] = ()) -> None:
    """Write plot and page into the folder, and print the table, the notes and the files."""
    points = results.points()
    plot(points, out / "curve.png", title=title)
    outcomes = Outcomes.of(results.outcomes)
    write_report([out], out / "report.html", by=by, outcomes={out: outcomes})
    print()
    print(table(points))
    print()
    for text in shown_by(out, by, outcomes):
        print(f"{text}\n")
    for note in results.notes:
        print(f"- {note}")
    files = [str(path) for path in sorted(out.iterdir()) if path.suffix in _SHOWN]
    print(f"- files: {', '.join(files)}")


def slug(*parts: str) -> str:
    """A folder's name from the parts of a command.

    >>> slug("gsm8k:data/test.jsonl", "tiny:policy", "n16")
    'test.jsonl-tiny-policy-n16'
    """
    return "-".join(re.sub(r"[^A-Za-z0-9.]+", "-", Path(part).name).strip("-.") for part in parts)
