"""The work of `stepbeam reproduce verigate`: PRMs and trainings, each kept in files of its own."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from bench.diagnostics.label_quality import auc
from bench.reproduce.folder import Unit, slug, unit
from bench.reproduce.scorer_training import scorer_training
from bench.tiny import load_task, weights_folder
from bench.tiny.making.examples.made_up import label, make_up_text
from bench.tiny.worlds.exact import ExactSteps
from bench.tiny.worlds.worlds import WORLDS, Split
from bench.training.accuracy import Accuracy
from bench.training.audit import read_metrics
from policies.backends.transformers import Transformers
from policies.grpo.advantages import CREDITS
from policies.grpo.config import GRPOConfig
from policies.grpo.train import grpo_train
from policies.policy import Policy
from prms.pav import PAV
from prms.prm import PRM
from prms.training import train_prm
from search.result import SearchResult
from search.strategies.sample import sample
from verifiers.combinators.weighted import weighted
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Problem, Solution, Stop, split_steps


@dataclass(frozen=True, slots=True)
class Arm:
    """A way to train: the options that make it so, and who the PRM is ("" for none) and what it is for."""

    changes: Mapping[str, Any]
    prm: Literal["", "errors", "foreign", "exact"] = "errors"
    as_outcome: bool = False  # its value of the whole solution is added to the reward
    pav: bool = False  # it is a PAV's prover


EXACT = "exact PRM, all_wrong"
LONGER = "outcome, 3 times the steps"
GATES = ("degenerate", "all_wrong")
ARMS: dict[str, Arm] = {
    "outcome": Arm({"gate": "never"}, ""),
    LONGER: Arm({"gate": "never"}, ""),
    "dynamic sampling": Arm({"gate": "never", "resample": 3}, ""),
    "PRM as outcome": Arm({"gate": "never"}, as_outcome=True),
    "ungated": Arm({"gate": "always", "credit": "future_sum"}),
    "PAV-RL": Arm({"gate": "always", "credit": "advantage", "scale": "none", "prm_coef": 5.0}, pav=True),
    **{f"{gate}, {credit}": Arm({"gate": gate, "credit": credit}) for gate in GATES for credit in CREDITS},
    EXACT: Arm({"gate": "all_wrong", "credit": "advantage"}, "exact"),
    "foreign PRM, all_wrong": Arm({"gate": "all_wrong", "credit": "advantage"}, "foreign"),
    "foreign PRM as outcome": Arm({"gate": "never"}, "foreign", as_outcome=True),
}
FAITHFUL = "degenerate, future_sum"  # VeriGate as its paper has it
OURS = "all_wrong, advantage"


@dataclass(frozen=True, slots=True)
class Setting:
    """A task, the policy that learns it, and the arms in which it does."""

    task: str
    arms: tuple[str, ...]
    noise: float = 0.0  # added to every matrix of the shipped policy, in units of its own standard deviation
    difficulty: int | None = None  # of the problems; None mixes those of the split

    def problems(self, *, count: int, seed: int, split: Split) -> tuple[Problem, ...]:
        """Problems of a split."""
        return load_task(self.task, count=count, seed=seed, split=split, difficulty=self.difficulty).problems


SETTINGS = (
    Setting("chain", tuple(ARMS), noise=0.2),
    Setting(
        "word_sort", ("outcome", "dynamic sampling", "PRM as outcome", FAITHFUL, OURS, EXACT, "PAV-RL"), difficulty=6
    ),
)


@dataclass(frozen=True, slots=True)
class VeriGatePlan:
    """Where a reproduction works and how large it is; equal sizes give equal results."""

    out: Path
    seeds: tuple[int, ...] = (0, 1, 2)
    settings: tuple[Setting, ...] = SETTINGS
    problems: int = 400  # to train on
    held_out: int = 100  # problems to measure accuracy on
    samples: int = 4  # of each of these during training
    final_samples: int = 16  # and after it
    steps: int = 48
    groups: int = 24
    group_size: int = 4
    learning_rate: float = 1e-4
    evaluations: int = 6
    data_seed: int = 51
    labelled: int = 1500  # problems whose solutions a PRM's labels are of
    prm_steps: int = 200


def prm(plan: VeriGatePlan, setting: Setting, kind: str) -> Path:
    """The folder of a PRM that has seen the starting policy's own solutions, and made up ones.

    "errors" and "held_out" learn where the first error is, from different problems: what they say is the value of a
    prover that makes no errors. "foreign" is the shipped one, which has learnt the values of the shipped policy.
    """
    if kind == "foreign":
        return weights_folder("prm")
    out = plan.out / "models" / f"{setting.task}_{kind}"
    if (out / "config.json").exists():
        return out
    seed, world = {"errors": 100, "held_out": 200}[kind], WORLDS[setting.task]
    drawn = _solutions(setting, count=plan.labelled, seed=seed)
    # Before the first step there is no error yet.
    rows = [replace(label(world, str(p.prompt), solution.text), root=1.0) for p, solution in drawn]
    config = scorer_training(plan.prm_steps, seed)
    train_prm(weights_folder("prm_error"), rows, target="error", out=out, config=config)
    return out


def _solutions(setting: Setting, *, count: int, seed: int) -> list[tuple[Problem, Solution]]:
    """Different solutions of train problems, of each four by the policy and two made up ones."""
    task, rng = load_task(setting.task, count=1), random.Random(seed)
    problems = setting.problems(count=count, seed=seed, split="train")
    pools = sample(problems, policy(setting), n=4, sampling=task.sampling, seed=seed)
    texts: dict[tuple[Problem, str], None] = {}
    for result in pools:
        own = [s.text for s in result.pool if s.finished and s.text]
        made = [make_up_text(setting.task, str(result.problem.prompt), rng) for _ in range(2)]
        texts |= dict.fromkeys((result.problem, text) for text in (*own, *made))
    return [(problem, Solution(split_steps(text), Stop.EOS)) for problem, text in texts]


def scorer_of(plan: VeriGatePlan, setting: Setting, kind: str) -> Scorer:
    """A PRM, ready to be asked; "exact" is the task's own program."""
    return ExactSteps(setting.task) if kind == "exact" else PRM.load(prm(plan, setting, kind), device="cpu")


