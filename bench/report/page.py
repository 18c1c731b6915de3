"""The page: its style, its scripts and the data of its runs in one file.

Data is compressed JSON in base64, so whatever a model wrote cannot end a script or start a tag; the scripts put
it on the page as text only, and the page's own policy forbids every request.
"""

import base64
import html
import json
import zlib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from bench.report import PROBLEMS
from bench.report.breakdown import categories
from bench.report.comparisons import comparisons, default_baseline
from bench.report.curves import Curve, axes_of, curve_record, label_of, read_curves
from bench.report.diagnostics import diagnostics
from bench.report.folder import Folder, read_folders
from bench.report.problems import detail_record, list_records
from verifiers.interface.errors import BadArgument
from verifiers.interface.files import Row, replace_text

# In this order they make one script; a later one may use the functions of an earlier.
_SCRIPTS = (
    "data.js", "dom.js", "numbers.js", "scales.js", "marks.js", "chart.js", "curves.js", "breakdown.js",
    "comparison.js", "scorers.js", "solutions.js", "tree.js", "problem.js", "problem_list.js", "main.js",
)  # fmt: skip

_OURS = b"<title>stepbeam report: "


def write_report(runs: Sequence[Path], out: Path, *, problems: int = PROBLEMS, by: Sequence[str] = ()) -> None:
    """Write one self-contained HTML file on the runs in these folders, with details of the first `problems` of each.

    `by` names fields of the problems that results are broken down by.
    Raises BadInput for a folder that holds no finished run, for a file that cannot be written, and for one of others.
    """
    if out.is_file() and _OURS not in out.read_bytes()[:2000]:
        raise BadArgument("out", out, "a file that is no report is there; choose another, or move it away")
    page = report_page(read_folders(runs, most=problems, by=by), by=by)
    try:
        replace_text(out, page)
    except OSError as error:
        raise BadArgument("out", out, f"cannot write the report there ({error.strerror}); choose another") from None


def report_page(folders: Sequence[Folder], *, by: Sequence[str] = ()) -> str:
    """The page's HTML; equal folders give equal text.

    >>> from bench.files.rows import ProblemRow, ResultRow
    >>> from bench.report.folder import ProblemRows
    >>> from bench.report.results import ResultTable
    >>> results = [ResultRow(problem="p", strategy="self_consistency", scorer=None, n=1, correct=1.0, flops=0.0)]
    >>> folder = Folder("one", {}, ResultTable.of(results), [], shown=[ProblemRows(ProblemRow("p", "<b>", None))])
    >>> page = report_page([folder])
    >>> page.startswith("<!doctype html>"), "<b>" in page
    (True, False)
    """
    curves = read_curves(folders)
    blobs = [f'<script type="text/plain" id="summary">{_packed(_summary(folders, curves, by))}</script>']
    for run, folder in enumerate(folders):
        for place, one in enumerate(folder.shown):
            # Each on its own: a page of many problems opens at once, and reads those that are looked at.
            blobs.append(f'<script type="text/plain" id="p{run}-{place}">{_packed(detail_record(one))}</script>')
    parts = {
        "TITLE": html.escape(" · ".join(folder.name for folder in folders)),
        "STYLE": _part("page.css"),
        "DATA": "\n".join(blobs),
        "SCRIPT": "\n".join(_part(name) for name in _SCRIPTS),
    }
    page = _part("page.html")
    for name, text in parts.items():
        page = page.replace(f"<!--{name}-->", text)
    return page


def _summary(folders: Sequence[Folder], curves: Sequence[Curve], by: Sequence[str]) -> Row:
    """All but the single problems."""
    kinds = list(dict.fromkeys(curve.key for curve in curves))  # what has one colour
    axes = [axes_of(curves, run) for run in range(len(folders))]
    return {
        "runs": [
            _run_record(folder, [c for c in curves if c.run == run], axes[run]) for run, folder in enumerate(folders)
        ],
        "curves": [curve_record(curve, kinds) for curve in curves],
        "baseline": default_baseline(curves),
        **({"by": [_by_record(folder, field) for folder in folders for field in by]} if by else {}),
        **comparisons(folders, curves),
    }


def _run_record(folder: Folder, curves: Sequence[Curve], axes: Sequence[str]) -> Row:
    return {
        "name": folder.name,
        "config": [[key, _setting(value)] for key, value in folder.config.items()],
        "notes": folder.notes,
        "problems": len(folder.results.numbers),
        "listed": len(folder.prompts),
        "axes": axes,
        "samples": {kind: folder.samples[kind] for kind in ("all", "failed", "length", "unknown")},
        "trees": folder.has_trees,
        "scorers": diagnostics(folder, curves),
        "list": list_records(folder, curves),
    }


def _by_record(folder: Folder, field: str) -> Row:
    """A run's table of categories: of each its value, how many problems it has, and its points."""
    found = categories(folder.results, folder.fields, [field], of=folder.name)
    return {
        "run": folder.name,
        "field": field,
        "rows": [
            [
                one.value,
                one.problems,
                label_of(point.strategy, point.scorer),
                point.n,
                point.accuracy,
                point.low,
                point.high,
            ]
            for one in found
            for point in one.points
        ],
    }


def _setting(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _packed(record: Row) -> str:
    """Compressed JSON in base64, which `data.js` reads back."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("utf-8", "replace"), 9)).decode()


def _part(name: str) -> str:
    return resources.files("bench.report").joinpath(name).read_text(encoding="utf-8")
