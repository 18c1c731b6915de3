"""The table of a run, for a terminal."""

from collections.abc import Sequence

from bench.curves import Point

_HEADER = ("strategy", "N", "accuracy", "95% interval", "sampled tok", "scored tok", "FLOPs", "seconds")


def table(points: Sequence[Point], *, seconds: bool = True) -> str:
    """A row a point; costs are the mean a problem. `seconds=False` leaves out the one column that varies.

    A blank line parts the curves.
    """
    columns = len(_HEADER) if seconds else len(_HEADER) - 1
    rows = [_cells(point)[:columns] for point in points]
    widths = [max(map(len, column)) for column in zip(_HEADER[:columns], *rows, strict=True)]
    lines = [_line(_HEADER[:columns], widths), _line(["-" * w for w in widths], widths)]
    for i, (point, row) in enumerate(zip(points, rows, strict=True)):
        if i and point.contest != points[i - 1].contest:
            lines.append("")
        lines.append(_line(row, widths))
    return "\n".join(lines)


def short(number: float) -> str:
    """A number in at most five characters.

    >>> [short(x) for x in (0, 7, 999.4, 1234, 5.6e7, 1.2e12)]
    ['0', '7', '999', '1.2k', '56M', '1.2T']
    """
    for suffix, size in (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            scaled = number / size
            return f"{scaled:.1f}{suffix}" if scaled < 10 else f"{scaled:.0f}{suffix}"
    return f"{number:.0f}"


def _cells(point: Point) -> list[str]:
    spend = point.spend
    return [
        str(point.contest),
        str(point.n),
        f"{point.accuracy:.3f}",
        f"{point.low:.3f}-{point.high:.3f}",
        short(spend.sampled_tokens),
        short(spend.scored_tokens),
        short(spend.flops),
        f"{spend.seconds:.3f}",
    ]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.ljust(width) if i == 0 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join((first, *rest)).rstrip()
