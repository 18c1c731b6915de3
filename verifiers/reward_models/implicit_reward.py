"""The implicit reward of a tuned policy over its reference, as a scorer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np

from policies.models.engine_options import DType
from policies.policy import TokenPolicy
from verifiers.interface.arguments import check_asked, check_policy_argument
from verifiers.interface.errors import BadInput, check_finite
from verifiers.interface.naming import policy_name
from verifiers.interface.scoring import FloatArray, Scores, Spend, silent_row
from verifiers.interface.solution import Problem, Solution, Stop


@dataclass(frozen=True, slots=True, eq=False)
class ImplicitReward:
    """beta * log(pi / pi_ref) of the solution up to each step; of a whole solution at its last (Rafailov et al. 2023).

    With a policy tuned by DPO on right and wrong solutions it is the GenRM paper's DPO verifier; the
    score of a step is the sum over all steps so far (Yuan et al. 2024, "Free process rewards", eq. 5), so it
    is no probability: 0 means that the two models agree.

    >>> import policies
    >>> from policies.models.tiny_example import tiny_model
    >>> from verifiers import Problem, Solution, Step, Stop
    >>> policy = policies.Transformers(*tiny_model())
    >>> same = ImplicitReward(policy, policy, beta=0.1)
    >>> same.score([Problem("p1", "2+2=")], [Solution((Step("4"),), Stop.EOS)]).values().tolist()
    [0.0]

    Rows that either model cannot read are NaN with its reason, and failed solutions with their own. A row
    costs both models' passes. Raises ValueError for a beta that is not positive.
    """

    policy: TokenPolicy
    reference: TokenPolicy
    beta: float

    def __post_init__(self) -> None:
        check_policy_argument(self.policy)
        check_policy_argument(self.reference, name="reference")
        check_finite({"beta": self.beta}, who="ImplicitReward")
        if not self.beta > 0:
            raise ValueError(f"ImplicitReward(beta={self.beta}): it must be positive")

    @classmethod
    def load(
        cls,
        policy: str | PathLike[str],
        reference: str | PathLike[str],
        *,
        beta: float,
        dtype: DType = "auto",
        device: str = "auto",
    ) -> ImplicitReward:
        """A tuned model over its reference; both read prompts as `verifiers.train_dpo` did, where it tuned the model.

        Raises ValueError for a model of another kind and as `policies.models.pretrained.load_pretrained` does.
        """
        from policies.backends.transformers import Transformers
        from policies.models.pretrained import check_kind, checked_source, load_config

        source = checked_source(policy)
        chat = check_kind(source, load_config(source), "dpo").get("chat", True)
        if not isinstance(chat, bool | dict):
            raise BadInput(f"{source}/config.json: its stepbeam entry's chat is {chat!r}: it must be true or false")
        tuned, base = (Transformers.load(name, dtype=dtype, device=device, chat=chat) for name in (policy, reference))
        return cls(tuned, base, beta)

    @property
    def name(self) -> str:
        """What a run writes down."""
        return f"implicit({policy_name(self.policy)}, {policy_name(self.reference)}, beta={self.beta:g})"

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """The cumulated reward at every step; N rows."""
        problems, solutions = check_asked({"problems": problems, "solutions": solutions})
        alive = [i for i, solution in enumerate(solutions) if solution.stop is not Stop.FAILED]
        asked = [problems[i] for i in alive], [solutions[i] for i in alive]
        tuned, base = self.policy.logprobs(*asked), self.reference.logprobs(*asked)
        steps: list[FloatArray] = [silent_row(len(s.steps)) for s in solutions]
        spend = [Spend(scorer_calls=1)] * len(solutions)
        reasons = [s.reason for s in solutions]
        for k, i in enumerate(alive):
            gain = tuned.steps[k].astype(np.float64) - base.steps[k]
            steps[i] = (self.beta * np.cumsum(gain)).astype(np.float32)
            spend[i] = (tuned.spend[k] + base.spend[k]).as_scorer()
            reasons[i] = tuned.reasons[k] or base.reasons[k]
        return Scores(tuple(steps), tuple(spend), tuple(reasons))
