"""What the trainings of `stepbeam reproduce verigate` compute, by the lengths and the groups in their logs.

A learned PRM's own training is no part of it: it is paid once, and asked in many trainings (`Prices.of_prm`). What a
PRM learns from a policy in training is a part: each training pays for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.reproduce.folder import Unit
from bench.reproduce.verigate.arms import ARMS, Arm, Setting, VeriGatePlan
from bench.reproduce.verigate.start import start_policy
from bench.stats.arrays import Floats
from bench.tiny import weights_folder
from policies.models.parameters import FlopPrice, flop_price
from prms.prm import PRM

_BACKWARD = 3  # a forward pass and one back, which takes twice as many


@dataclass(frozen=True, slots=True)
class Prices:
    """Of a token of the policy and of a learned PRM; the tokens of a problem; the sizes of the trainings.

    Equal solutions of a group count each, as a large model has hardly any. What is a program costs nothing.
    """

    policy: FlopPrice
    prm: FlopPrice
    prompt: int
    plan: VeriGatePlan

    def of_training(self, unit: Unit, arm: str) -> Floats:
        """FLOPs of each step, (T, 3): of the policy, of the PRM where it is needed, and of all that the audit asks.

        A PRM that is refreshed learns before the step that asks it first.
        """
        return np.array([self._of_step(row, ARMS[arm]) for row in unit["metrics"] if row["step"]])

    def of_prm(self, tokens: float) -> float:
        """FLOPs of a learned PRM's own training and of sampling its rows, by the length of the start's solutions."""
        return self._of_learning(tokens, problems=self.plan.labelled, steps=self.plan.prm_steps)

    def _of_learning(self, tokens: float, *, problems: int, steps: int) -> float:
        end = self.prompt + round(tokens)
        drawn = self.policy.flops((0, self.prompt)) + 4 * self.policy.flops((self.prompt, end))
        return problems * drawn + _BACKWARD * steps * self.plan.prm_batch * self.prm.flops((0, end))

    def _of_step(self, row: Mapping[str, Any], arm: Arm) -> tuple[float, float, float]:
        groups, end = row["sampled_groups"], self.prompt + round(row["tokens"])
        solutions = groups * self.plan.group_size
        sampled = groups * self.policy.flops((0, self.prompt)) + solutions * self.policy.flops((self.prompt, end))
        learnt = _BACKWARD * (1 - row["dead"]) * solutions * self.policy.flops((0, end))
        asked = solutions * self.prm.flops((0, end))  # of all groups
        learned = arm.prm not in ("", "exact") and not arm.prm.startswith("noise")
        needed = learned * (1.0 if arm.as_outcome else _opened(row, arm.changes["gate"]))
        refreshing = 0.0
        if arm.refresh and row["step"] > 1 and (row["step"] - 1) % self.plan.refresh_every == 0:
            problems, steps = self.plan.refreshing
            refreshing = self._of_learning(row["tokens"], problems=problems + problems // 2, steps=steps)
        both = (1 + learned) * asked  # the held-out PRM, and the PRM
        return sampled + learnt, needed * asked + refreshing, both + refreshing


def _opened(row: Mapping[str, Any], gate: str) -> float:
    """The share of a step's groups for which the gate opens."""
    shares = {"always": 1.0, "never": 0.0, "all_wrong": row["all_wrong"]}
    return float(shares.get(gate, row["all_wrong"] + row["all_right"]))


def prices_of(plan: VeriGatePlan, setting: Setting) -> Prices:
    """The prices of a setting; all learned PRMs have the sizes of the shipped one, with which they begin."""
    policy = start_policy(plan, setting)
    problems = setting.load(count=plan.problems, seed=plan.data_seed, split="train").problems
    prompt = round(np.mean([len(policy.prompt_ids(problem)) for problem in problems]))
    prm = PRM.load(weights_folder("prm_error"), device="cpu")
    return Prices(flop_price(policy.model), flop_price(prm.model.base_model), prompt, plan)
