"""`pav.md`, `pav.png` and `pav_sweeps.png`: each PAV claim beside what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.files.drawing import COLOURS, GREY, new_figure, save_figure
from bench.reproduce.accuracy_plot import draw_accuracy, finish_accuracy
from bench.reproduce.claim import Claim, claims_table, markdown_table
from bench.reproduce.pav.work import PROVER, TASKS, PAVPlan
from bench.reproduce.savings import estimate, estimates
from bench.runs.table import short
from bench.stats.arrays import Floats
from bench.stats.intervals import Estimate
from verifiers.interface.files import replace_text

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
    """All that was measured on one task; `rows` holds means and replicates as `savings.replicate` gives them."""

    task: str
    sizes: list[int]
    widths: tuple[int, ...]
    rows: dict[str, tuple[Floats, Floats]]
    seeds: dict[str, list[list[float]]]
    claims: list[Claim]
    over_orm: list[Estimate]  # accuracy of the beam at its own compute, one a width
    over_q: list[Estimate]
    alphas: Sweep
    provers: Sweep
    alpha: float


def write_report(reports: Sequence[TaskReport], planted: str, plan: PAVPlan) -> None:
    """Write the page, which begins with the part of the planted subsequence, and its plots."""
    text = "\n".join([planted, *(_section(report, plan) for report in reports)])
    replace_text(plan.out / "pav.md", text)
    _plot_curves(reports, plan.out / "pav.png")
    _plot_sweeps(reports, plan.out / "pav_sweeps.png")


def _section(report: TaskReport, plan: PAVPlan) -> str:
    parts = [
        f"### {report.task}\n",
        f"{plan.problems} held-out problems, {len(plan.seeds)} training seeds, PAV with prover `{PROVER}` and "
        f"alpha {report.alpha:g} (chosen on {plan.tuning} problems of the train split), "
        f"{plan.expand[TASKS.index(report.task)]} next steps drawn from each beam element.\n",
        claims_table(report.claims) + "\n",
        _curve_table(report) + "\n",
        _best_of_n_table(report) + "\n",
        _sweep_table(report.alphas, f"alpha, {SWEPT}, tuning problems: accuracy") + "\n",
        _sweep_table(report.provers, f"prover, {SWEPT}, held-out problems: gain over Q alone") + "\n",
    ]
    return "\n".join(parts)


def _curve_table(report: TaskReport) -> str:
    heads = (
        "width", "PAV", "FLOPs", "by seed", "Q alone", "FLOPs", "PAV - ORM at equal FLOPs", "PAV - Q at equal FLOPs",
        "any right: PAV, Q, independent",
    )  # fmt: skip
    rows = []
    any_accuracy = report.rows["any"][0]
    for k, width in enumerate(report.widths):
        accuracy = {name: estimate(report.rows[name][0][:, k]) for name in ("pav", "q", "pav_any", "q_any")}
        flops = {name: short(float(report.rows[name][1][0, k])) for name in ("pav", "q")}
        by_seed = " ".join(f"{row[k]:.3f}" for row in report.seeds["pav"])
        independent = float(any_accuracy[0, report.sizes.index(width)])
        any_right = f"{accuracy['pav_any'].value:.3f}, {accuracy['q_any'].value:.3f}, {independent:.3f}"
        margins = (report.over_orm[k], report.over_q[k])
        rows.append((width, accuracy["pav"], flops["pav"], by_seed, accuracy["q"], flops["q"], *margins, any_right))
    return markdown_table(heads, rows)


def _best_of_n_table(report: TaskReport) -> str:
    rows = []
    accuracy, flops = report.rows["orm"]
    for k, n in enumerate(report.sizes):
        if n & (n - 1):
            continue
        by_seed = " ".join(f"{row[k]:.3f}" for row in report.seeds["orm"])
        pass_at = float(report.rows["any"][0][0, k])
        rows.append((n, estimate(accuracy[:, k]), short(float(flops[0, k])), by_seed, f"{pass_at:.3f}"))
    return markdown_table(("N", "Best-of-N, ORM", "FLOPs", "by seed", "pass@N"), rows)


def _sweep_table(sweep: Sweep, title: str) -> str:
    return markdown_table((title, *sweep.names), ((name, *line) for name, line in sweep.lines.items()))


def _plot_curves(reports: Sequence[TaskReport], path: Path) -> None:
    figure, axes = new_figure(1, len(reports), size=(12, 5))
    for axis, report in zip(axes, reports, strict=True):
        accuracy, flops = report.rows["any"]
        axis.plot(flops[0], accuracy[0], color=GREY, linestyle="--", label="any sample right (pass@N)")
        for name, (colour, marker, label) in _LINES.items():
            accuracy, flops = report.rows[name]
            points = estimates(accuracy)
            shown = [k for k in range(len(points)) if name != "orm" or not report.sizes[k] & (report.sizes[k] - 1)]
            x = [float(flops[0, k]) for k in shown]
            draw_accuracy(axis, x, [points[k] for k in shown], colour=colour, marker=marker, label=label)
        title = f"{report.task}: prover {PROVER}, alpha {report.alpha:g}"
        finish_accuracy(axis, title, costs="FLOPs a problem (policy and scorer)")
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
