"""`genrm.md`, `genrm_votes.png` and `genrm_compute.png`: each GenRM claim beside what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.files.drawing import COLOURS, MARKERS, new_figure, save_figure
from bench.reproduce.accuracy_plot import draw_accuracy, finish_accuracy
from bench.reproduce.claim import Claim, claims_table, markdown_table, with_interval
from bench.reproduce.genrm.arms import GenRMPlan
from bench.reproduce.genrm.curves import ComputeCurve, VoteCurve
from bench.reproduce.genrm.measures import Measured, known
from bench.reproduce.over_seeds import estimate
from bench.runs.table import short
from bench.stats.arrays import Floats
from verifiers.interface.files import replace_text

_BLUE, _RED, _GREEN, _, _ORANGE = COLOURS[:5]
_COLOURS = (COLOURS[-1], _BLUE, _GREEN, _ORANGE, _RED)  # self-consistency, discriminative, direct, then CoT

_DATA = """\
learn from the same solutions of 2 to 4 words, half of them right: the policy's own and, two fifths of the wrong ones,
made up. Discriminative and direct ones take 1.5 times the steps of GenRM-CoT, whose rows are longer. The untrained base
as a judge is asked for the verdict directly, or for a fair copy and then for both in pairs ("in two parts"). Intervals
are 95%, over problems and {seeds} training seeds, one of what is not trained.

The best N is of 1, 2, 4 and so on. RM accuracy is the share of right single verdicts, of which one that came to none
counts a half; AUC, whose interval is over the seeds alone, that of right solutions above wrong ones; "close" the same
within a problem, of wrong ones of which two lines at most are not the clean solution's. An arm solves on its own within
its rationales, and alone. Claims about two arms with other numbers of rationales compare both by their first {few};
differences are over the problems that both have. Samples that are saved are counted from the best of all N.
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
class TaskReport:
    """All that was measured on one suite."""

    task: str
    arms: dict[str, Measured]
    beside: dict[str, Floats]  # other ways to choose, shape (1, P)
    notes: list[str]
    votes: VoteCurve | None
    curves: dict[str, ComputeCurve]
    claims: list[Claim]

    @property
    def problems(self) -> int:
        """How many held-out problems there are."""
        return len(self.beside["one sample"][0])


def write_report(reports: Sequence[TaskReport], plan: GenRMPlan) -> None:
    """Write the page and its plots."""
    page = [_preamble(plan), *(_section(report, plan) for report in reports)]
    replace_text(plan.out / "genrm.md", "\n".join(page))
    if curves := [(report.task, report.votes) for report in reports if report.votes]:
        _plot_votes(curves, plan.out / "genrm_votes.png")
    _plot_compute(reports, plan.out / "genrm_compute.png")


def _preamble(plan: GenRMPlan) -> str:
    about = _DATA.format(seeds=len(plan.seeds), few=plan.few_votes)
    return _PRETRAINED.format(base=plan.base) + about if plan.base else _TINY + about + _DRILLED


def _section(report: TaskReport, plan: GenRMPlan) -> str:
    parts = [
        f"### {report.task}\n",
        claims_table(report.claims),
        f"\nBest-of-{plan.n} on {report.problems} held-out problems:\n",
        markdown_table(
            (
                "chosen by",
                "problems",
                "steps",
                "rationales",
                "accuracy",
                "at its best N",
                "RM accuracy",
                "AUC",
                "close",
                "solves in rationales",
                "alone",
                "each seed",
            ),
            [
                (
                    name,
                    arm.best.shape[1],
                    arm.steps or "",
                    arm.rationales or "",
                    _shown(arm.best),
                    _at_best_n(arm),
                    *map(_shown, (arm.accuracy, arm.auc, arm.above_close, arm.solves, arm.alone)),
                    " ".join(f"{v:.3f}" for v in arm.best.mean(axis=1)),
                )
                for name, arm in report.arms.items()
            ]
            + [(name, table.shape[1], "", "", _shown(table), *[""] * 7) for name, table in report.beside.items()],
        ),
        *(_vote_table(report.votes) if report.votes else ()),
        f"\nAt the largest N ({plan.pool} of self-consistency, as an expectation over the pool, and {plan.n} of the "
        "others), with FLOPs a problem of policy and verifier:\n",
        markdown_table(
            ("curve", "FLOPs", "accuracy"),
            ((name, short(c.flops[-1]), f"{c.values[-1]:.3f}") for name, c in report.curves.items()),
        ),
        "",
        *(f"- {line}" for line in report.notes),
    ]
    return "\n".join(parts) + "\n"


def _vote_table(votes: VoteCurve) -> tuple[str, str]:
    tables = {**{str(k): table for k, table in votes.by_k.items()}, **votes.beside}
    title = f"\nBest-of-{votes.n} by rationales a solution, first {votes.by_k[1].shape[1]} problems:\n"
    return title, markdown_table(("K", "accuracy"), ((name, _shown(table)) for name, table in tables.items()))


def _shown(table: Floats) -> str:
    return with_interval(estimate(known(table)), ".3f", ends=".2f")


def _at_best_n(arm: Measured) -> str:
    means = {n: float(table.mean()) for n, table in arm.by_n.items()}
    top = max(means, key=means.__getitem__)
    return f"{means[top]:.3f} (N = {top})"


def _plot_votes(reports: Sequence[tuple[str, VoteCurve]], path: Path) -> None:
    figure, all_axes = _grid(len(reports))
    for axes, (task, votes) in zip(all_axes, reports, strict=True):
        sizes, by_k = list(votes.by_k), [estimate(table) for table in votes.by_k.values()]
        draw_accuracy(axes, sizes, by_k, colour=_COLOURS[4], marker="o", label="GenRM-CoT, mean of K probabilities")
        for (name, table), colour in zip(votes.beside.items(), _COLOURS, strict=False):
            axes.axhline(float(table.mean()), color=colour, linestyle="--", label=name)
        counted = votes.by_k[1].shape[1]
        finish_accuracy(axes, f"{task} ({counted} problems)", costs="rationales a solution (K)", base=2)
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
    """A figure in two columns with `count` axes; of an odd number the last place stays free."""
    rows = -(-count // 2)
    figure, axes = new_figure(rows, 2, size=(12, 4.5 * rows))
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]
