"""The table of a run: for a terminal, and as what other programs read."""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from bench.files.rows import PointRow, json_number
from bench.stats.contest import Contest
from bench.stats.curves import Point

_HEADER = ("strategy", "N", "accuracy", "95% interval", "sampled tok", "scored tok", "FLOPs", "seconds")
_VALUES = (
    "strategy", "scorer", "n", "accuracy", "low", "high", "problems", "sampled_tokens", "scored_tokens", "flops",
    "seconds",
)  # fmt: skip

_SPELLED = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}

AnyPoint: TypeAlias = Point | PointRow
# What stands before a point's own columns, such as a run's name: column names, and for each point its cells.
Beside: TypeAlias = tuple[Sequence[str], Sequence[Sequence[str]]]
_NOTHING: Beside = ((), ())


def column_name(field: str) -> str:
    """The column of a field of problems: its name, or another where a table has a column of that name.

    >>> column_name("level"), column_name("n")
    ('level', 'by_n')
    """
    return f"by_{field}" if field in ("run", *_HEADER, *_VALUES) else field


def table(points: Sequence[AnyPoint], beside: Beside = _NOTHING) -> str:
    """A row a point; costs are the mean a problem. A cost that is nought or unknown everywhere has no column.

    A blank line parts the curves.
    """
    header, rows = _shown(points, beside)
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    left = len(beside[0]) + 1
    lines = [_line(header, widths, left), _line(["-" * w for w in widths], widths, left)]
    parts = [(_contest(point), *_cells_beside(beside, i)) for i, point in enumerate(points)]
    for i, row in enumerate(rows):
        if i and parts[i] != parts[i - 1] and (not beside[0] or parts[i][1:] != parts[i - 1][1:]):
            lines.append("")
        lines.append(_line(row, widths, left))
    return "\n".join(lines)


def as_markdown(points: Sequence[AnyPoint], beside: Beside = _NOTHING) -> str:
    """The table as Markdown."""
    header, rows = _shown(points, beside)
    marks = ["---" if i <= len(beside[0]) else "---:" for i in range(len(header))]
    lines = [[cell.replace("|", r"\|") for cell in line] for line in (header, marks, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_latex(points: Sequence[AnyPoint], beside: Beside = _NOTHING) -> str:
    """The table as LaTeX, for the package booktabs."""
    header, rows = _shown(points, beside)
    left = len(beside[0]) + 1
    lines = [rf"\begin{{tabular}}{{{'l' * left}{'r' * (len(header) - left)}}}", r"\toprule"]
    lines += [" & ".join(map(_tex, header)) + r" \\", r"\midrule"]
    dashed = left + 2  # the interval
    for row in rows:
        cells = [_tex(cell).replace("-", "--") if i == dashed else _tex(cell) for i, cell in enumerate(row)]
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def as_csv(points: Sequence[AnyPoint], beside: Beside = _NOTHING) -> str:
    """All values with all their digits, comma-separated; what is not known is empty."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow((*beside[0], *_VALUES))
    for i, point in enumerate(points):
        writer.writerow((*_cells_beside(beside, i), *_values(point).values()))
    return file.getvalue().rstrip("\n")


def as_json(points: Sequence[AnyPoint], beside: Beside = _NOTHING) -> str:
    """All values with all their digits, as a list of objects."""
    rows = [
        {**dict(zip(beside[0], _cells_beside(beside, i), strict=True)), **_values(point)}
        for i, point in enumerate(points)
    ]
    return json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False)


FORMATS: dict[str, Callable[[Sequence[AnyPoint], Beside], str]] = {
    "text": table,
    "csv": as_csv,
    "json": as_json,
    "markdown": as_markdown,
    "latex": as_latex,
}


def short(number: float) -> str:
    """A number in at most five characters.

    >>> [short(x) for x in (0, 7, 999.4, 1234, 5.6e7, 1.2e12, math.nan)]
    ['0', '7', '999', '1.2k', '56M', '1.2T', '?']
    """
    if math.isnan(number):
        return "?"
    for suffix, size in (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            scaled = number / size
            return f"{scaled:.1f}{suffix}" if scaled < 10 else f"{scaled:.0f}{suffix}"
    return f"{number:.0f}"


def _shown(points: Sequence[AnyPoint], beside: Beside) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of those columns that say something."""
    kept = [i for i in range(len(_HEADER)) if i < 4 or any(_costs(p)[i - 4] > 0 for p in points)]
    named = [_HEADER[k] for k in kept]
    cells = [_cells(point) for point in points]
    rows = [[*_cells_beside(beside, i), *(row[k] for k in kept)] for i, row in enumerate(cells)]
    header, *rows = ([" ".join(cell.split()) for cell in line] for line in ([*beside[0], *named], *rows))
    return header, rows


def _cells_beside(beside: Beside, place: int) -> Sequence[str]:
    return beside[1][place] if beside[0] else ()


def _contest(point: AnyPoint) -> Contest:
    return point.contest if isinstance(point, Point) else Contest(point.strategy, point.scorer)


def _costs(point: AnyPoint) -> tuple[float, float, float, float]:
    cost = point.spend if isinstance(point, Point) else point
    return float(cost.sampled_tokens), float(cost.scored_tokens), float(cost.flops), float(cost.seconds)


def _cells(point: AnyPoint) -> list[str]:
    sampled, scored, flops, seconds = _costs(point)
    interval = f"{point.low:.3f}-{point.high:.3f}"
    accuracy = f"{point.accuracy:.3f}"
    costs = (short(sampled), short(scored), short(flops), f"{seconds:.3f}")
    return [str(_contest(point)), str(point.n), accuracy, interval, *costs]


def _values(point: AnyPoint) -> dict[str, object]:
    contest, costs = _contest(point), _costs(point)
    told = (point.accuracy, point.low, point.high, point.problems, *map(json_number, costs))
    return dict(zip(_VALUES, (contest.strategy, contest.scorer, point.n, *told), strict=True))


def _tex(text: str) -> str:
    return re.sub(r"[&%$#_{}~^\\]", lambda sign: _SPELLED.get(sign[0], f"\\{sign[0]}"), text)


def _line(cells: Sequence[str], widths: Sequence[int], left: int) -> str:
    padded = (
        cell.ljust(width) if i < left else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(padded).rstrip()