def kinds_of(setting: Setting) -> list[str]:
    """The PRMs that a setting's arms and its audit ask and that have to be trained or loaded."""
    return sorted({"held_out", *(ARMS[arm].prm for arm in setting.arms)} - {"", "exact"})


def prm_quality(plan: VeriGatePlan, setting: Setting) -> Unit:
    """Each PRM's AUC on the starting policy's solutions of held-out problems, by its value of the whole solution."""

    def compute() -> Unit:
        pools = final_pools(plan, setting, policy(setting))
        right = np.concatenate(graded(setting, pools))
        found: Unit = {}
        for kind in kinds_of(setting):
            scorer = scorer_of(plan, setting, kind)
            values = np.concatenate(values_of(scorer, pools))
            known = ~np.isnan(values)
            found[kind] = auc(values[known], right[known])
        return found

    return unit(plan.out, f"prms/{setting.task}", compute)


def trained(plan: VeriGatePlan, setting: Setting, arm: str, seed: int) -> Unit:
    """What a training was like: `metrics`, a row a step, and of the final samples the share right of each problem."""
    name = f"{setting.task}_{slug(arm)}_{seed}"

    def compute() -> Unit:
        folder, chosen = plan.out / "trainings" / name, ARMS[arm]
        task = load_task(setting.task, count=1)
        guide = None if not chosen.prm else scorer_of(plan, setting, chosen.prm)
        verifier: Scorer = task.verifier
        if chosen.as_outcome and guide is not None:
            verifier = weighted([(task.verifier, 1.0), (guide, 1.0)])
        # Where the PRM is part of the reward it is asked too, for the audit; its gate is shut.
        speaks: Scorer | None = PAV(guide, guide) if chosen.pav and guide is not None else guide
        other = scorer_of(plan, setting, "held_out")
        result = grpo_train(
            policy(setting),
            setting.problems(count=plan.problems, seed=plan.data_seed, split="train"),
            verifier,
            speaks,
            out=folder,
            config=config_of(plan, setting, arm, seed),
            evaluate=accuracy(plan, setting),
            held_out=other,
        )
        rows = read_metrics(folder)
        pools = final_pools(plan, setting, result.policy)
        return {
            "metrics": rows,
            "right": [float(row.mean()) for row in graded(setting, pools)],
            "held_out": mean_value(other, pools),
            "prm": None if guide is None else mean_value(guide, pools),
        }

    return unit(plan.out, f"arms/{name}", compute)


def config_of(plan: VeriGatePlan, setting: Setting, arm: str, seed: int) -> GRPOConfig:
    """The options of an arm's training; all but what the arm is about are the same."""
    plain = GRPOConfig(
        steps=plan.steps,
        groups=plan.groups,
        group_size=plan.group_size,
        sampling=load_task(setting.task, count=1).sampling,
        learning_rate=plan.learning_rate,
        evaluate_every=max(1, plan.steps // plan.evaluations),
        attribute_every=0,
        save_every=0,
        seed=seed,
    )
    return replace(plain, **ARMS[arm].changes, steps=plan.steps * (3 if arm == LONGER else 1))


def accuracy(plan: VeriGatePlan, setting: Setting) -> Accuracy:
    """What is measured during a training: the share of samples of held-out problems that is right."""
    task = load_task(setting.task, count=1)
    return Accuracy(held_out(plan, setting), task.answers, task.verifier, task.sampling, plan.samples)


def held_out(plan: VeriGatePlan, setting: Setting) -> tuple[Problem, ...]:
    """The problems on which accuracy is measured."""
    return setting.problems(count=plan.held_out, seed=plan.data_seed, split="test")


def final_pools(plan: VeriGatePlan, setting: Setting, policy: Policy) -> list[SearchResult]:
    """More samples of each of these problems."""
    task = load_task(setting.task, count=1)
    return sample(held_out(plan, setting), policy, n=plan.final_samples, sampling=task.sampling, seed=9)


def values_of(scorer: Scorer, results: Sequence[SearchResult]) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    """What a scorer says of each problem's samples."""
    return [scorer.score([r.problem] * len(r.pool), list(r.pool)).values() for r in results]


def graded(setting: Setting, results: Sequence[SearchResult]) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    """Which of each problem's samples are right, 0 where one could not be graded."""
    return [np.nan_to_num(row) for row in values_of(load_task(setting.task, count=1).verifier, results)]


def mean_value(scorer: Scorer, results: Sequence[SearchResult]) -> float:
    """The mean of a scorer's values over all samples that it has an opinion of."""
    return float(np.nanmean(np.concatenate(values_of(scorer, results))))


def policy(setting: Setting) -> Transformers:
    """The policy as every training of a setting begins with it."""
    start = Transformers.load(weights_folder("policy"), dtype="float32", device="cpu")
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for matrix in start.model.parameters():
            if setting.noise and matrix.ndim == 2:
                matrix.add_(setting.noise * matrix.std() * torch.randn(matrix.shape, generator=draw))
    return start
