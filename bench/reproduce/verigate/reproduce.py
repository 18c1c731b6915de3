"""`stepbeam reproduce verigate`: the claims of Agrawal et al. 2026 (arXiv 2605.30451) on the embedded tasks.

Every arm trains the same policy, which leaves most groups without a right solution, with as many rollouts a step, from
the same seeds. A run killed at any point goes on where it stopped.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from bench.files.drawing import COLOURS, GREY, MARKERS, new_figure, save_figure
from bench.reproduce.claim import Claim, claims_table, interval, markdown_table, with_interval
from bench.reproduce.folder import Unit, plan_folder
from bench.reproduce.over_seeds import estimate
from bench.reproduce.verigate.arms import LONGER, OUTCOME, SMALLER, Setting, VeriGatePlan
from bench.reproduce.verigate.claims import (
    AS_OUTCOME,
    Trainings,
    all_claims,
    evaluated,
    fired,
    mean_of,
    quality_claims,
    right,
    seconds_of,
    share_by_right_steps,
    size_claims,
    spent_by,
    steps_of,
)
from bench.reproduce.verigate.flops import Prices, prices_of
from bench.reproduce.verigate.scorers import learned_kinds, prm_quality, trained_prm
from bench.reproduce.verigate.start import start_policy
from bench.reproduce.verigate.training import trained
from bench.reproduce.workers import carry_out
from bench.runs.table import short
from bench.stats.arrays import Floats
from bench.stats.intervals import Estimate
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
            prices = prices_of(plan, setting)
            claims.append(
                (
                    setting.name,
                    [*all_claims(trainings, setting.task, prices), *quality_claims(prm_quality(plan, setting))],
                )
            )
            if setting is SMALLER and setting.task in by_setting:
                claims[-1][1].extend(size_claims(trainings, by_setting[setting.task]))
            pages.append(_section(plan, setting, trainings, claims[-1][1], prices))
            curves[setting.name] = {
                arm: [_curve(plan, arm, unit, prices) for unit in trainings[arm]] for arm in _DRAWN if arm in trainings
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
        "and seeds. By right steps: of the right answers, the share whose steps are right too, a mean over the seeds "
        "that have right answers. The held-out PRM has learnt from other problems and is not trained against: the "
        "column is its mean value of each seed's final samples. All wrong, all right and dead groups, those without a "
        "gradient, are shares in each quarter of the steps. FLOPs are those of sampling, of updates and of the PRM "
        "where the gate needs it; then its part of them, and the part of both PRMs when, as here for the audit, they "
        "are asked about all groups. A learned PRM's own training is in none; what it learns from the policy in "
        "training is in all. "
        "Scoring is what that is of the seconds. Solutions are those of the groups: a learned PRM has "
        f"{4 * plan.labelled:,} labelled ones of the start besides, a refreshed one "
        f"{plan.refreshes * 6 * plan.refreshing[0]:,} more.\n"
    )


def _section(plan: VeriGatePlan, setting: Setting, trainings: Trainings, claims: list[Claim], prices: Prices) -> str:
    start = np.mean([u["metrics"][0]["evaluation"]["accuracy"] for units in trainings.values() for u in units])
    first = np.mean([steps_of(u)[0]["all_wrong"] for u in trainings[OUTCOME]])
    labelling = prices.of_prm(np.mean([steps_of(u)[0]["tokens"] for u in trainings[OUTCOME]]))
    plain = np.mean([spent_by(u, prices, OUTCOME)[-1] for u in trainings[OUTCOME]])
    quality = prm_quality(plan, setting)
    lines = [
        f"## {setting.name}\n",
        f"The shipped policy{f' with noise of {setting.noise:g}' if setting.noise else ''}"
        f"{_healed(plan, setting)}"
        f"{f', problems of difficulty {setting.difficulty}' if setting.difficulty else ''}: {start:.3f} of its samples "
        f"are right, and {first:.0%} of the first groups are all wrong. A learned PRM's own training takes about "
        f"{short(labelling)} FLOPs, with the samples that it learns from: {labelling / plain:.0f} times outcome-only "
        "GRPO's whole one.\n",
        claims_table(claims) + "\n",
        "AUC of the PRMs on the starting policy's solutions, up to the first error, of all steps, and of the end:\n",
        markdown_table(
            ("PRM", "first error", "steps", "outcome"),
            (
                (prm, *(with_interval(Estimate(*known[kind]), ".3f") for kind in ("first_error", "step", "outcome")))
                for prm, known in quality.items()
            ),
        )
        + "\n",
        markdown_table(
            (
                "arm", "accuracy", "95% interval", "each seed", "half-way", "by right steps", "held-out PRM", "steps",
                "other tasks", "audit fired",
            ),
            (_row(arm, units) for arm, units in trainings.items()),
        )
        + "\n",
        markdown_table(
            (
                "arm", "all wrong", "all right", "dead groups", "PRM's share", "solutions", "GFLOPs",
                "PRM's part", "as audited", "seconds", "scoring",
            ),
            (_groups_row(plan, arm, units, prices) for arm, units in trainings.items()),
        ),
    ]  # fmt: skip
    units = [unit for of_arm in trainings.values() for unit in of_arm]
    ends = {
        "below": [unit for unit in units if np.mean(unit["right"]) < HALF],
        "at or above": [unit for unit in units if np.mean(unit["right"]) >= HALF],
    }
    firing = (f"{fired(of)} of the {len(of)} trainings that end {where} {HALF}" for where, of in ends.items() if of)
    lines.append(f"\nThe audit fires in {', and in '.join(firing)}.")
    return "\n".join(lines) + "\n"


def _healed(plan: VeriGatePlan, setting: Setting) -> str:
    if setting.layers is None:
        return ""
    steps = setting.healing_steps(plan.prm_steps)
    return f", its first {setting.layers} layers, trained for {steps} steps to do without the others"


def _row(arm: str, units: list[Unit]) -> tuple[object, ...]:
    e = estimate(right(units))
    return (
        arm, f"{e.value:.3f}", interval(e, ".3f"), " ".join(f"{np.mean(u['right']):.3f}" for u in units),
        f"{np.mean([_half_way(u) for u in units]):.3f}", _mean_of_known(share_by_right_steps(units)),
        " ".join(f"{u['held_out']:.2f}" for u in units),
        f"{np.mean([mean_of(u, 'steps', 0.25) for u in units]):.2f}",
        f"{np.mean([list(u['transfer'].values()) for u in units]):.3f}", f"{fired(units)} of {len(units)}",
    )  # fmt: skip


def _mean_of_known(by_seed: Floats) -> str:
    known = by_seed[~np.isnan(by_seed)]
    return f"{known.mean():.3f}" if len(known) else "-"


def _groups_row(plan: VeriGatePlan, arm: str, units: list[Unit], prices: Prices) -> tuple[object, ...]:
    """What the groups of an arm were like over time, and what they cost."""
    policy, prm, audited = np.mean([prices.of_training(u, arm).sum(axis=0) for u in units], axis=0)
    spent = np.mean([sum(row["sampled_groups"] for row in steps_of(u)) for u in units]) * plan.group_size
    seconds = [np.mean([seconds_of(u)[name] for u in units]) for name in ("rollout", "update", "scoring")]
    return (
        arm, *(_quarters(units, name) for name in ("all_wrong", "all_right", "dead")),
        f"{np.mean([mean_of(u, 'prm_share') for u in units]):.2f}", f"{spent:,.0f}", f"{(policy + prm) / 1e9:,.0f}",
        f"{prm / (policy + prm):.0%}", f"{audited / (policy + audited):.0%}", f"{sum(seconds):.0f}",
        f"{seconds[-1] / sum(seconds):.0%}",
    )  # fmt: skip


def _quarters(units: list[Unit], name: str) -> str:
    """A metric's mean in each quarter of the training."""
    over_time = np.mean([[row[name] for row in steps_of(unit)] for unit in units], axis=0)
    return " ".join(f"{part.mean():.2f}" for part in np.array_split(over_time, 4) if len(part))


