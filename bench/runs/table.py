"""The table of a run, for a terminal."""

import math
from collections.abc import Sequence

from bench.stats.curves import Point

_HEADER = ("strategy", "N", "accuracy", "95% interval", "sampled tok", "scored tok", "FLOPs", "seconds")


def table(points: Sequence[Point]) -> str:
    """A row a point; costs are the mean a problem. A cost that is nought or unknown everywhere has no column.

    A blank line parts the curves.
    """
    rows = [_cells(point) for point in points]
    shown = [i for i in range(len(_HEADER)) if i < 4 or any(_costs(p)[i - 4] > 0 for p in points)]
    header = [_HEADER[i] for i in shown]
    rows = [[row[i] for i in shown] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [_line(header, widths), _line(["-" * w for w in widths], widths)]
    for i, (point, row) in enumerate(zip(points, rows, strict=True)):
        if i and point.contest != points[i - 1].contest:
            lines.append("")
        lines.append(_line(row, widths))
    return "\n".join(lines)


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


def _costs(point: Point) -> tuple[float, float, float, float]:
    spend = point.spend
    return spend.sampled_tokens, spend.scored_tokens, spend.flops, spend.seconds


def _cells(point: Point) -> list[str]:
    sampled, scored, flops, seconds = _costs(point)
    interval = f"{point.low:.3f}-{point.high:.3f}"
    accuracy = f"{point.accuracy:.3f}"
    costs = (short(sampled), short(scored), short(flops), f"{seconds:.3f}")
    return [str(point.contest), str(point.n), accuracy, interval, *costs]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.ljust(width) if i == 0 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join((first, *rest)).rstrip()
