"""The trainings of `stepbeam reproduce verigate`, each kept in a file of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from bench.reproduce.folder import Unit, slug, unit
from bench.reproduce.verigate.arms import ARMS, TRANSFER, Setting, VeriGatePlan
from bench.reproduce.verigate.scorers import refreshed, scorer_of
from bench.reproduce.verigate.start import start_policy
from bench.tiny import load_task
from bench.training.accuracy import Accuracy
from bench.training.audit import read_metrics
from policies.grpo.config import GRPOConfig
from policies.grpo.train import grpo_train
from policies.policy import Policy
from search.result import SearchResult
from search.strategies.sample import sample
from verifiers.interface.naming import name_of
from verifiers.interface.scoring import Scorer, Scores, ask, outcome_scores
from verifiers.interface.solution import Problem, Solution

_SEED = 9  # of what is sampled to measure


def trained(plan: VeriGatePlan, setting: Setting, arm: str, seed: int) -> Unit:
    """What a training was like.

    `metrics` has a row a step; of the final samples of each held-out problem `right` is the share that is right with
    its working, and `answer` that with the right answer; `transfer` is the accuracy on tasks that were not trained on.
    """
    name = f"{slug(setting.name)}_{slug(arm)}_{seed}"

    def compute() -> Unit:
        folder, chosen = plan.out / "trainings" / name, ARMS[arm]
        task = setting.load()
        guide = scorer_of(plan, setting, chosen.prm) if chosen.prm else None
        verifier: Scorer = setting.by_answer() if chosen.by_answer else task.verifier
        if chosen.as_outcome and guide is not None:
            verifier = _MeanOfFinished(task.verifier, guide)
        other = scorer_of(plan, setting, "held_out")
        result = grpo_train(
            start_policy(plan, setting),
            setting.load(count=plan.problems, seed=plan.data_seed, split="train").problems,
            verifier,
            guide,  # where it is part of the reward it is asked too, for the audit; its gate is shut
            out=folder,
            config=config_of(plan, setting, arm, seed),
            evaluate=accuracy(plan, setting),
            held_out=other,
            refresh_prm=partial(refreshed, plan, setting) if chosen.refresh else None,
        )
        pools = final_pools(plan, setting, result.policy)
        return {
            "metrics": read_metrics(folder),
            "right": _shares(task.verifier, pools),
            "answer": _shares(setting.by_answer(), pools),
            "held_out": mean_value(other, pools),
            "prm": None if guide is None else mean_value(guide, pools),
            "transfer": transfer(plan, result.policy),
        }

    return unit(plan.out, f"arms/{name}", compute)


@dataclass(frozen=True, slots=True)
class _MeanOfFinished:
    """The mean of what two scorers give to a whole solution, where the first has an opinion: not of one cut off."""

    verifier: Scorer
    prm: Scorer

    @property
    def name(self) -> str:
        return f"mean({name_of(self.verifier)}, {name_of(self.prm)})"

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """One number a solution, at its last step."""
        means = (ask(self.verifier, problems, solutions).values() + ask(self.prm, problems, solutions).values()) / 2
        return outcome_scores(solutions, means.tolist())


def config_of(plan: VeriGatePlan, setting: Setting, arm: str, seed: int) -> GRPOConfig:
    """The options of an arm's training; all but what the arm is about are the same."""
    chosen = ARMS[arm]
    plain = GRPOConfig(
        steps=plan.steps * chosen.longer,
        groups=plan.groups,
        group_size=plan.group_size,
        sampling=setting.load().sampling,
        learning_rate=plan.learning_rate,
        evaluate_every=max(1, plan.steps // plan.evaluations),
        attribute_every=0,
        save_every=0,
        refresh_every=plan.refresh_every if chosen.refresh else 0,
        seed=seed,
    )
    return replace(plain, **chosen.changes)


def accuracy(plan: VeriGatePlan, setting: Setting) -> Accuracy:
    """What is measured during a training: the share of samples of held-out problems that is right."""
    task = setting.load(count=plan.held_out, seed=plan.data_seed)
    return Accuracy(task.problems, task.answers, task.verifier, task.sampling, plan.samples)


def final_pools(plan: VeriGatePlan, setting: Setting, policy: Policy) -> list[SearchResult]:
    """More samples of each of these problems."""
    task = setting.load(count=plan.held_out, seed=plan.data_seed)
    return sample(task.problems, policy, n=plan.final_samples, sampling=task.sampling, seed=_SEED)


def transfer(plan: VeriGatePlan, policy: Policy) -> dict[str, float]:
    """The share of right samples (with their working) of other tasks' problems."""
    shares = {}
    for name, difficulty in TRANSFER:
        task = load_task(name, count=plan.transferred, seed=plan.data_seed, difficulty=difficulty, working=True)
        pools = sample(task.problems, policy, n=4, sampling=task.sampling, seed=_SEED)
        label = name if difficulty is None else f"{name} {difficulty}"
        shares[label] = float(np.mean(_shares(task.verifier, pools)))
    return shares


def values_of(scorer: Scorer, results: Sequence[SearchResult]) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    """What a scorer says of each problem's samples."""
    return [scorer.score([r.problem] * len(r.pool), list(r.pool)).values() for r in results]


def mean_value(scorer: Scorer, results: Sequence[SearchResult]) -> float:
    """The mean of a scorer's values over all samples that it has an opinion of."""
    return float(np.nanmean(np.concatenate(values_of(scorer, results))))


def _shares(verifier: Scorer, results: Sequence[SearchResult]) -> list[float]:
    """Of each problem's samples the share that is right; what could not be graded is not."""
    return [float(np.nan_to_num(row).mean()) for row in values_of(verifier, results)]
