"""`stepbeam reproduce pav-rl`: the didactic environment of Setlur et al. 2024 (arXiv 2410.08146, section 3.3).

A weak policy learns to find a planted word, by the outcome alone or with the process advantages of a prover whose
values are known exactly. A run killed at any point goes on where it stopped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np

from bench.files.drawing import COLOURS, new_figure, save_figure
from bench.reproduce.accuracy_plot import draw_accuracy, finish_accuracy
from bench.reproduce.claim import Claim, claims_table, markdown_table, with_interval
from bench.reproduce.folder import Unit, plan_folder, slug, unit
from bench.reproduce.over_seeds import difference
from bench.reproduce.pav.didactic import SAMPLING, fine_tuned, imitator, problem_of
from bench.reproduce.pav.measured import Looks, claims_of, claims_of_start, claims_over, looks_table, measured
from bench.reproduce.savings import PLATEAU, SeededCurve, estimate, estimates, replicate, savings, times_less
from bench.reproduce.workers import carry_out
from bench.stats.arrays import Floats
from bench.stats.compute_to_reach import costs_to_reach
from bench.stats.intervals import Estimate
from bench.tiny.worlds.planted import LETTERS, ROOM, ExactValue, Planted
from bench.training.audit import read_metrics
from policies.grpo.config import GRPOConfig
from policies.grpo.train import grpo_train
from verifiers.interface.files import replace_text

MARGIN, SAVING = 0.07, 6.0
GOALS = (0.5, 0.9)  # accuracies on the way to a policy's best
GAMMA = 10.0  # the paper's
OUTCOME, PAV, GATED = "outcome only", "PAV-RL", "PAV, gate all_wrong"
TUNED = {arm: f"{arm}, from right samples" for arm in (OUTCOME, PAV)}
Curves: TypeAlias = Mapping[str, tuple[Floats, Floats]]  # accuracy and rollouts, (1 + replicates, points)


@dataclass(frozen=True, slots=True)
class Arm:
    """A way to train: the prover's strength, None for no prover, and the options that make it so.

    `tuned`: the start has learnt from its own right samples.
    """

    gamma: float | None
    changes: Mapping[str, Any]
    tuned: bool = False


def _pav(gamma: float, **changes: Any) -> Arm:
    return Arm(gamma, {"gate": "always", "credit": "advantage", **changes})


ARMS: dict[str, Arm] = {
    OUTCOME: Arm(None, {"gate": "never"}),
    PAV: _pav(GAMMA),
    GATED: _pav(GAMMA, gate="all_wrong"),
    **{f"PAV-RL, gamma {gamma:g}": _pav(gamma) for gamma in (5.0, 20.0, 100.0)},
    "PAV-RL, alpha 5": _pav(GAMMA, prm_coef=5.0),
    "PAV-RL, credit progress": _pav(GAMMA, credit="progress"),
}
ARMS |= {tuned: replace(ARMS[arm], tuned=True) for arm, tuned in TUNED.items()}
WORDS = ("kebdi", "kebdig", "kebdigm")  # the longer, the rarer is a right solution by chance
SWEPT = "kebdig"  # the word that all arms learn; the others have the first three


@dataclass(frozen=True, slots=True)
class PAVRLPlan:
    """Where a reproduction works and how large it is; equal sizes give equal results."""

    out: Path
    seeds: tuple[int, ...] = tuple(range(8))
    steps: int = 1600
    rollouts: int = 64  # a step
    block: int = 10  # steps whose rollouts make one point of a curve
    learning_rate: float = 1e-3
    looks: int = 2  # at what the policy can do, besides that at its start, spread over the training
    drawn: int = 1024  # words at each look
    tuning: int = 25_600  # rollouts of the imitator, of which a tuned start has the right ones

    @property
    def every(self) -> int:
        """Steps from a look to the next."""
        return max(1, self.steps // self.looks)

    @classmethod
    def quick(cls, out: Path) -> Self:
        """The smallest sizes: all stages in minutes, and figures that mean nothing."""
        return cls(out, seeds=(0, 1), steps=4, rollouts=8, block=2, looks=1, drawn=128, tuning=64)


def reproduce_pav_rl(plan: PAVRLPlan, *, processes: int = 2) -> list[tuple[str, list[Claim]]]:
    """Do what is not done yet, and write `pav_rl.md` and `pav_rl.png` into the folder; the claims for each word.

    Raises BadInput where the folder belongs to a run with other settings.
    """
    with plan_folder(plan):
        jobs = [
            partial(trained, plan, word, arm, seed) for seed in plan.seeds for word in WORDS for arm in arms_of(word)
        ]
        carry_out(jobs, processes=processes, title="trainings")
        of_seeds = {word: {arm: _curve(plan, word, arm) for arm in arms_of(word)} for word in WORDS}
        claims = [
            (
                f"a planted word of {len(word)} letters",
                [*_claims(arms), *_policy_claims(plan, word), *(_prover_claims(arms) if word == SWEPT else [])],
            )
            for word, arms in of_seeds.items()
        ]
        curves = {word: replicate(arms) for word, arms in of_seeds.items()}
        replace_text(plan.out / "pav_rl.md", _page(plan, curves, claims))
        _plot(curves, plan.out / "pav_rl.png")
        return claims


def arms_of(word: str) -> tuple[str, ...]:
    """The arms that learn a word."""
    return tuple(ARMS) if word == SWEPT else (OUTCOME, PAV, GATED, *TUNED.values())


def trained(plan: PAVRLPlan, word: str, arm: str, seed: int) -> Unit:
    """The share of right rollouts of every step of a training, and what its policy could do at each look."""
    name = f"{word}_{slug(arm)}_{seed}"

    def compute() -> Unit:
        chosen = ARMS[arm]
        plain = GRPOConfig(
            steps=plan.steps,
            groups=1,
            group_size=plan.rollouts,
            sampling=SAMPLING,
            scale="none",
            learning_rate=plan.learning_rate,
            attribute_every=0,
            save_every=0,
            evaluate_every=plan.every,
            seed=seed,
        )
        folder = plan.out / "trainings" / name
        start = imitator(seed=seed, planted=word)
        grpo_train(
            fine_tuned(seed=seed, planted=word, rollouts=plan.tuning) if chosen.tuned else start,
            [problem_of(word)],
            Planted(),
            None if chosen.gamma is None else ExactValue(chosen.gamma),
            out=folder,
            config=replace(plain, **chosen.changes),
            evaluate=partial(measured, word=word, seed=seed, drawn=plan.drawn),
        )
        rows = read_metrics(folder)
        return {
            "reward": [row["reward"] for row in rows if row["step"]],
            "looks": [row["evaluation"] for row in rows if "evaluation" in row],
        }

    return unit(plan.out, f"arms/{name}", compute)


def _curve(plan: PAVRLPlan, word: str, arm: str) -> SeededCurve:
    """Accuracy by rollouts spent, (S, 1, K): the one problem is trained on and measured."""
    rewards = np.array([trained(plan, word, arm, seed)["reward"] for seed in plan.seeds])
    block = min(plan.block, plan.steps)
    whole = rewards[:, : plan.steps // block * block]
    blocks = whole.reshape(len(plan.seeds), 1, -1, block).mean(axis=-1)
    spent = np.arange(1, blocks.shape[-1] + 1) * float(block * plan.rollouts)
    return SeededCurve(blocks, np.broadcast_to(spent, blocks.shape).copy())


def _looks(plan: PAVRLPlan, word: str, arm: str) -> Looks:
    return [trained(plan, word, arm, seed)["looks"] for seed in plan.seeds]


def _when(plan: PAVRLPlan) -> dict[str, int]:
    """The looks that are shown: the first behind the start, and the last."""
    last = plan.steps // plan.every * plan.every
    return {f"after {plan.every * plan.rollouts:,} rollouts": 1, f"after {last * plan.rollouts:,} rollouts": -1}


def _policy_claims(plan: PAVRLPlan, word: str) -> list[Claim]:
    pav, outcome = (_looks(plan, word, arm) for arm in (PAV, OUTCOME))
    tuned, plain = (_looks(plan, word, TUNED[arm]) for arm in (PAV, OUTCOME))
    return [*claims_of(pav, outcome, _when(plan)), *claims_of_start(tuned), *claims_over(tuned, plain, _when(plan))]


def _claims(curves: Mapping[str, SeededCurve]) -> list[Claim]:
    ours, rival = curves[PAV], curves[OUTCOME]
    rows = replicate({PAV: ours, OUTCOME: rival})
    base, spent = rows[OUTCOME]
    reached = base[0].max()

    def more(text: str, at: int) -> Claim:
        return Claim(text, difference(ours.correct[:, :, at], rival.correct[:, :, at]), MARGIN, unit="points")

    early = len(spent[0]) // 4  # of a budget at whose end both may know the word
    claims = [
        more(f"PAV-RL is 7 points or more above outcome-only RL after {spent[0, -1]:,.0f} rollouts", -1),
        more(f"the same after {spent[0, early]:,.0f} rollouts", early),
    ]
    for goal in GOALS:
        text = f"PAV-RL comes to {goal:g} with 6 times fewer rollouts than outcome-only RL"
        text += ", which never does and is charged all of its own" if reached < goal else ""
        claims.append(Claim(text, _fewer(rows[PAV], rows[OUTCOME], goal), SAVING, unit="times"))
    saved, best = savings(rows[PAV], rows[OUTCOME])
    if best >= MARGIN:  # where it learnt nothing, there is nothing to come to
        text = f"PAV-RL comes to {best:.3f}, within {PLATEAU:g} of outcome-only RL's best, with 6 times fewer rollouts"
        claims.append(Claim(text, saved, SAVING, unit="times"))
    return claims


def _prover_claims(curves: Mapping[str, SeededCurve]) -> list[Claim]:
    arms = {"too weak": "PAV-RL, gamma 5", "too strong": "PAV-RL, gamma 100"}
    rows = replicate({arm: curves[arm] for arm in (PAV, *arms.values())})
    return [
        Claim(
            f"a prover that is {kind} ({arm.removeprefix('PAV-RL, ')}) takes more rollouts to {goal:g} than one of "
            f"gamma {GAMMA:g}",
            _fewer(rows[PAV], rows[arm], goal),
            1.0,
            unit="times",
        )
        for kind, arm in arms.items()
        for goal in GOALS
    ]


def _fewer(ours: tuple[Floats, Floats], rival: tuple[Floats, Floats], goal: float) -> Estimate:
    """How many times fewer rollouts a curve takes to an accuracy than its rival, charged no more than its own."""
    goals = np.full(len(rival[0]), goal)
    return times_less(ours, goals, needed=costs_to_reach(*rival, goals), spent=rival[1][:, -1])


def _page(plan: PAVRLPlan, curves: Mapping[str, Curves], claims: list[tuple[str, list[Claim]]]) -> str:
    lines = [
        f"A word of up to {ROOM} letters of {len(LETTERS)} is right where the planted letters occur in it in their "
        f"order. {plan.steps:,} steps of {plan.rollouts} rollouts, Adam at {plan.learning_rate:g}, {len(plan.seeds)} "
        f"seeds; the prover has gamma {GAMMA:g} and alpha is 1 where nothing else is said. Accuracy is that of the "
        f"rollouts of {plan.block} steps; intervals are over seeds.",
    ]
    for (title, of_word), (word, arms) in zip(claims, curves.items(), strict=True):
        lines += [
            f"\n## {title[:1].upper()}{title[1:]} (`{word}`)\n",
            claims_table(of_word) + "\n",
            markdown_table(
                ("arm", "rollouts to 0.5", "rollouts to 0.9", "accuracy at the end"),
                (
                    (arm, *(_reached(right, spent, goal) for goal in GOALS), estimate(right[:, -1]))
                    for arm, (right, spent) in arms.items()
                ),
            )
            + "\n",
            looks_table({arm: _looks(plan, word, arm) for arm in (OUTCOME, PAV, *TUNED.values())}, _when(plan)),
        ]
    return "\n".join(lines) + "\n"


def _reached(right: Floats, spent: Floats, goal: float) -> str:
    """Rollouts to an accuracy, with the interval where every replicate comes to it."""
    rollouts = costs_to_reach(right, spent, np.full(len(right), goal))
    if np.isinf(rollouts[0]):
        return "never"
    if np.isinf(rollouts).any():
        return f"{rollouts[0]:,.0f} (not in every replicate)"
    return with_interval(estimate(rollouts), ",.0f")


def _plot(curves: Mapping[str, Curves], path: Path) -> None:
    figure, all_axes = new_figure(1, len(curves), size=(5 * len(curves), 4.5))
    colours = dict(zip((arm for arm in ARMS if not ARMS[arm].tuned), COLOURS, strict=True))
    for axes, (word, arms) in zip(all_axes, curves.items(), strict=True):
        for arm, (right, spent) in ((arm, arms[arm]) for arm in arms if arm in colours):
            draw_accuracy(axes, spent[0], estimates(right), colour=colours[arm], marker="", label=arm)
        finish_accuracy(axes, f"{len(word)} letters", costs="rollouts")
    save_figure(figure, path)
