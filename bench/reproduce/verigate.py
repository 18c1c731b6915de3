"""`stepbeam reproduce verigate`: the claims of Agrawal et al. 2026 (arXiv 2605.30451) on the embedded `countdown`.

Every arm trains the shipped policy, which leaves half of all groups without a right solution, with as many rollouts a
step; three seeds each. A run killed at any point goes on where it stopped.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bench.drawing import COLOURS, MARKERS, new_figure, save_figure
from bench.intervals import Estimate
from bench.reproduce.claim import Claim, claims_table
from bench.reproduce.folder import Unit, claim_folder
from bench.reproduce.over_seeds import difference, estimate, relative_gain
from bench.reproduce.verigate_work import GATED, TASK, Work, trained
from bench.reproduce.workers import carry_out
from bench.run_folder import write_atomically

RELATIVE = 0.12
_DRAWN = (
    "outcome",
    "dynamic sampling",
    "PRM as outcome",
    "ungated",
    GATED,
    "degenerate, progress",
    "all_wrong, progress",
)


def reproduce_verigate(work: Work, *, processes: int = 2) -> list[Claim]:
    """Do what is not done yet, and write `verigate.md` and `verigate.png` into the folder.

    Raises BadInput where the folder belongs to a run with other settings.
    """
    claim_folder(work.out, {k: v for k, v in asdict(work).items() if k != "out"})
    # Seed by seed, so that a run that is stopped early has every arm.
    jobs = [(work, arm, seed) for seed in work.seeds for arm in work.arms]
    carry_out(trained, jobs, processes=processes, title="trainings")
    found = {arm: [trained(work, arm, seed) for seed in work.seeds] for arm in work.arms}
    claims = [*_accuracy_claims(found), _stall_claim(found), *_hacking_claims(found)]
    write_atomically(work.out / "verigate.md", _page(found, claims, work))
    _plot(found, work, work.out / "verigate.png")
    return claims


def _accuracy_claims(found: dict[str, list[Unit]]) -> list[Claim]:
    base = _right(found["outcome"])
    claims = []
    for arm in found:
        if arm.startswith(("degenerate", "all_wrong")):
            gain = relative_gain(_right(found[arm]), base)
            text = f"gated ({arm}) is 12% or more above outcome-only GRPO, relatively, at equal rollouts"
            claims.append(_percent(text, gain, gain.value >= RELATIVE))
    return claims


def _stall_claim(found: dict[str, list[Unit]]) -> Claim:
    gated, plain = (np.array([[_mean(unit, "dead") for unit in found[arm]]]) for arm in (GATED, "outcome"))
    change = relative_gain(gated.T, plain.T)
    return _percent("groups without a gradient are at least halved", change, change.value <= -0.5)


def _hacking_claims(found: dict[str, list[Unit]]) -> list[Claim]:
    gated, summed = (
        np.array([_final_scores(unit) for unit in found[arm]])[:, None] for arm in (GATED, "PRM as outcome")
    )
    gap = difference(gated, summed)
    fired = {arm: sum(unit["fired"] for unit in units) for arm, units in found.items()}
    return [
        Claim(
            "a held-out scorer gives more to the gated policy's solutions than to those of PRM as outcome",
            f"{gap.value:+.3f}",
            f"{gap.low:+.3f} to {gap.high:+.3f}",
            gap.low > 0,
        ),
        Claim(
            "the audit of the gated training is silent",
            f"{fired[GATED]} of {len(found[GATED])} seeds",
            "",
            fired[GATED] == 0,
        ),
    ]


def _percent(text: str, found: Estimate, holds: bool) -> Claim:
    return Claim(text, f"{100 * found.value:+.1f}%", f"{100 * found.low:+.1f}% to {100 * found.high:+.1f}%", holds)


def _right(units: list[Unit]) -> np.ndarray:
    return np.array([unit["right"] for unit in units])


def _steps(unit: Unit) -> list[dict[str, Any]]:
    return [row for row in unit["metrics"] if row["step"]]


def _mean(unit: Unit, name: str, share: float = 1.0) -> float:
    """The mean of a metric over the last share of the steps; NaN where it was not measured."""
    rows = _steps(unit)
    known = [row[name] for row in rows[-max(1, round(share * len(rows))) :] if row.get(name) is not None]
    return float(np.mean(known)) if known else float("nan")


def _final_scores(unit: Unit) -> float:
    return float(unit["held_out"])


def _page(found: dict[str, list[Unit]], claims: list[Claim], work: Work) -> str:
    lines = [
        f"{work.steps} steps of {work.groups} groups of {work.group_size} on {work.problems} problems of `{TASK}`; "
        f"{len(work.seeds)} seeds. Accuracy is the share of {work.final_samples} samples that is right, on "
        f"{work.held_out} held-out problems, after the last step; its interval is over problems and seeds.\n",
        claims_table(claims),
        "\n| arm | accuracy | 95% interval | each seed | dead groups | PRM's share | held-out scorer | steps "
        "| repeated | seconds | audit fired |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for arm, units in found.items():
        e = estimate(_right(units))
        seconds = np.mean([sum(sum(row["seconds"].values()) for row in _steps(u)) for u in units])
        numbers = [np.mean([_mean(u, name) for u in units]) for name in ("dead", "prm_share")]
        lengths = [np.mean([_mean(u, name, 0.25) for u in units]) for name in ("steps", "repeated")]
        held_out = np.mean([_final_scores(u) for u in units])
        each = " ".join(f"{np.mean(u['right']):.3f}" for u in units)
        lines.append(
            f"| {arm} | {e.value:.3f} | {e.low:.3f} to {e.high:.3f} | {each} "
            f"| {numbers[0]:.2f} | {numbers[1]:.2f} | {held_out:.3f} | {lengths[0]:.2f} | {lengths[1]:.3f} "
            f"| {seconds:.0f} | {sum(u['fired'] for u in units)} of {len(units)} |"
        )
    return "\n".join(lines) + "\n"


def _plot(found: dict[str, list[Unit]], work: Work, path: Path) -> None:
    figure, (by_rollouts, by_seconds) = new_figure(1, 2, size=(12, 4.5))
    for i, arm in enumerate(a for a in _DRAWN if a in found):
        curves = [_curve(unit, work) for unit in found[arm]]
        y = np.mean([[a for _, _, a in c] for c in curves], axis=0)
        for axis, place in ((by_rollouts, 0), (by_seconds, 1)):
            x = np.mean([[point[place] for point in c] for c in curves], axis=0)
            axis.plot(x, y, color=COLOURS[i % len(COLOURS)], marker=MARKERS[i % len(MARKERS)], label=arm)
    for axis, label in ((by_rollouts, "solutions sampled"), (by_seconds, "seconds of training")):
        axis.set_xlabel(label)
        axis.set_ylabel("held-out accuracy (mean of seeds)")
        axis.grid(alpha=0.25)
    by_rollouts.legend(fontsize=8)
    save_figure(figure, path)


def _curve(unit: Unit, work: Work) -> list[tuple[float, float, float]]:
    """Solutions sampled, seconds and accuracy at each evaluation."""
    points, sampled, seconds = [], 0.0, 0.0
    for row in unit["metrics"]:
        sampled += row.get("sampled_groups", 0) * work.group_size
        seconds += sum(row.get("seconds", {}).values())
        if "evaluation" in row:
            points.append((sampled, seconds, row["evaluation"]["accuracy"]))
    return points