def _half_way(unit: Unit) -> float:
    _, accuracy = evaluated(unit)
    return accuracy[len(accuracy) // 2]


def _plot(curves: Mapping[str, Mapping[str, list[Floats]]], path: Path) -> None:
    figure, all_axes = new_figure(len(curves), 2, size=(12, 4.5 * len(curves)))
    for row, (task, arms) in enumerate(curves.items()):
        by_rollouts, by_flops = all_axes[2 * row : 2 * row + 2]
        for arm, of_seeds in arms.items():
            style = _DRAWN.index(arm)
            solutions, flops, accuracy = np.mean(of_seeds, axis=0).T
            for axes, spent in ((by_rollouts, solutions), (by_flops, flops)):
                axes.plot(spent, accuracy, color=_COLOURS[style], marker=MARKERS[style], markersize=5, label=arm)
        for axes, what in ((by_rollouts, "solutions sampled"), (by_flops, "FLOPs of policy and PRM")):
            axes.set_xlabel(what)
            axes.set_ylabel("held-out accuracy (mean of seeds)")
            axes.set_title(task)
            axes.grid(visible=True, alpha=0.25)
        by_flops.set_xscale("log", nonpositive="mask")  # a PRM that is refreshed costs ten times the rest
        by_rollouts.legend(fontsize="small")
    save_figure(figure, path)


def _curve(plan: VeriGatePlan, arm: str, unit: Unit, prices: Prices) -> Floats:
    """Solutions sampled, FLOPs and accuracy at each evaluation, (E, 3)."""
    at, accuracy = evaluated(unit)
    sampled = plan.group_size * np.cumsum([0, *(row["sampled_groups"] for row in steps_of(unit))])
    return np.column_stack([sampled[list(at)], spent_by(unit, prices, arm)[list(at)], accuracy])
