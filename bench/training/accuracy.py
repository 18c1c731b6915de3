"""How many held-out problems a policy in training solves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from policies.policy import Policy, Sampling
from search.strategies.self_consistency import self_consistency
from verifiers.grading.answers import Answers
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Problem


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The share of samples of held-out problems that is right, and that of their votes; the same seeds every time."""

    problems: Sequence[Problem]
    answers: Answers
    verifier: Scorer
    sampling: Sampling
    samples: int

    @property
    def names(self) -> tuple[str, str]:
        """What the two numbers are called."""
        return "accuracy", f"maj@{self.samples}"

    def __call__(self, policy: Policy) -> dict[str, float]:
        results = self_consistency(
            self.problems, policy, n=self.samples, answers=self.answers, sampling=self.sampling, seed=9
        )
        rows = [(r.problem, s) for r in results for s in (*r.pool, *([r.solution] if r.solution is not None else []))]
        said = iter(np.nan_to_num(self.verifier.score([p for p, _ in rows], [s for _, s in rows]).values()).tolist())
        single, voted = [], []
        for result in results:
            single.append(float(np.mean([next(said) for _ in result.pool])))
            voted.append(next(said) if result.solution is not None else 0.0)
        return dict(zip(self.names, (float(np.mean(single)), float(np.mean(voted))), strict=True))
