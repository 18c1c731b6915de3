"""The trainings of `stepbeam reproduce verigate`, each kept in a folder of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.grpo_audit import audit, read_metrics
from bench.reproduce.folder import Unit, slug, unit
from bench.tiny import load_task, weights_folder
from policies.advantages import CREDITS
from policies.grpo import grpo_train
from policies.grpo_config import GRPOConfig
from policies.policy import Policy, Sampling
from policies.transformers import Transformers
from prms.pav import PAV
from prms.prm import PRM
from search.result import SearchResult
from search.self_consistency import self_consistency
from verifiers.scoring import Scorer
from verifiers.solution import Problem
from verifiers.weighted import weighted

TASK = "countdown"


@dataclass(frozen=True, slots=True)
class Arm:
    """A way to train: what the PRM is for, and the options that make it so."""

    changes: Mapping[str, Any]
    prm: str = "prm"  # "prm", "pav", "outcome" (summed into the reward), or "" for none


ARMS: dict[str, Arm] = {
    "outcome": Arm({"gate": "never"}, ""),
    "dynamic sampling": Arm({"gate": "never", "resample": 3}, ""),
    "PRM as outcome": Arm({"gate": "never"}, "outcome"),
    "ungated": Arm({"gate": "always", "credit": "future_sum"}),
    "PAV-RL": Arm({"gate": "always", "credit": "advantage", "scale": "none", "prm_coef": 5.0}, "pav"),
    **{f"degenerate, {c}": Arm({"gate": "degenerate", "credit": c}) for c in CREDITS},
    **{f"all_wrong, {c}": Arm({"gate": "all_wrong", "credit": c}) for c in CREDITS},
}
GATED = "degenerate, future_sum"  # VeriGate as its abstract has it


@dataclass(frozen=True, slots=True)
class Work:
    """Where a reproduction works and how large it is; equal sizes give equal results."""

    out: Path
    seeds: tuple[int, ...] = (0, 1, 2)
    arms: tuple[str, ...] = tuple(ARMS)
    problems: int = 400  # to train on
    held_out: int = 100  # problems to measure accuracy on
    samples: int = 4  # of each of these during training
    final_samples: int = 16  # and after it
    steps: int = 80
    groups: int = 32
    group_size: int = 4
    learning_rate: float = 2e-5
    evaluations: int = 8
    data_seed: int = 51


def trained(work: Work, arm: str, seed: int) -> Unit:
    """What a training was like: `metrics`, a row a step, the audit's signs, and the share right of each problem."""

    def compute() -> Unit:
        folder = work.out / "trainings" / f"{slug(arm)}_{seed}"
        task = load_task(TASK, count=work.problems, seed=work.data_seed, split="train")
        chosen, prm = ARMS[arm], PRM.load(weights_folder("prm"), device="cpu")
        verifier: Scorer = task.verifier
        if chosen.prm == "outcome":
            verifier = weighted([(task.verifier, 1.0), (prm, 1.0)])
        # Where the PRM is part of the reward it is asked too, for the audit; its gate is shut.
        guides: dict[str, Scorer | None] = {"prm": prm, "outcome": prm, "pav": PAV.best_of_k(prm, 4)}
        other = PRM.load(weights_folder("prm_error"), device="cpu")
        judge = Evaluation(held_out(work), work.samples, task.sampling)
        trained_policy = grpo_train(
            policy(),
            task.problems,
            verifier,
            guides.get(chosen.prm),
            out=folder,
            config=config_of(work, arm, seed),
            evaluate=judge,
            held_out=other,
        ).policy
        rows = read_metrics(folder)
        pools = replace(judge, samples=work.final_samples).pools(trained_policy)
        found = audit(rows)
        return {
            "metrics": rows,
            "signs": list(found.signs),
            "fired": found.fired,
            "right": share_right(pools),
            "held_out": mean_value(other, pools),
        }

    return unit(work.out, f"arms/{slug(arm)}_{seed}", compute)


def config_of(work: Work, arm: str, seed: int) -> GRPOConfig:
    """The options of an arm's training; all but what the arm is about are the same."""
    sampling = load_task(TASK, count=1).sampling
    plain = GRPOConfig(
        steps=work.steps,
        groups=work.groups,
        group_size=work.group_size,
        sampling=sampling,
        learning_rate=work.learning_rate,
        evaluate_every=max(1, work.steps // work.evaluations),
        attribute_every=0,
        save_every=0,
        seed=seed,
    )
    return replace(plain, **ARMS[arm].changes)


def held_out(work: Work) -> tuple[Problem, ...]:
    """The problems on which accuracy is measured."""
    return load_task(TASK, count=work.held_out, seed=work.data_seed).problems


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Samples of held-out problems: the share that is right, with the same seeds every time."""

    problems: Sequence[Problem]
    samples: int
    sampling: Sampling

    def __call__(self, policy: Policy) -> dict[str, float]:
        return {"accuracy": float(np.mean(share_right(self.pools(policy))))}

    def pools(self, policy: Policy) -> list[SearchResult]:
        """The samples of each problem."""
        return self_consistency(
            self.problems,
            policy,
            n=self.samples,
            answers=load_task(TASK, count=1).answers,
            sampling=self.sampling,
            seed=9,
        )


def share_right(results: Sequence[SearchResult]) -> list[float]:
    """The share of each problem's samples that is right."""
    verifier = load_task(TASK, count=1).verifier
    rows = [verifier.score([r.problem] * len(r.pool), list(r.pool)).values() for r in results]
    return [float(np.nan_to_num(row).mean()) for row in rows]


def mean_value(scorer: Scorer, results: Sequence[SearchResult]) -> float:
    """The mean of a scorer's values over all samples that it has an opinion of."""
    rows = [scorer.score([r.problem] * len(r.pool), list(r.pool)).values() for r in results]
    return float(np.nanmean(np.concatenate(rows)))


def policy() -> Transformers:
    """The shipped policy, as every training begins with it."""
    return Transformers.load(weights_folder("policy"), dtype="float32", device="cpu")
