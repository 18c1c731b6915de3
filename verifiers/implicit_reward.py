"""The implicit reward of a tuned policy over its reference, as a scorer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from policies.policy import TokenPolicy
from verifiers.scoring import FloatArray, Scores
from verifiers.solution import Problem, Solution


@dataclass(frozen=True, slots=True, eq=False)
class ImplicitReward:
    """beta * log(pi / pi_ref) of the solution up to each step; of a whole solution at its last (Rafailov et al. 2023).

    With a policy tuned by DPO on right and wrong solutions it is the GenRM paper's DPO verifier; the
    score of a step is the sum over all steps so far (Yuan et al. 2024, "Free process rewards", eq. 5), so it
    is no probability: 0 means that the two models agree.

    >>> import policies
    >>> from policies.tiny_example import tiny_model
    >>> from verifiers import Problem, Solution, Step, Stop
    >>> policy = policies.Transformers(*tiny_model())
    >>> same = ImplicitReward(policy, policy, beta=0.1)
    >>> same.score([Problem("p1", "2+2=")], [Solution((Step("4"),), Stop.EOS)]).values().tolist()
    [0.0]

    Rows that either model cannot read are NaN with its reason; failed solutions have no opinion. A row
    costs both models' passes. Raises ValueError for a beta that is not positive.
    """

    policy: TokenPolicy
    reference: TokenPolicy
    beta: float

    def __post_init__(self) -> None:
        if not self.beta > 0:
            raise ValueError(f"ImplicitReward(beta={self.beta}): it must be positive")

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """The cumulated reward at every step; N rows."""
        tuned = self.policy.logprobs(problems, solutions)
        base = self.reference.logprobs(problems, solutions)
        steps: list[FloatArray] = []
        for a, b in zip(tuned.steps, base.steps, strict=True):
            gain = a.astype(np.float64) - b
            steps.append((self.beta * np.cumsum(gain)).astype(np.float32))
        spend = [(a + b).as_scorer() for a, b in zip(tuned.spend, base.spend, strict=True)]
        reasons = [a or b for a, b in zip(tuned.reasons, base.reasons, strict=True)]
        return Scores(tuple(steps), tuple(spend), tuple(reasons))
