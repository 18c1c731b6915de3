"""`stepbeam reproduce verigate`: the claims of Agrawal et al. 2026 (arXiv 2605.30451) on the embedded tasks.

Every arm trains the same policy, which leaves half of all groups or more without a right solution, with as many
rollouts a step; three seeds each. A run killed at any point goes on where it stopped.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from bench.files.drawing import COLOURS, GREY, MARKERS, new_figure, save_figure
from bench.reproduce.claim import Claim, claims_table, in_points, markdown_table
from bench.reproduce.folder import Unit, plan_folder
from bench.reproduce.over_seeds import difference, estimate, relative_gain
from bench.reproduce.verigate.work import (
    FAITHFUL,
    LONGER,
    OURS,
    Setting,
    VeriGatePlan,
    kinds_of,
    prm,
    prm_quality,
    trained,
)
from bench.reproduce.workers import carry_out
from bench.stats.intervals import Estimate
from bench.training.audit import audit
from verifiers.interface.files import replace_text

Trainings: TypeAlias = Mapping[str, list[Unit]]  # an arm's trainings, one a seed
RELATIVE, MARGIN = 0.12, 0.07
HALF = 0.5  # accuracy below which a training is called a failure, where the audit is counted
_DRAWN = (LONGER, "outcome", OURS, FAITHFUL, "dynamic sampling", "ungated", "PRM as outcome", "PAV-RL")
_COLOURS = (GREY, *COLOURS[:6], COLOURS[-1])


def reproduce_verigate(plan: VeriGatePlan, *, processes: int = 2) -> list[tuple[str, list[Claim]]]:
    """Do what is not done yet, and write `verigate.md` and `verigate.png` into the folder; the claims of each task.

    Raises BadInput where the folder belongs to a run with other settings.
    """
    with plan_folder(plan):
        models = [partial(prm, plan, setting, kind) for setting in plan.settings for kind in kinds_of(setting)]
        carry_out(models, processes=processes, title="PRMs")
        # Seed by seed, so that a run that is stopped early has every arm.
        jobs = [
            partial(trained, plan, setting, arm, seed)
            for seed in plan.seeds
            for setting in plan.settings
            for arm in setting.arms
        ]
        carry_out(jobs, processes=processes, title="trainings")
        pages, claims, curves = [], [], {}
        for setting in plan.settings:
            trainings = {arm: [trained(plan, setting, arm, seed) for seed in plan.seeds] for arm in setting.arms}
            claims.append(
                (setting.task, [*_accuracy_claims(trainings), _stall_claim(trainings), *_hacking_claims(trainings)])
            )
            pages.append(_section(plan, setting, trainings, claims[-1][1]))
            curves[setting.task] = {
                arm: [_curve(unit, plan) for unit in trainings[arm]] for arm in _DRAWN if arm in trainings
            }
        replace_text(plan.out / "verigate.md", "\n".join([_preamble(plan), *pages]))
        _plot(curves, plan.out / "verigate.png")
        return claims


def _accuracy_claims(trainings: Trainings) -> list[Claim]:
    base = _right(trainings["outcome"])
    claims = []
    for arm in (FAITHFUL, OURS):
        gain = relative_gain(_right(trainings[arm]), base)
        text = f"gated ({arm}) is 12% or more above outcome-only GRPO, relatively, at equal rollouts"
        claims.append(_percent(text, gain, gain.value >= RELATIVE))
    gain = difference(_right(trainings["PAV-RL"]), base)
    text = "PAV-RL is 7 points or more above outcome-only GRPO at equal rollouts"
    claims.append(in_points(text, gain, holds=gain.value >= MARGIN))
    return claims


def _stall_claim(trainings: Trainings) -> Claim:
    gated, plain = (np.array([[_mean(unit, "dead")] for unit in trainings[arm]]) for arm in (FAITHFUL, "outcome"))
    change = relative_gain(gated, plain)
    return _percent(f"groups without a gradient are at least halved ({FAITHFUL})", change, change.value <= -0.5)


def _hacking_claims(trainings: Trainings) -> list[Claim]:
    claims = []
    for arm, summed in ((OURS, "PRM as outcome"), ("foreign PRM, all_wrong", "foreign PRM as outcome")):
        if arm in trainings and summed in trainings:
            gap = difference(*(np.array([[u["held_out"]] for u in trainings[a]]) for a in (arm, summed)))
            text = f"a held-out PRM gives more to the solutions of '{arm}' than to those of '{summed}'"
            claims.append(Claim(text, f"{gap.value:+.3f}", f"{gap.low:+.3f} to {gap.high:+.3f}", gap.low > 0))
    fired = _fired(trainings[OURS])
    text = f"the audit of the gated training ({OURS}) is silent"
    claims.append(Claim(text, f"fired in {fired} of {len(trainings[OURS])} seeds", "", fired == 0))
    return claims


def _percent(text: str, gain: Estimate, holds: bool) -> Claim:
    return Claim(text, f"{100 * gain.value:+.1f}%", f"{100 * gain.low:+.1f}% to {100 * gain.high:+.1f}%", holds)


def _fired(units: list[Unit]) -> int:
    """In how many trainings the audit sees hacking."""
    return sum(audit(unit["metrics"]).fired for unit in units)


def _right(units: list[Unit]) -> np.ndarray:
    return np.array([unit["right"] for unit in units])


def _steps(unit: Unit) -> list[dict[str, Any]]:
    return [row for row in unit["metrics"] if row["step"]]


def _mean(unit: Unit, name: str, share: float = 1.0) -> float:
    """The mean of a metric over the last share of the steps; NaN where it was not measured."""
    rows = _steps(unit)
    known = [row[name] for row in rows[-max(1, round(share * len(rows))) :] if row.get(name) is not None]
    return float(np.mean(known)) if known else float("nan")


def _preamble(plan: VeriGatePlan) -> str:
    return (
        f"{plan.steps} steps of {plan.groups} groups of {plan.group_size} on {plan.problems} problems; "
        f"{len(plan.seeds)} seeds; Adam at {plan.learning_rate:g}. Accuracy is the share of {plan.final_samples} "
        f"samples that is right, on {plan.held_out} held-out problems, after the last step (half-way: of "
        f"{plan.samples} samples after half of them); its interval is over problems and seeds. Dead groups are those "
        "without a gradient. The held-out PRM has learnt from other problems and is not trained against: the column is "
        "its mean value of the final samples.\n"
    )


def _section(plan: VeriGatePlan, setting: Setting, trainings: Trainings, claims: list[Claim]) -> str:
    known = ", ".join(f"{kind} {value:.3f}" for kind, value in prm_quality(plan, setting).items())
    start = np.mean([u["metrics"][0]["evaluation"]["accuracy"] for units in trainings.values() for u in units])
    first = np.mean([_steps(u)[0]["all_wrong"] for u in trainings["outcome"]])
    lines = [
        f"## {setting.task}\n",
        f"The shipped policy{f' with noise of {setting.noise:g}' if setting.noise else ''}"
        f"{f', problems of difficulty {setting.difficulty}' if setting.difficulty else ''}: {start:.3f} of its samples "
        f"are right, and {first:.0%} of the first groups are all wrong. AUC of the PRMs on its solutions: {known}.\n",
        claims_table(claims) + "\n",
    ]
    rows = []
    for arm, units in trainings.items():
        e = estimate(_right(units))
        each = " ".join(f"{np.mean(u['right']):.3f}" for u in units)
        half = np.mean([_half_way(u) for u in units])
        dead, share = (np.mean([_mean(u, name) for u in units]) for name in ("dead", "prm_share"))
        other = np.mean([u["held_out"] for u in units])
        length = np.mean([_mean(u, "steps", 0.25) for u in units])
        spent = np.mean([sum(row["sampled_groups"] for row in _steps(u)) for u in units]) * plan.group_size
        seconds = np.mean([sum(sum(row["seconds"].values()) for row in _steps(u)) for u in units])
        rows.append((
            arm, f"{e.value:.3f}", f"{e.low:.3f} to {e.high:.3f}", each, f"{half:.3f}", f"{dead:.2f}", f"{share:.2f}",
            f"{other:.3f}", f"{length:.2f}", f"{spent:,.0f}", f"{seconds:.0f}", f"{_fired(units)} of {len(units)}",
        ))  # fmt: skip
    heads = (
        "arm", "accuracy", "95% interval", "each seed", "half-way", "dead groups", "PRM's share", "held-out PRM",
        "steps", "solutions", "seconds", "audit fired",
    )  # fmt: skip
    lines.append(markdown_table(heads, rows))
    units = [unit for of_arm in trainings.values() for unit in of_arm]
    low = [unit for unit in units if np.mean(unit["right"]) < HALF]
    high = [unit for unit in units if np.mean(unit["right"]) >= HALF]
    lines.append(
        f"\nThe audit fires in {_fired(low)} of the {len(low)} trainings that end below {HALF}, and in {_fired(high)} "
        f"of the other {len(high)}."
    )
    return "\n".join(lines) + "\n"


def _half_way(unit: Unit) -> float:
    rows = [row for row in unit["metrics"] if "evaluation" in row]
    return float(rows[len(rows) // 2]["evaluation"]["accuracy"])


def _plot(curves: Mapping[str, Mapping[str, list[list[tuple[float, float, float]]]]], path: Path) -> None:
    figure, all_axes = new_figure(len(curves), 2, size=(12, 4.5 * len(curves)))
    for row, (task, arms) in enumerate(curves.items()):
        by_rollouts, by_seconds = all_axes[2 * row : 2 * row + 2]
        for arm, of_seeds in arms.items():
            style = _DRAWN.index(arm)
            solutions, seconds, right = np.mean(of_seeds, axis=0).T
            for axes, spent in ((by_rollouts, solutions), (by_seconds, seconds)):
                axes.plot(spent, right, color=_COLOURS[style], marker=MARKERS[style], markersize=5, label=arm)
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
