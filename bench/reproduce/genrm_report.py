"""`genrm.md`, `genrm_votes.png` and `genrm_compute.png`: each GenRM claim beside what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.files.drawing import COLOURS, MARKERS, new_figure, save_figure
from bench.reproduce.claim import Claim, claims_table
from bench.reproduce.genrm_work import Work
from bench.reproduce.over_seeds import estimate
from bench.runs.table import short
from bench.stats.intervals import Estimate
from verifiers.interface.files import replace_text

_BLUE, _RED, _GREEN, _, _ORANGE = COLOURS[:5]
_COLOURS = (COLOURS[-1], _BLUE, _GREEN, _ORANGE, _RED)  # self-consistency, discriminative, direct, then CoT

_DATA = """\
learn from the same solutions of 2 to 4 words, half of them right: the policy's own and, two fifths of the wrong ones,
made up. Discriminative and direct ones take 1.5 times the steps of GenRM-CoT, whose rows are longer. The untrained base
as a judge is asked for the verdict directly. Intervals are 95%, over problems and training seeds.
"""
_TINY = """\
All verifiers start from the shipped `drilled` LM (0.87M parameters) and
"""
_DRILLED = """
`drilled` has read, like a pretrained model, clean solutions, fair copies of drafts and comparisons of lists at *all*
lengths up to 6 words, but no verdict.
"""
_PRETRAINED = """\
All verifiers start from `{base}`, see the tasks in words (`bench/reproduce/genrm_words.py`), and
"""


@dataclass(frozen=True, slots=True)
class Curve:
    """Accuracy against FLOPs a problem."""

    flops: list[float]
    accuracy: list[Estimate]


@dataclass(frozen=True, slots=True)
class TaskReport:
    """All that was measured on one task."""

    task: str
    problems: int
    table: dict[str, Estimate]
    per_seed: dict[str, list[float]]
    notes: list[str]
    votes: dict[int, npt.NDArray[np.float64]]
    beside_votes: dict[str, Estimate]  # other ways to choose, on the problems of `votes`
    curves: dict[str, Curve]
    claims: list[Claim]


def write_report(reports: Sequence[TaskReport], work: Work) -> None:
    """Write the page and its plots."""
    page = [_preamble(work), *(_section(report, work) for report in reports)]
    replace_text(work.out / "genrm.md", "\n".join(page))
    _plot_votes(reports, work.out / "genrm_votes.png")
    _plot_compute(reports, work.out / "genrm_compute.png")


def _preamble(work: Work) -> str:
    return _PRETRAINED.format(base=work.base) + _DATA if work.base else _TINY + _DATA + _DRILLED


def _section(report: TaskReport, work: Work) -> str:
    parts = [
        f"### {report.task}\n",
        claims_table(report.claims),
        f"\nBest-of-{work.n} on {report.problems} held-out problems; the verifiers learned verdicts from 2 to 4 words. "
        f"{len(work.seeds)} training seeds.\n",
        "| chosen by | accuracy | 95% interval | each seed |",
        "|---|---|---|---|",
    ]
    for name, e in report.table.items():
        seeds = " ".join(f"{v:.3f}" for v in report.per_seed.get(name, []))
        parts.append(f"| {name} | {e.value:.3f} | {e.low:.3f} to {e.high:.3f} | {seeds} |")
    counted = next(iter(report.votes.values())).shape[1]
    parts += [
        f"\nBy rationales a solution, first {counted} problems:\n",
        "| K | accuracy | 95% interval |",
        "|---|---|---|",
    ]
    for k, values in report.votes.items():
        e = estimate(values)
        parts.append(f"| {k} | {e.value:.3f} | {e.low:.3f} to {e.high:.3f} |")
    parts += [f"| {n} | {e.value:.3f} | {e.low:.3f} to {e.high:.3f} |" for n, e in report.beside_votes.items()]
    parts += [
        "\nAt its largest N, with FLOPs a problem of policy and verifier:\n",
        "| curve | FLOPs | accuracy |",
        "|---|---|---|",
    ]
    parts += [f"| {name} | {short(c.flops[-1])} | {c.accuracy[-1].value:.3f} |" for name, c in report.curves.items()]
    parts += ["", *(f"- {line}" for line in report.notes)]
    return "\n".join(parts) + "\n"


def _plot_votes(reports: Sequence[TaskReport], path: Path) -> None:
    figure, all_axes = _grid(len(reports))
    for axes, report in zip(all_axes, reports, strict=True):
        sizes = list(report.votes)
        found = [estimate(values) for values in report.votes.values()]
        _draw(axes, sizes, found, _COLOURS[4], "o", "GenRM-CoT, mean of K probabilities")
        colours = (_COLOURS[1], _COLOURS[2], _COLOURS[0])
        for (name, level), colour in zip(report.beside_votes.items(), colours, strict=True):
            axes.axhline(level.value, color=colour, linestyle="--", label=name)
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, labels=[str(k) for k in sizes])
        axes.set_xlabel("rationales a solution (K)")
        counted = next(iter(report.votes.values())).shape[1]
        _finish(axes, f"{report.task} ({counted} problems)")
    save_figure(figure, path)


def _plot_compute(reports: Sequence[TaskReport], path: Path) -> None:
    figure, all_axes = _grid(len(reports))
    for axes, report in zip(all_axes, reports, strict=True):
        styles = zip(report.curves.items(), _COLOURS, MARKERS, strict=False)
        for (label, curve), colour, marker in styles:
            _draw(axes, curve.flops, curve.accuracy, colour, marker, label)
        axes.set_xscale("log")
        axes.set_xlabel("FLOPs a problem (policy and verifier, its rationales included)")
        _finish(axes, report.task)
    save_figure(figure, path)


def _grid(count: int) -> tuple[Any, list[Any]]:
    rows = -(-count // 2)
    return new_figure(rows, 2, size=(12, 4.5 * rows))


def _draw(axes: Any, x: Sequence[float], found: Sequence[Estimate], colour: str, marker: str, label: str) -> None:
    axes.plot(x, [e.value for e in found], color=colour, marker=marker, markersize=5, label=label)
    axes.fill_between(x, [e.low for e in found], [e.high for e in found], color=colour, alpha=0.12, linewidth=0)


def _finish(axes: Any, title: str) -> None:
    axes.set_ylabel("accuracy (bands: 95% interval)")
    axes.set_ylim(0, 1.02)
    axes.grid(visible=True, alpha=0.25)
    axes.set_title(title)
    axes.legend(loc="best", fontsize="small", framealpha=0.9)
