"""`curve.png`: accuracy against compute."""

from collections.abc import Sequence
from pathlib import Path

from bench.curves import ANY_RIGHT, Point
from bench.drawing import COLOURS, GREY, MARKERS, new_figure, save_figure
from bench.plan import Contest


def plot(points: Sequence[Point], path: Path, *, title: str) -> None:
    """Draw every curve with its interval band, against FLOPs a problem where they are known, else against N."""
    curves: dict[Contest, list[Point]] = {}
    for point in points:
        curves.setdefault(point.contest, []).append(point)
    by_flops = all(p.spend.flops > 0 for p in points)
    figure, [axes] = new_figure(size=(9.5, 5))
    styles = iter(zip(COLOURS, MARKERS, strict=True))
    for contest, curve in curves.items():
        x = [p.spend.flops if by_flops else float(p.n) for p in curve]
        y = [p.accuracy for p in curve]
        if contest == ANY_RIGHT:
            axes.plot(x, y, color=GREY, linestyle="--", label="any sample right (pass@N)")
            continue
        colour, marker = next(styles, (COLOURS[-1], "."))
        axes.plot(x, y, color=colour, marker=marker, markersize=5, label=_label(contest))
        axes.fill_between(x, [p.low for p in curve], [p.high for p in curve], color=colour, alpha=0.12, linewidth=0)
    if by_flops:
        axes.set_xscale("log")
    else:
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes := sorted({p.n for p in points}), labels=[str(n) for n in sizes])
    axes.set_xlabel("FLOPs a problem (policy and scorer)" if by_flops else "samples a problem (N)")
    axes.set_ylabel("accuracy (bands: 95% interval)")
    axes.set_ylim(0, 1.02)
    axes.grid(visible=True, alpha=0.25)
    axes.set_title(title)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="small", frameon=False)
    save_figure(figure, path)


def _label(contest: Contest) -> str:
    name = contest.strategy.replace("_", " ").replace("best of n", "Best-of-N").replace("self c", "self-c")
    return name if contest.scorer is None else f"{name} ({contest.scorer})"
