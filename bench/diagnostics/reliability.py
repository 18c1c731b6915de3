"""Are scores probabilities? Reliability: what is right among solutions of like score."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.files.drawing import COLOURS, GREY, MARKERS, new_figure, save_figure
from bench.stats.arrays import Floats, Ints
from bench.stats.intervals import mean_intervals


@dataclass(frozen=True, slots=True)
class Bin:
    """Scores of like size: their number and mean, and the mean label with its 95% interval."""

    count: int
    score: float
    label: float
    low: float
    high: float


def reliability(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    groups: Sequence[Hashable] | None = None,
    bins: int = 10,
    replicates: int = 2000,
) -> list[Bin]:
    """Bins of (nearly) equal mass over the sorted scores; equal scores share a bin.

    >>> [b.count for b in reliability([0.1, 0.1, 0.1, 0.4, 0.8, 0.9], [0, 0, 1, 0, 1, 1], bins=3)]
    [3, 1, 2]

    `scores` and `labels` have shape (M,), labels in [0, 1]. `groups[i]` (a problem's id) says which rows belong
    together: intervals are those of `bench.stats.intervals.mean_interval` over whole groups, each row its own where
    it is None. Raises ValueError for no rows, NaN, or fields of different lengths.
    """
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    owners = list(range(len(s))) if groups is None else list(groups)
    if not len(s) == len(y) == len(owners):
        raise ValueError(f"{len(s)} scores, {len(y)} labels and {len(owners)} groups: give one of each a row")
    if not len(s) or np.isnan(s).any() or np.isnan(y).any():
        raise ValueError(
            f"{len(s)} rows, {int(np.isnan(s).sum())} scores and {int(np.isnan(y).sum())} labels NaN: "
            "leave out what has no score or no label; at least one row must stay"
        )
    if bins < 1:
        raise ValueError(f"bins is {bins}: it must be 1 or more")
    order = np.argsort(s, kind="stable")
    names = {name: i for i, name in enumerate(dict.fromkeys(owners))}
    owner = np.array([names[name] for name in owners])
    found = _equal_mass(s, order, bins)
    # 95% of the mean label of each, whose groups are what was drawn.
    shares, counts = zip(*(_shares(y[rows], owner[rows]) for rows in found), strict=True)
    intervals = mean_intervals(shares, sizes=counts, replicates=replicates)
    return [
        Bin(len(rows), float(s[rows].mean()), float(y[rows].mean()), low, high)
        for rows, (_, low, high) in zip(found, intervals, strict=True)
    ]


def expected_calibration_error(scores: npt.ArrayLike, labels: npt.ArrayLike, *, bins: int = 10) -> float:
    """The mean distance between score and label over equal-mass bins, weighted by their counts.

    >>> expected_calibration_error([0.2] * 10 + [0.9] * 10, [0] * 8 + [1] * 2 + [1] * 7 + [0] * 3, bins=2)
    0.1

    With few rows it is above 0 for perfect scores too. Bins as in `reliability`.
    """
    return round(_error(reliability(scores, labels, bins=bins, replicates=1)), 12)


def plot_reliability(curves: Mapping[str, Sequence[Bin]], path: Path, *, title: str) -> None:
    """Mean label against mean score of each curve's bins, their intervals, and how many rows each bin holds."""
    figure, (top, low) = new_figure(2, size=(6.5, 7.5), sharex=True, heights=(4, 1))
    top.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="score = share right")
    for i, (name, bins) in enumerate(curves.items()):
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        x, y = [b.score for b in bins], [b.label for b in bins]
        spread = [[b.label - b.low for b in bins], [b.high - b.label for b in bins]]
        top.errorbar(
            x, y, yerr=spread, color=colour, marker=marker, markersize=5, capsize=2, elinewidth=1,
            label=f"{name} (ECE {_error(bins):.3f}, {sum(b.count for b in bins):,} rows)",
        )  # fmt: skip
        low.vlines(x, 0, [b.count for b in bins], color=colour, linewidth=2.5, alpha=0.7)
    top.set_ylim(-0.03, 1.03)
    top.set_ylabel("share right (bars: 95% interval)")
    top.set_title(title)
    top.legend(loc="upper left", fontsize="small", framealpha=0.9)
    low.set_ylim(bottom=0)
    low.set_ylabel("rows in bin")
    low.set_xlabel("mean score in bin")
    for axes in (top, low):
        axes.grid(visible=True, alpha=0.25)
    save_figure(figure, path)


def _error(bins: Sequence[Bin]) -> float:
    return sum(b.count * abs(b.score - b.label) for b in bins) / sum(b.count for b in bins)


def _equal_mass(scores: Floats, order: npt.NDArray[np.intp], bins: int) -> list[npt.NDArray[np.intp]]:
    """Rows of each bin: a boundary inside a run of equal scores moves to its end."""
    ordered = scores[order]
    wanted = [round(len(order) * i / bins) for i in range(1, bins)]
    cuts = sorted({int(np.searchsorted(ordered, ordered[cut - 1], side="right")) for cut in wanted if cut > 0})
    return [rows for rows in np.split(order, cuts) if len(rows)]


def _shares(labels: Floats, owner: Ints) -> tuple[Floats, Ints]:
    """The mean label of each group, and how many labels it has."""
    _, place = np.unique(owner, return_inverse=True)
    counts = np.bincount(place)
    return np.bincount(place, weights=labels) / counts, counts
