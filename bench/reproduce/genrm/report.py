"""`genrm.md`, `genrm_votes.png` and `genrm_compute.png`: each GenRM claim beside what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.files.drawing import COLOURS, MARKERS, new_figure, save_figure
from bench.reproduce.accuracy_plot import draw_accuracy, finish_accuracy
from bench.reproduce.claim import Claim, claims_table, markdown_table
from bench.reproduce.genrm.work import GenRMPlan
from bench.reproduce.over_seeds import estimate
from bench.runs.table import short
from bench.stats.arrays import Floats
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
All verifiers start from `{base}`, see the tasks in words (`bench/reproduce/genrm/words.py`), and
"""


@dataclass(frozen=True, slots=True)
class ComputeCurve:
    """Accuracy against FLOPs a problem."""

    flops: list[float]
    accuracy: list[Estimate]

    @property
    def values(self) -> list[float]:
        """The accuracies without their intervals."""
        return [estimate.value for estimate in self.accuracy]


@dataclass(frozen=True, slots=True)
class TaskReport:
    """All that was measured on one task."""

    task: str
    problems: int
    table: dict[str, Estimate]
    per_seed: dict[str, list[float]]
    notes: list[str]
    votes: dict[int, Floats]
    beside_votes: dict[str, Estimate]  # other ways to choose, on the problems of `votes`
    curves: dict[str, ComputeCurve]
    claims: list[Claim]


def write_report(reports: Sequence[TaskReport], plan: GenRMPlan) -> None:
    """Write the page and its plots."""
    page = [_preamble(plan), *(_section(report, plan) for report in reports)]
    replace_text(plan.out / "genrm.md", "\n".join(page))
    _plot_votes(reports, plan.out / "genrm_votes.png")
    _plot_compute(reports, plan.out / "genrm_compute.png")


def _preamble(plan: GenRMPlan) -> str:
    return _PRETRAINED.format(base=plan.base) + _DATA if plan.base else _TINY + _DATA + _DRILLED


def _section(report: TaskReport, plan: GenRMPlan) -> str:
    counted = next(iter(report.votes.values())).shape[1]
    by_votes = {**{str(k): estimate(values) for k, values in report.votes.items()}, **report.beside_votes}
    parts = [
        f"### {report.task}\n",
        claims_table(report.claims),
        f"\nBest-of-{plan.n} on {report.problems} held-out problems; the verifiers learned verdicts from 2 to 4 words. "
        f"{len(plan.seeds)} training seeds.\n",
        markdown_table(
            ("chosen by", "accuracy", "95% interval", "each seed"),
            (
                (name, *_accuracy(e), " ".join(f"{v:.3f}" for v in report.per_seed.get(name, [])))
                for name, e in report.table.items()
            ),
        ),
        f"\nBy rationales a solution, first {counted} problems:\n",
        markdown_table(("K", "accuracy", "95% interval"), ((name, *_accuracy(e)) for name, e in by_votes.items())),
        "\nAt its largest N, with FLOPs a problem of policy and verifier:\n",
        markdown_table(
            ("curve", "FLOPs", "accuracy"),
            ((name, short(c.flops[-1]), f"{c.accuracy[-1].value:.3f}") for name, c in report.curves.items()),
        ),
        "",
        *(f"- {line}" for line in report.notes),
    ]
    return "\n".join(parts) + "\n"


def _accuracy(e: Estimate) -> tuple[str, str]:
    return f"{e.value:.3f}", f"{e.low:.3f} to {e.high:.3f}"


def _plot_votes(reports: Sequence[TaskReport], path: Path) -> None:
    figure, all_axes = _grid(len(reports))
    for axes, report in zip(all_axes, reports, strict=True):
        sizes = list(report.votes)
        by_votes = [estimate(values) for values in report.votes.values()]
        draw_accuracy(axes, sizes, by_votes, colour=_COLOURS[4], marker="o", label="GenRM-CoT, mean of K probabilities")
        colours = (_COLOURS[1], _COLOURS[2], _COLOURS[0])
        for (name, level), colour in zip(report.beside_votes.items(), colours, strict=True):
            axes.axhline(level.value, color=colour, linestyle="--", label=name)
        counted = next(iter(report.votes.values())).shape[1]
        finish_accuracy(axes, f"{report.task} ({counted} problems)", costs="rationales a solution (K)", base=2)
        axes.set_xticks(sizes, labels=[str(k) for k in sizes])
    save_figure(figure, path)


def _plot_compute(reports: Sequence[TaskReport], path: Path) -> None:
    figure, all_axes = _grid(len(reports))
    for axes, report in zip(all_axes, reports, strict=True):
        styles = zip(report.curves.items(), _COLOURS, MARKERS, strict=False)
        for (label, curve), colour, marker in styles:
            draw_accuracy(axes, curve.flops, curve.accuracy, colour=colour, marker=marker, label=label)
        finish_accuracy(axes, report.task, costs="FLOPs a problem (policy and verifier, its rationales included)")
    save_figure(figure, path)


def _grid(count: int) -> tuple[Any, list[Any]]:
    rows = -(-count // 2)
    return new_figure(rows, 2, size=(12, 4.5 * rows))
