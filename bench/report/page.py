"""The page: its style, its scripts and the data of its runs in one file.

Data is compressed JSON in base64, so whatever a model wrote cannot end a script or start a tag; the scripts put
it on the page as text only, and the page's own policy forbids every request.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.report.breakdown import categories, value_of
from bench.report.comparisons import comparisons, default_baseline
from bench.report.curves import Curve, axes_of, curve_record, read_curves
from bench.report.diagnostics import diagnostics
from bench.report.folder import Folder, read_folders
from bench.report.parts import blob, check_page, page_pieces, part, write_page
from bench.report.problems import detail_record, last_chances, list_record
from bench.stats.outcomes import Outcomes
from verifiers.interface.files import Row

# In this order they make one script; a later one may use the functions of an earlier.
_SCRIPTS = (
    "data.js", "dom.js", "numbers.js", "scales.js", "marks.js", "chart.js", "failures.js", "curves.js", "breakdown.js",
    "comparison.js", "scorers.js", "solutions.js", "tree.js", "problem.js", "problem_list.js", "main.js",
)  # fmt: skip

_SECTIONS = {  # each with what leads to it
    "failures": ("Failures", "What went wrong"),
    "curves": ("Curves", "Accuracy against compute"),
    "comparison": ("Comparison", "Is it better than the baseline?"),
    "scorers": ("Scorers", "Can the scorers be trusted?"),
    "problems": ("Problems", "Problem by problem"),
}
_ROOM = 128_000_000  # bytes of problems, all runs together, that a browser still opens quickly


def write_report(
    runs: Sequence[Path],
    out: Path,
    *,
    problems: int | None = None,
    by: Sequence[str] = (),
    outcomes: Mapping[Path, Outcomes] | None = None,
) -> None:
    """Write one self-contained HTML file on the runs in these folders, with details of the first `problems` of each.

    None takes as many problems as make a file that opens quickly. `by` names fields of the problems that results are
    broken down by. `outcomes` has those of a run that was just written, which need not be read again.
    Raises BadInput for a folder that holds no finished run or changes meanwhile, for a file that cannot be written, and
    for one of others.
    """
    check_page(out)
    folders = read_folders(runs, most=problems, by=by, outcomes=outcomes)
    write_page(out, _parts(folders, by=by, room=_ROOM if problems is None else None))


def report_page(folders: Sequence[Folder]) -> str:
    """The page's HTML; equal folders give equal text.

    >>> from bench.files.rows import ProblemRow, ResultRow
    >>> from bench.report.results import ResultTable
    >>> from bench.report.shown import ProblemRows
    >>> results = [ResultRow(problem="p", strategy="self_consistency", scorer=None, n=1, correct=1.0, flops=0.0)]
    >>> folder = Folder("one", {}, ResultTable.of(results), [], shown=[ProblemRows(ProblemRow("p", "<b>", None))])
    >>> page = report_page([folder])
    >>> page.startswith("<!doctype html>"), "<b>" in page
    (True, False)
    """
    return "".join(_parts(folders, by=()))


def _parts(folders: Sequence[Folder], *, by: Sequence[str], room: int | None = None) -> Iterator[str]:
    """The page, a piece at a time, since the problems may be more than memory holds.

    Problems are taken while they fill no more than `room` bytes, and one of each run at least.
    """
    yield from page_pieces(
        " · ".join(folder.name for folder in folders),
        _SECTIONS,
        style=part("page.css"),
        scripts=_SCRIPTS,
        data=_data(folders, by=by, room=room),
    )


def _data(folders: Sequence[Folder], *, by: Sequence[str], room: int | None) -> Iterator[str]:
    """The problems, each on its own, so that the page reads those that are looked at; at last all else."""
    curves = read_curves(folders)
    lists: list[list[Row]] = [[] for _ in folders]
    # The longer ones share what the shorter ones leave of the room.
    for done, run in enumerate(sorted(range(len(folders)), key=lambda run: len(folders[run].shown))):
        share = None if room is None else room // (len(folders) - done)
        of_run = [curve for curve in curves if curve.run == run]
        size = 0
        for line, problem in _problems(folders[run], f"p{run}", of_run, by):
            if share is not None and lists[run] and size + len(problem) > share:
                break
            size += len(problem)
            lists[run].append(line)
            yield problem
        room = None if room is None else max(0, room - size)
    yield blob("summary", _summary(folders, curves, lists, by))


def _problems(folder: Folder, name: str, curves: Sequence[Curve], by: Sequence[str]) -> Iterator[tuple[Row, str]]:
    """The line of each problem in the list, and all that there is on it."""
    chances = last_chances(folder, curves)
    bad = folder.failures.by_problem()
    for place, rows in enumerate(folder.shown):
        problem = rows.problem.id
        number = folder.results.numbers.get(problem, -1)
        fields = folder.fields.get(problem, {})
        line = list_record(rows, [of_curve.get(number) for of_curve in chances])
        line |= {"bad": bad.get(problem, []), "by": [value_of(fields, field) for field in by]}
        yield line, blob(f"{name}-{place}", detail_record(rows))


def _summary(
    folders: Sequence[Folder], curves: Sequence[Curve], lists: Sequence[Sequence[Row]], by: Sequence[str]
) -> Row:
    """All but the single problems."""
    kinds = list(dict.fromkeys(curve.key for curve in curves))  # what has one colour
    axes = [axes_of(curves, run) for run in range(len(folders))]
    return {
        "runs": [
            _run_record(folder, [c for c in curves if c.run == run], axes[run]) | {"list": lists[run]}
            for run, folder in enumerate(folders)
        ],
        "curves": [curve_record(curve, kinds) for curve in curves],
        "baseline": default_baseline(curves),
        "by": [_by_record(folders, run, curves, field) for run in range(len(folders)) for field in by],
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
        "failures": folder.failures.records(),
        "trees": folder.has_trees,
        "scorers": diagnostics(folder, curves),
    }


def _by_record(folders: Sequence[Folder], run: int, curves: Sequence[Curve], field: str) -> Row:
    """A run's categories: of each its value, how many problems it has, and its last point on each curve."""
    places = {curve.key: place for place, curve in enumerate(curves) if curve.run == run}
    found = categories(folders[run].results, folders[run].fields, [field], of=folders[run].name)
    return {
        "run": run,
        "field": field,
        "rows": [
            {
                "value": one.value,
                "problems": one.problems,
                "points": {
                    places[point.strategy, point.scorer]: [point.n, point.accuracy, point.low, point.high]
                    for point in one.points
                },
            }
            for one in found
        ],
    }


def _setting(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
