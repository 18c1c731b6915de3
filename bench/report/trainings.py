"""The page of one or several trainings, in the dress of a run's: metrics over the steps, credits, and the audit."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.files.rows import strict
from bench.report.credits import Credits
from bench.report.parts import blob, names_of, page_pieces, part, write_page
from bench.training.audit import audit, read_metrics
from bench.training.log import read_log
from bench.training.metrics import panels_of, series_of, summary
from verifiers.interface.errors import BadInput
from verifiers.interface.files import Row, read_record

_SCRIPTS = (
    "data.js", "dom.js", "numbers.js", "scales.js", "marks.js", "chart.js", "comparison.js", "solutions.js",
    "panels.js", "credits.js", "training.js",
)  # fmt: skip
_SECTIONS = {  # each with what leads to it
    "audit": ("Audit", "Was the PRM hacked?"),
    "evaluation": ("Held-out rows", "How well are held-out rows judged?"),
    "curves": ("Curves", "Step by step"),
    "credits": ("Credits", "Who got what credit?"),
}
_FILES = ("training.json", "metrics.jsonl", "log.jsonl")  # logs of a policy's training, and of a scorer's


def is_training(folder: Path) -> bool:
    """Whether a folder holds a training, be it one that has not come to its first row."""
    return any((folder / name).is_file() for name in _FILES) and not (folder / "results.jsonl").exists()


def write_training_report(folders: Sequence[Path], out: Path) -> None:
    """Write one self-contained HTML file on the trainings in these folders.

    Raises BadInput for a folder that holds no training or is given twice, and BadArgument for a file that cannot be
    written, and for one of others.
    """
    names = names_of(folders)
    style, data = part("page.css") + part("training.css"), _data(folders, names)
    write_page(out, page_pieces(" · ".join(names), _SECTIONS, style=style, scripts=_SCRIPTS, data=data))


def _data(folders: Sequence[Path], names: Sequence[str]) -> Iterator[str]:
    """The credits of each training, a step on its own, and at last all else."""
    records = []
    for place, (folder, name) in enumerate(zip(folders, names, strict=True)):
        record, found = _training_record(folder, name), Credits(folder)
        yield from found.blobs(f"c{place}")
        records.append(record | {"credits": found.record})
    known = list(dict.fromkeys(name for record in records for name in record["series"]))
    yield blob("summary", {"trainings": records, "panels": panels_of(known)})


def _training_record(folder: Path, name: str) -> Row:
    if not is_training(folder):
        raise BadInput(f"{folder}: no training is there; give the folder of a 'stepbeam train'")
    of_policy = (folder / "metrics.jsonl").is_file()
    rows = read_metrics(folder) if of_policy else read_log(folder / "log.jsonl")
    if not rows:
        raise BadInput(f"{folder}: no step has been made yet; wait, or go on with the training")
    said = read_record(folder / "training.json") if (folder / "training.json").is_file() else {}
    quality = read_record(folder / "evaluation.json") if (folder / "evaluation.json").is_file() else None
    found = audit(rows) if of_policy else None
    config = said.get("config")
    asked = said.get("planned_steps", config.get("steps") if isinstance(config, Mapping) else None)
    return {
        "name": name,
        "facts": [["kind", "policy (GRPO)" if of_policy else said.get("kind", "scorer")], *_facts(said)],
        "steps": rows[-1]["step"],
        "asked": asked if type(asked) is int else None,
        "summary": [line for line in summary(rows) if not line.startswith("audit")] if of_policy else [],
        "series": series_of(rows),
        "quality": None
        if quality is None
        else [[key.replace("_", " "), value] for key, value in strict(quality).items()],
        "audit": found
        and {
            "fired": found.fired,
            "against": found.against,
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
        elif key not in ("kind", "base", "rows", "planned_steps") and value not in (None, [], ""):
            yield [key.replace("_", " "), str(value)]
