"""The page of one or several trainings, in the dress of a run's: metrics over the steps, credits, and the audit."""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from bench.inputs.rows import real_path
from bench.report.parts import blob, part, write_page
from bench.training.audit import audit, read_metrics
from bench.training.metrics import panels_of, series_of, summary
from verifiers.interface.errors import BadInput
from verifiers.interface.files import Row, each_row, read_record, whole_rows

_SCRIPTS = (
    "data.js", "dom.js", "numbers.js", "scales.js", "marks.js", "chart.js", "comparison.js", "solutions.js",
    "panels.js", "credits.js", "training.js",
)  # fmt: skip
_LOGS = ("metrics.jsonl", "log.jsonl")  # of a policy's training, and of a scorer's
_STEPS, _GROUPS = 100, 6  # with credits: steps of a training, and groups of each


def is_training(folder: Path) -> bool:
    """Whether a folder holds the log of a training."""
    return any((folder / log).is_file() for log in _LOGS) and not (folder / "results.jsonl").exists()


def write_training_report(folders: Sequence[Path], out: Path) -> None:
    """Write one self-contained HTML file on the trainings in these folders.

    Raises BadInput for a folder that holds no training or is given twice, and BadArgument for a file that cannot be
    written, and for one of others.
    """
    resolved = [real_path(folder) for folder in folders]
    if twice := [path for path, real in zip(folders, resolved, strict=True) if resolved.count(real) > 1]:
        raise BadInput(f"{twice[0]}: given twice; name each training's folder once")
    names = [path.name for path in resolved]
    if len(set(names)) < len(names):
        names = [str(path) for path in folders]
    write_page(out, _page(folders, names))


def _page(folders: Sequence[Path], names: Sequence[str]) -> Iterator[str]:
    texts = {
        "TITLE": html.escape(" · ".join(names)),
        "STYLE": part("page.css") + part("training.css"),
        "SCRIPT": "\n".join(map(part, _SCRIPTS)),
    }
    shell = re.sub(r'<nav class="page".*</main>\n', lambda _: part("training.html"), part("page.html"), flags=re.DOTALL)
    for piece in re.split(r"<!--(TITLE|STYLE|DATA|SCRIPT)-->", shell):
        if piece == "DATA":
            yield from _data(folders, names)
        else:
            yield texts.get(piece, piece)


def _data(folders: Sequence[Path], names: Sequence[str]) -> Iterator[str]:
    """The credits of each training, a step on its own, and at last all else."""
    records = []
    for place, (folder, name) in enumerate(zip(folders, names, strict=True)):
        record = _training_record(folder, name)
        credited = [
            (row["step"], row["most"], blob(f"c{place}-{row['step']}", row))
            for row in map(credits_record, _by_step(folder / "attributions.jsonl"))
        ]
        last = len(credited) - 1
        shown = sorted({i * last // (_STEPS - 1) for i in range(_STEPS)} if last >= _STEPS else range(last + 1))
        yield from (credited[i][2] for i in shown)
        record["credits"] = {
            "steps": [credited[i][0] for i in shown],
            "recorded": len(credited),
            "most": max((most for _, most, _ in credited), default=0.0) or 1.0,
        }
        records.append(record)
    known = list(dict.fromkeys(name for record in records for name in record["series"]))
    yield blob("summary", {"trainings": records, "panels": panels_of(known)})


def _training_record(folder: Path, name: str) -> Row:
    of_policy = (folder / "metrics.jsonl").is_file()
    rows = read_metrics(folder) if of_policy else whole_rows(folder / "log.jsonl")
    if not rows:
        raise BadInput(f"{folder}: no step has been made yet; wait, or go on with the training")
    said = read_record(folder / "training.json") if (folder / "training.json").is_file() else {}
    quality = read_record(folder / "evaluation.json") if (folder / "evaluation.json").is_file() else None
    found = audit(rows) if of_policy else None
    return {
        "name": name,
        "facts": [["kind", "policy (GRPO)" if of_policy else said.get("kind", "scorer")], *_facts(said)],
        "steps": rows[-1]["step"],
        "summary": [line for line in summary(rows) if not line.startswith("audit")] if of_policy else [],
        "series": series_of(rows),
        "quality": None if quality is None else [[key.replace("_", " "), value] for key, value in quality.items()],
        "audit": found
        and {
            "fired": found.fired,
            "signs": found.signs,
            "trends": [[key, t.first, t.last, t.change, t.error] for key, t in found.trends.items()],
        },
    }


def _facts(said: Mapping[str, Any]) -> Iterator[list[str]]:
    """The settings that a reader may ask for: no digests, no ids of problems."""
    for key, value in said.items():
        if isinstance(value, Mapping):
            yield from _facts(value)
        elif key == "problems" and isinstance(value, list):
            yield [key, str(len(value))]
        elif key not in ("kind", "base", "rows") and value not in (None, [], ""):
            yield [key.replace("_", " "), str(value)]


def _by_step(path: Path) -> Iterator[list[Row]]:
    """The rows of each training step that has credits."""
    rows = (row for _, row in each_row(path))
    return (list(of_step) for _, of_step in groupby(rows, key=lambda row: row["step"]))


def credits_record(rows: Sequence[Row]) -> Row:
    """The credits of a training step: its first groups with their solutions, and means by the place in a solution.

    >>> row = {"step": 3, "problem": "p", "solution": 0, "place": 0, "text": "so", "tokens": 2, "reward": 1.0,
    ...        "score": None, "advantage": 0.5, "group": "mixed", "signal": "outcome"}
    >>> made = credits_record([row, row | {"solution": 1, "advantage": -0.5, "reward": 0.0}])
    >>> made["places"], len(made["groups"][0]["solutions"]), made["left"]
    ({'right': [[1, 0.5]], 'wrong': [[1, -0.5]], 'size': [[1, 0.5]]}, 2, 0)
    """
    groups: list[Row] = []
    sums: dict[str, dict[int, list[float]]] = {"right": {}, "wrong": {}, "size": {}}
    before: Row | None = None
    for row in rows:
        # A problem may be drawn twice, one group after the other.
        if before is None or row["problem"] != before["problem"] or row["solution"] < before["solution"]:
            groups.append(
                {"problem": str(row["problem"]), "kind": row["group"], "signal": row["signal"], "solutions": []}
            )
            before = None
        solutions = groups[-1]["solutions"]
        if before is None or row["solution"] != before["solution"]:
            solutions.append({"reward": row["reward"], "steps": []})
        solutions[-1]["steps"].append([row["text"], row["tokens"], row["score"], row["advantage"]])
        before = row
        for name, value in (("right" if row["reward"] else "wrong", row["advantage"]), ("size", abs(row["advantage"]))):
            sums[name].setdefault(row["place"] + 1, []).append(value)
    return {
        "step": rows[0]["step"],
        "most": max(abs(row["advantage"]) for row in rows),
        "groups": groups[:_GROUPS],
        "left": len(groups[_GROUPS:]),
        "places": {
            name: [[place, sum(values) / len(values)] for place, values in sorted(of.items())]
            for name, of in sums.items()
            if of
        },
    }
