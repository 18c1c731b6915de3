"""`curve.png`: accuracy against compute."""

import itertools
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.files.drawing import COLOURS, GREY, MARKERS, new_figure, save_figure
from bench.files.rows import grouped
from bench.report.curves import label_of
from bench.stats.curves import ANY_RIGHT, Point

_LINES = ("-", "--", ":", "-.")
_MOST_BANDS = 10
_COLUMN = 22  # lines of names in a column of the legend
_LABEL = 44  # characters in a line of a name


def plot(points: Sequence[Point], path: Path, *, title: str) -> None:
    """Draw every curve against FLOPs a problem where they are known, else against N.

    Up to ten of them have their interval bands; of more these would hide the curves.
    """
    curves = grouped(points, lambda point: point.contest)
    by_flops = all(p.spend.flops > 0 for p in points)
    names = {c: textwrap.fill(label_of(c.strategy, c.scorer), _LABEL) for c in curves}
    lines = sum(name.count("\n") + 1 for name in names.values())
    columns = -(-lines // _COLUMN)
    longest = max(len(line) for name in names.values() for line in name.split("\n"))
    # Each column of names makes the picture as much wider as it takes up; many curves need a larger one.
    height = 5.0 if columns == 1 else 7.0
    figure, [axes] = new_figure(size=(1.35 * height + columns * (0.55 + 0.075 * longest), height))
    count = len(curves.keys() - {ANY_RIGHT})
    bands = count <= _MOST_BANDS
    looks = _looks()
    for contest, curve in curves.items():
        x = [p.spend.flops if by_flops else float(p.n) for p in curve]
        y = [p.accuracy for p in curve]
        if contest == ANY_RIGHT:
            axes.plot(x, y, color=GREY, linestyle="--", label=names[contest])
            continue
        look = next(looks)
        size = {"markersize": 5} if bands else {"markersize": 4.5, "linewidth": 1.1}
        axes.plot(x, y, label=names[contest], **look, **size)
        if bands:
            low, high = [p.low for p in curve], [p.high for p in curve]
            axes.fill_between(x, low, high, color=look["color"], alpha=0.12 if count <= 4 else 0.06, linewidth=0)
    if by_flops:
        axes.set_xscale("log")
    else:
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes := sorted({p.n for p in points}), labels=[str(n) for n in sizes])
    axes.set_xlabel("FLOPs a problem (policy and scorer)" if by_flops else "samples a problem (N)")
    axes.set_ylabel("accuracy (bands: 95% interval)" if bands else "accuracy")
    axes.set_ylim(0, 1.02)
    axes.grid(visible=True, alpha=0.25)
    axes.set_title(title, parse_math=False)
    legend = axes.legend(
        loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="small", frameon=False, ncols=columns, handlelength=3
    )
    for text in legend.get_texts():
        text.set_parse_math(False)  # a scorer's name may have dollars in it
    save_figure(figure, path)


def _looks() -> Iterator[dict[str, Any]]:
    """A look for each curve: another colour, then another line and marker."""
    for i in itertools.count():
        turn, place = divmod(i, len(COLOURS))
        yield {
            "color": COLOURS[place],
            "marker": MARKERS[(place + turn) % len(MARKERS)],
            "linestyle": _LINES[turn % len(_LINES)],
        }
