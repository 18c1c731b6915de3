"""`stepbeam reproduce pav-rl`: PAV-RL in the didactic environment of Setlur et al. 2024 (arXiv 2410.08146, section 3.3).

A weak policy learns to find a planted word, by the outcome alone or with the process advantages of a prover whose values
are known exactly. A run killed at any point goes on where it stopped.
"""

from collections.abc import Mapping
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from bench.didactic import PLANTED, PROBLEM, ROOM, SAMPLING, Planted, Prover, imitator
from bench.drawing import COLOURS, MARKERS, new_figure, save_figure
from bench.grpo_audit import read_metrics
from bench.intervals import Estimate
from bench.reproduce.claim import Claim, claims_table
from bench.reproduce.folder import Unit, claim_folder, unit
from bench.reproduce.pav_claims import Curve, Floats, estimate, replicate, savings
from bench.reproduce.workers import workers
from bench.run_folder import write_atomically
from policies.grpo import grpo_train
from policies.grpo_config import GRPOConfig

MARGIN, SAVING = 0.07, 5.0
OUTCOME = "outcome"


@dataclass(frozen=True, slots=True)
class Arm:
    """A way to train: the prover's strength, None for no prover, and the options that make it so."""

    gamma: float | None
    changes: Mapping[str, Any]


def _pav(gamma: float, **changes: Any) -> Arm:
    return Arm(gamma, {"gate": "always", "credit": "advantage", "prm_coef": 1.0, **changes})


GAMMA = 10.0  # the paper's
PAV = f"PAV, gamma {GAMMA:g}"
ARMS: dict[str, Arm] = {
    OUTCOME: Arm(None, {"gate": "never"}),
    **{f"PAV, gamma {gamma:g}": _pav(gamma) for gamma in (5.0, GAMMA, 20.0, 100.0)},
    f"{PAV}, alpha 5": _pav(GAMMA, prm_coef=5.0),
    f"{PAV}, gate all_wrong": _pav(GAMMA, gate="all_wrong"),
    f"{PAV}, credit progress": _pav(GAMMA, credit="progress"),
}
_DRAWN = (OUTCOME, "PAV, gamma 5", PAV, "PAV, gamma 100", f"{PAV}, gate all_wrong", f"{PAV}, credit progress")


@dataclass(frozen=True, slots=True)
class Work:
    """Where a reproduction works and how large it is; equal sizes give equal results."""

    out: Path
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    arms: tuple[str, ...] = tuple(ARMS)
    steps: int = 400
    rollouts: int = 64  # a step
    block: int = 10  # steps whose rollouts make one point of a curve
    learning_rate: float = 1e-3


def reproduce_pav_rl(work: Work, *, processes: int = 2) -> list[Claim]:
    """Do what is not done yet, and write `pav_rl.md` and `pav_rl.png` into the folder.

    Raises BadInput where the folder belongs to a run with other settings.
    """
    claim_folder(work.out, {k: v for k, v in asdict(work).items() if k != "out"})
    jobs = [(arm, seed) for seed in work.seeds for arm in work.arms]
    if processes == 1:
        for arm, seed in jobs:
            trained(work, arm, seed)
    else:
        with workers(processes) as executor:
            futures = [executor.submit(trained, work, arm, seed) for arm, seed in jobs]
            for future in tqdm(as_completed(futures), total=len(futures), desc="trainings", unit="training"):
                future.result()
    curves = replicate({arm: _curve(work, arm) for arm in work.arms})
    claims = _claims(curves)
    write_atomically(work.out / "pav_rl.md", _page(work, curves, claims))
    _plot(curves, work.out / "pav_rl.png")
    return claims


def trained(work: Work, arm: str, seed: int) -> Unit:
    """The share of right rollouts of every step of a training."""

    def compute() -> Unit:
        chosen = ARMS[arm]
        plain = GRPOConfig(
            steps=work.steps,
            groups=1,
            group_size=work.rollouts,
            sampling=SAMPLING,
            scale="none",
            learning_rate=work.learning_rate,
            attribute_every=0,
            save_every=0,
            seed=seed,
        )
        folder = work.out / "trainings" / f"{list(ARMS).index(arm)}_{seed}"
        grpo_train(
            imitator(seed=seed),
            [PROBLEM],
            Planted(),
            None if chosen.gamma is None else Prover(chosen.gamma),
            out=folder,
            config=replace(plain, **chosen.changes),
        )
        return {"reward": [row["reward"] for row in read_metrics(folder)]}

    return unit(work.out, f"arms/{list(ARMS).index(arm)}_{seed}", compute)


def _curve(work: Work, arm: str) -> Curve:
    """Accuracy by rollouts spent, (S, 1, K): the one problem is trained on and measured."""
    rewards = np.array([trained(work, arm, seed)["reward"] for seed in work.seeds])
    blocks = rewards.reshape(len(work.seeds), 1, -1, work.block).mean(axis=-1)
    spent = np.arange(1, blocks.shape[-1] + 1) * float(work.block * work.rollouts)
    return Curve(blocks, np.broadcast_to(spent, blocks.shape).copy())


def _claims(curves: Mapping[str, tuple[Floats, Floats]]) -> list[Claim]:
    (right, spent), (base, _) = curves[PAV], curves[OUTCOME]
    saved, goal = savings(curves[PAV], curves[OUTCOME])
    end = estimate(right[:, -1] - base[:, -1])
    claims = [_points(f"PAV-RL is 7 points or more above outcome-only RL after {spent[0, -1]:,.0f} rollouts", end)]
    # Equal rollouts are many budgets: where PAV-RL has just come to the other's best is one that favours neither end.
    reached = int(np.argmax(right[0] >= goal)) if (right[0] >= goal).any() else right.shape[1] - 1
    there = estimate(right[:, reached] - base[:, reached])
    claims.append(_points(f"the same after {spent[0, reached]:,.0f} rollouts, where PAV-RL comes to its best", there))
    claims.append(
        Claim(
            f"PAV-RL comes to outcome-only RL's best accuracy ({goal:.3f}) with 5 times fewer rollouts",
            f"{saved.value:.1f} times",
            f"{saved.low:.1f} to {saved.high:.1f}",
            saved.value >= SAVING,
        )
    )
    return claims


def _points(text: str, found: Estimate) -> Claim:
    shown = f"{100 * found.low:+.1f} to {100 * found.high:+.1f}"
    return Claim(text, f"{100 * found.value:+.1f} points", shown, found.value >= MARGIN)
