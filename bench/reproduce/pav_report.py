"""`pav.md`, `pav.png` and `pav_sweeps.png`: each PAV claim beside what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.files.drawing import COLOURS, GREY, new_figure, save_figure
from bench.reproduce.claim import Claim, claims_table
from bench.reproduce.pav_claims import estimate
from bench.reproduce.pav_work import Work
from bench.runs.table import short
from bench.stats.intervals import Estimate
from verifiers.interface.files import replace_text

Floats = npt.NDArray[np.float64]
_BLUE, _RED, _GREEN = COLOURS[:3]
_LINES = {
    "pav": (_RED, "s", "beam search, PAV"),
    "q": (_GREEN, "^", "beam search, Q alone"),
    "orm": (_BLUE, "o", "Best-of-N, ORM"),
}
SWEPT = "16 candidates a round, training seed 0"
_SHADES = (_RED, _BLUE, _GREEN)


@dataclass(frozen=True, slots=True)
class Sweep:
    """Figures of some settings, one line a series."""

    names: list[str]
    lines: dict[str, list[Estimate]]


@dataclass(frozen=True, slots=True)
class TaskReport:
    """All that was measured on one task; `rows` holds means and replicates as `pav_claims.replicate` gives them."""

    task: str
    sizes: list[int]
    widths: tuple[int, ...]
    expand: int
    rows: dict[str, tuple[Floats, Floats]]
    seeds: dict[str, list[list[float]]]
    claims: list[Claim]
    margins: dict[str, list[Estimate]]
    savings: dict[str, Estimate]
    alphas: Sweep
    provers: Sweep
    prover: str
    alpha: float


def write_report(reports: Sequence[TaskReport], work: Work) -> None:
    """Write the page and its plots."""
    text = "\n".join(_section(report, work) for report in reports)
    replace_text(work.out / "pav.md", text)
    _plot_curves(reports, work.out / "pav.png")
    _plot_sweeps(reports, work.out / "pav_sweeps.png")


def _section(report: TaskReport, work: Work) -> str:
    parts = [
        f"### {report.task}\n",
        f"{work.problems} held-out problems, {len(work.seeds)} training seeds, PAV with prover `{report.prover}` and "
        f"alpha {report.alpha:g} (chosen on {work.tuning} problems of the train split), "
        f"{report.expand} next steps drawn from each beam element.\n",
        claims_table(report.claims) + "\n",
        _curve_table(report) + "\n",
        _best_of_n_table(report) + "\n",
        _sweep_table(report.alphas, f"alpha, {SWEPT}, tuning problems: accuracy") + "\n",
        _sweep_table(report.provers, f"prover, {SWEPT}, held-out problems: gain over Q alone") + "\n",
    ]
    return "\n".join(parts)


def _curve_table(report: TaskReport) -> str:
    lines = [
        "| width | PAV | FLOPs | by seed | Q alone | FLOPs | PAV - ORM at equal FLOPs | PAV - Q at equal FLOPs | "
        "any right: PAV, Q, independent |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    any_accuracy = report.rows["any"][0]
    for k, width in enumerate(report.widths):
        accuracy = {name: estimate(report.rows[name][0][:, k]) for name in ("pav", "q", "pav_any", "q_any")}
        flops = {name: short(float(report.rows[name][1][0, k])) for name in ("pav", "q")}
        by_seed = " ".join(f"{row[k]:.3f}" for row in report.seeds["pav"])
        independent = float(any_accuracy[0, report.sizes.index(width)])
        lines.append(
            f"| {width} | {accuracy['pav']} | {flops['pav']} | {by_seed} | {accuracy['q']} | {flops['q']} | "
            f"{report.margins['PAV - Best-of-N (ORM)'][k]} | {report.margins['PAV - Q'][k]} | "
            f"{accuracy['pav_any'].value:.3f}, {accuracy['q_any'].value:.3f}, {independent:.3f} |"
        )
    return "\n".join(lines)


def _best_of_n_table(report: TaskReport) -> str:
    lines = ["| N | Best-of-N, ORM | FLOPs | by seed | pass@N |", "|---|---|---|---|---|"]
    accuracy, flops = report.rows["orm"]
    for k, n in enumerate(report.sizes):
        if n & (n - 1):
            continue
        by_seed = " ".join(f"{row[k]:.3f}" for row in report.seeds["orm"])
        pass_at = float(report.rows["any"][0][0, k])
        lines.append(f"| {n} | {estimate(accuracy[:, k])} | {short(float(flops[0, k]))} | {by_seed} | {pass_at:.3f} |")
    return "\n".join(lines)


def _sweep_table(sweep: Sweep, title: str) -> str:
    lines = [f"| {title} | " + " | ".join(sweep.names) + " |", "|---" * (len(sweep.names) + 1) + "|"]
    for name, line in sweep.lines.items():
        lines.append(f"| {name} | " + " | ".join(str(e) for e in line) + " |")
    return "\n".join(lines)


def _plot_curves(reports: Sequence[TaskReport], path: Path) -> None:
    figure, axes = new_figure(1, len(reports), size=(12, 5))
    for axis, report in zip(axes, reports, strict=True):
        accuracy, flops = report.rows["any"]
        axis.plot(flops[0], accuracy[0], color=GREY, linestyle="--", label="any sample right (pass@N)")
        for name, (colour, marker, label) in _LINES.items():
            accuracy, flops = report.rows[name]
            points = [estimate(accuracy[:, k]) for k in range(accuracy.shape[1])]
            shown = [k for k in range(len(points)) if name != "orm" or not report.sizes[k] & (report.sizes[k] - 1)]
            x = [float(flops[0, k]) for k in shown]
            axis.plot(x, [points[k].value for k in shown], color=colour, marker=marker, markersize=5, label=label)
            low, high = [points[k].low for k in shown], [points[k].high for k in shown]
            axis.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
        axis.set_xscale("log")
        axis.set_xlabel("FLOPs a problem (policy and scorer)")
        axis.set_ylabel("accuracy (bands: 95% interval)")
        axis.set_ylim(0, 1.02)
        axis.grid(visible=True, alpha=0.25)
        axis.set_title(f"{report.task}: prover {report.prover}, alpha {report.alpha:g}")
        axis.legend(loc="best", fontsize="small", framealpha=0.9)
    save_figure(figure, path, dpi=120)


def _plot_sweeps(reports: Sequence[TaskReport], path: Path) -> None:
    figure, axes = new_figure(len(reports), 2, size=(12, 5 * len(reports)))
    for i, report in enumerate(reports):
        for axis, sweep, label in (
            (axes[2 * i], report.alphas, f"{report.task}: accuracy against alpha"),
            (axes[2 * i + 1], report.provers, f"{report.task}: gain over Q by prover"),
        ):
            for j, (name, line) in enumerate(sweep.lines.items()):
                x = np.arange(len(line)) + 0.12 * j
                y = np.array([e.value for e in line])
                errors = np.abs(np.array([[e.value - e.low, e.high - e.value] for e in line]).T)
                axis.errorbar(x, y, yerr=errors, color=_SHADES[j], marker="o", capsize=3, label=name, linestyle=":")
            axis.set_xticks(range(len(sweep.names)), labels=sweep.names, rotation=30, fontsize="small")
            axis.grid(visible=True, alpha=0.25)
            axis.set_title(label, fontsize="medium")
            axis.legend(loc="best", fontsize="small")
            if sweep is report.provers:
                axis.axhline(0.0, color="#000000", linewidth=0.8)
    save_figure(figure, path, dpi=120)
