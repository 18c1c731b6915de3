"""What all pictures here have in common."""

from pathlib import Path
from typing import Any

from verifiers.interface.files import replacing

# Okabe and Ito's palette, which stays apart for colour-blind readers.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
GREY = "#999999"


def new_figure(
    rows: int = 1, columns: int = 1, *, size: tuple[float, float], sharex: bool = False, heights: tuple[int, ...] = ()
) -> tuple[Any, list[Any]]:
    """A figure for a file, with its axes row by row."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        rows, columns, figsize=size, layout="constrained", squeeze=False, sharex=sharex, height_ratios=heights or None
    )
    return figure, list(axes.flat)


def save_figure(figure: Any, path: Path, *, dpi: int = 150) -> None:
    """Write a PNG in one move; equal figures give equal bytes."""
    from matplotlib import pyplot

    with replacing(path) as draft:
        figure.savefig(draft, dpi=dpi, format="png", metadata={"Software": None})
    pyplot.close(figure)
