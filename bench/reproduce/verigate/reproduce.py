"""`stepbeam reproduce verigate`: the claims of Agrawal et al. 2026 (arXiv 2605.30451) on the embedded tasks.

Every arm trains the same policy, which leaves most groups without a right solution, with as many rollouts a step, from
the same seeds. A run killed at any point goes on where it stopped.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from bench.files.drawing import COLOURS, GREY, MARKERS, new_figure, save_figure
from bench.reproduce.claim import Claim, claims_table, interval, markdown_table
from bench.reproduce.folder import Unit, plan_folder
from bench.reproduce.over_seeds import estimate
from bench.reproduce.verigate.arms import LONGER, OUTCOME, SMALLER, Setting, VeriGatePlan
from bench.reproduce.verigate.claims import (
    AS_OUTCOME,
    Trainings,
    all_claims,
    fired,
    mean_of,
    right,
    size_claims,
    steps_of,
)
from bench.reproduce.verigate.scorers import learned_kinds, prm_quality, trained_prm
from bench.reproduce.verigate.start import start_policy
from bench.reproduce.verigate.training import trained
from bench.reproduce.workers import carry_out
from verifiers.interface.files import replace_text

HALF = 0.5  # accuracy below which a training is called a failure, where the audit is counted
_DRAWN = (
    LONGER, OUTCOME, "exact, all_wrong, future_sum", "sharp, all_wrong, future_sum", "soft, all_wrong, future_sum",
    "soft, all_wrong, advantage", "refreshed, all_wrong, future_sum", AS_OUTCOME,
)  # fmt: skip
_COLOURS = (GREY, *COLOURS[:6], COLOURS[-1])


def reproduce_verigate(plan: VeriGatePlan, *, processes: int = 2) -> list[tuple[str, list[Claim]]]:
    """Do what is not done yet, and write `verigate.md` and `verigate.png` into the folder; the claims of each task.

    Raises BadInput where the folder belongs to a run with other settings.
    """
    with plan_folder(plan):
        settings = (*plan.settings, SMALLER)
        start_policy(plan, SMALLER)  # which all else of it needs
        models = [partial(trained_prm, plan, setting, kind) for setting in settings for kind in learned_kinds(setting)]
        carry_out(models, processes=processes, title="PRMs")
        carry_out([partial(prm_quality, plan, setting) for setting in settings], processes=1, title="their quality")
        # Seed by seed, so that a run that is stopped early has every arm.
        jobs = [
            partial(trained, plan, setting, arm, seed)
            for seed in plan.seeds
            for setting in settings
            for arm in setting.arms
        ]
        carry_out(jobs, processes=processes, title="trainings")
        pages, claims, curves = [], [], {}
        by_setting: dict[str, Trainings] = {}
        for setting in settings:
            trainings = {arm: [trained(plan, setting, arm, seed) for seed in plan.seeds] for arm in setting.arms}
            by_setting[setting.name] = trainings
            claims.append((setting.name, all_claims(trainings, setting.task)))
            if setting is SMALLER and setting.task in by_setting:
                claims[-1][1].extend(size_claims(trainings, by_setting[setting.task]))
            pages.append(_section(plan, setting, trainings, claims[-1][1]))
            curves[setting.name] = {
                arm: [_curve(unit, plan) for unit in trainings[arm]] for arm in _DRAWN if arm in trainings
            }
        replace_text(plan.out / "verigate.md", "\n".join([_preamble(plan), *pages]))
        _plot(curves, plan.out / "verigate.png")
        return claims


def _preamble(plan: VeriGatePlan) -> str:
    return (
        f"{plan.steps} steps of {plan.groups} groups of {plan.group_size} on {plan.problems} problems; "
        f"{len(plan.seeds)} seeds; Adam at {plan.learning_rate:g}. A solution is right with all of its lines. "
        f"Accuracy is the share of {plan.final_samples} samples that is right, on {plan.held_out} held-out problems, "
        f"after the last step (half-way: of {plan.samples} samples after half of them); its interval is over problems "
        "and seeds. Dead groups are those without a gradient. The held-out PRM has learnt from other problems and is "
        "not trained against: the column is its mean value of the final samples. Scoring is the share of the seconds "
        "of a step, in which the held-out PRM and, for the audit, the PRM are asked about all groups. Solutions are "
        f"those of the groups: a learned PRM has {4 * plan.labelled:,} labelled ones of the start besides, a refreshed "
        f"one {plan.refreshes * 6 * (plan.labelled // 3):,} more.\n"
    )


def _section(plan: VeriGatePlan, setting: Setting, trainings: Trainings, claims: list[Claim]) -> str:
    start = np.mean([u["metrics"][0]["evaluation"]["accuracy"] for units in trainings.values() for u in units])
    first = np.mean([steps_of(u)[0]["all_wrong"] for u in trainings[OUTCOME]])
    kinds = ("first_error", "step", "outcome")
    quality = prm_quality(plan, setting)
    lines = [
        f"## {setting.name}\n",
        f"The shipped policy{f' with noise of {setting.noise:g}' if setting.noise else ''}"
        f"{_healed(plan, setting)}"
        f"{f', problems of difficulty {setting.difficulty}' if setting.difficulty else ''}: {start:.3f} of its samples "
        f"are right, and {first:.0%} of the first groups are all wrong.\n",
        claims_table(claims) + "\n",
        "AUC of the PRMs on the starting policy's solutions, up to the first error, of all steps, and of the end:\n",
        markdown_table(
            ("PRM", "first error", "steps", "outcome"),
            ((name, *(f"{known[kind]:.3f}" for kind in kinds)) for name, known in quality.items()),
        )
        + "\n",
        markdown_table(
            (
                "arm", "accuracy", "95% interval", "each seed", "half-way", "all wrong, first and last quarter",
                "all right", "dead groups", "PRM's share", "held-out PRM", "steps", "other tasks", "solutions",
                "seconds", "scoring", "audit fired",
            ),
            (_row(plan, arm, units) for arm, units in trainings.items()),
        ),
    ]  # fmt: skip
    units = [unit for of_arm in trainings.values() for unit in of_arm]
    low = [unit for unit in units if np.mean(unit["right"]) < HALF]
    high = [unit for unit in units if np.mean(unit["right"]) >= HALF]
    lines.append(
        f"\nThe audit fires in {fired(low)} of the {len(low)} trainings that end below {HALF}, and in {fired(high)} "
        f"of the other {len(high)}."
    )
    return "\n".join(lines) + "\n"


def _healed(plan: VeriGatePlan, setting: Setting) -> str:
    if setting.layers is None:
        return ""
    steps = setting.healing_steps(plan.prm_steps)
    return f", its first {setting.layers} layers, trained for {steps} steps to do without the others"


def _row(plan: VeriGatePlan, arm: str, units: list[Unit]) -> tuple[object, ...]:
    e = estimate(right(units))
    means = {name: float(np.mean([mean_of(u, name) for u in units])) for name in ("dead", "prm_share", "all_right")}
    wrong = np.mean([[np.mean([row["all_wrong"] for row in part]) for part in _ends(unit)] for unit in units], axis=0)
    spent = np.mean([sum(row["sampled_groups"] for row in steps_of(u)) for u in units]) * plan.group_size
    seconds = {
        name: np.mean([sum(row["seconds"][name] for row in steps_of(u)) for u in units])
        for name in ("rollout", "scoring", "update")
    }
    total = sum(seconds.values())
    return (
        arm, f"{e.value:.3f}", interval(e, ".3f"), " ".join(f"{np.mean(u['right']):.3f}" for u in units),
        f"{np.mean([_half_way(u) for u in units]):.3f}", f"{wrong[0]:.2f} {wrong[1]:.2f}", f"{means['all_right']:.2f}",
        f"{means['dead']:.2f}", f"{means['prm_share']:.2f}", f"{np.mean([u['held_out'] for u in units]):.3f}",
        f"{np.mean([mean_of(u, 'steps', 0.25) for u in units]):.2f}",
        f"{np.mean([list(u['transfer'].values()) for u in units]):.3f}", f"{spent:,.0f}", f"{total:.0f}",
        f"{seconds['scoring'] / total:.0%}", f"{fired(units)} of {len(units)}",
    )  # fmt: skip


def _ends(unit: Unit) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """The steps of the first quarter, and those of the last."""
    rows = steps_of(unit)
    count = max(1, len(rows) // 4)
    return rows[:count], rows[-count:]


def _half_way(unit: Unit) -> float:
    rows = [row for row in unit["metrics"] if "evaluation" in row]
    return float(rows[len(rows) // 2]["evaluation"]["accuracy"])


def _plot(curves: Mapping[str, Mapping[str, list[list[tuple[float, float, float]]]]], path: Path) -> None:
    figure, all_axes = new_figure(len(curves), 2, size=(12, 4.5 * len(curves)))
    for row, (task, arms) in enumerate(curves.items()):
        by_rollouts, by_seconds = all_axes[2 * row : 2 * row + 2]
        for arm, of_seeds in arms.items():
            style = _DRAWN.index(arm)
            solutions, seconds, accuracy = np.mean(of_seeds, axis=0).T
            for axes, spent in ((by_rollouts, solutions), (by_seconds, seconds)):
                axes.plot(spent, accuracy, color=_COLOURS[style], marker=MARKERS[style], markersize=5, label=arm)
        for axes, what in ((by_rollouts, "solutions sampled"), (by_seconds, "seconds of training")):
            axes.set_xlabel(what)
            axes.set_ylabel("held-out accuracy (mean of seeds)")
            axes.set_title(task)
            axes.grid(visible=True, alpha=0.25)
        by_rollouts.legend(fontsize="small")
    save_figure(figure, path)


def _curve(unit: Unit, plan: VeriGatePlan) -> list[tuple[float, float, float]]:
    """Solutions sampled, seconds and accuracy at each evaluation."""
    points, sampled, seconds = [], 0.0, 0.0
    for row in unit["metrics"]:
        sampled += row.get("sampled_groups", 0) * plan.group_size
        seconds += sum(row.get("seconds", {}).values())
        if "evaluation" in row:
            points.append((sampled, seconds, row["evaluation"]["accuracy"]))
    return points
