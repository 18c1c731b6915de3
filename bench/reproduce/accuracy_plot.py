"""How the reproductions draw accuracy against what it costs."""

from collections.abc import Sequence
from typing import Any

from bench.stats.intervals import Estimate


def draw_accuracy(
    axes: Any, x: Sequence[float], accuracy: Sequence[Estimate], *, colour: str, marker: str, label: str
) -> None:
    """A line through the estimates, with a band of their intervals."""
    axes.plot(x, [e.value for e in accuracy], color=colour, marker=marker, markersize=5, label=label)
    axes.fill_between(x, [e.low for e in accuracy], [e.high for e in accuracy], color=colour, alpha=0.12, linewidth=0)


def finish_accuracy(axes: Any, title: str, *, costs: str, base: int = 10) -> None:
    """The scales of accuracy and of what it costs, a title and what the lines are."""
    axes.set_xscale("log", base=base)
    axes.set_xlabel(costs)
    axes.set_ylabel("accuracy (bands: 95% interval)")
    axes.set_ylim(0, 1.02)
    axes.grid(visible=True, alpha=0.25)
    axes.set_title(title)
    axes.legend(loc="best", fontsize="small", framealpha=0.9)
