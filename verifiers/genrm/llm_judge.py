"""A language model as a judge, without training: the baseline of the GenRM paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from policies.policy import Sampling, TokenPolicy
from verifiers.genrm.format import JUDGE, GenRMFormat
from verifiers.genrm.judge import GenRM
from verifiers.interface.arguments import check_kind
from verifiers.interface.naming import policy_name
from verifiers.interface.scoring import Scores
from verifiers.interface.solution import Problem, Solution


@dataclass(frozen=True, slots=True, eq=False)
class LLMJudge:
    """An instruction-tuned model that is asked for a verdict, `votes` times (Zhang et al. 2024: 32).

    A `GenRM` in mode "cot" with a prompt for a model that was never taught to verify. Its yes and no
    share little of the probability where it goes on in other words, so they are normalised.

    >>> import policies
    >>> from policies.models.tiny_example import tiny_model
    >>> from verifiers import Problem, Solution, Step, Stop
    >>> short = GenRMFormat(direct="", cot="{problem}={solution}.", solver="", verdict="?", yes="Y", no="N")
    >>> judge = LLMJudge(policies.Transformers(*tiny_model()), votes=2, format=short, sampling=Sampling(max_tokens=9))
    >>> scores = judge.score([Problem("p1", "2+2")], [Solution((Step("4"),), Stop.EOS)])
    >>> scores.spend[0].judged_tokens > 0
    True

    Raises ValueError as `GenRM` does, and for a chat format where the policy has no chat template.
    """

    policy: TokenPolicy
    votes: int = 32
    format: GenRMFormat = JUDGE
    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=0.7, max_tokens=1024))
    redraws: int = 3
    seed: int = 0
    ends_only: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_kind("format", self.format, GenRMFormat, "give a verifiers.GenRMFormat")
        if self.format.chat and not getattr(self.policy, "uses_chat_template", True):
            raise ValueError(
                "the judge's format is made for a chat message, and the policy has no chat template (or chat=False): "
                "take an instruction-tuned model, or a format with chat=False"
            )
        self.as_genrm()

    @property
    def name(self) -> str:
        """What a run writes down."""
        return f"judge({policy_name(self.policy)}, votes={self.votes})"

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """One mean P(yes) a finished solution, at its last step; N rows."""
        return self.as_genrm().score(problems, solutions)

    def as_genrm(self) -> GenRM:
        """The generative verifier that it is, for instance to read its rationales with `judge`."""
        return GenRM(
            self.policy,
            "cot",
            self.votes,
            self.format,
            probability="normalised",
            sampling=self.sampling,
            redraws=self.redraws,
            seed=self.seed,
        )
