"""What a benchmark task is: problems, how answers are read and compared, a verifier, and sampling that fits."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from policies.policy import Sampling
from verifiers.grading.answer_verifier import AnswerVerifier
from verifiers.grading.answers import MATH, Answers, with_thinking
from verifiers.interface.errors import BadArgument
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Problem


@dataclass(frozen=True, slots=True)
class Task:
    """Problems with all that a run needs to sample, vote on and grade their solutions.

    `answers` reads and compares answers for votes; `verifier` grades finished solutions 1.0 or 0.0
    and alone decides what is right, by default whether their answer equals the problem's; `sampling` holds
    defaults that fit the task.

    >>> from bench.tiny import load_task
    >>> task = load_task("chain", count=2)
    >>> task.name, len(task.problems), task.answers.extract("7+5=2\\n=2")
    ('chain', 2, '2')
    """

    name: str
    problems: tuple[Problem, ...]
    answers: Answers = MATH
    verifier: Scorer = None  # type: ignore[assignment]  # by the answers
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=1024))

    def __post_init__(self) -> None:
        object.__setattr__(self, "problems", tuple(self.problems))
        given: Any = self.verifier
        if given is None:
            object.__setattr__(self, "verifier", AnswerVerifier(self.answers))

    def with_thinking(self, thinking: Sequence[str]) -> "Task":
        """The task with answers read behind thoughts with further marks, each written as "BEGIN,END".

        >>> from bench.tiny import load_task
        >>> load_task("chain", count=2).with_thinking(["<cot>,</cot>"]).answers.extract("<cot>=3</cot>\\n=2")
        '2'

        A verifier that grades whole texts stays as it is. Raises BadArgument for marks that are not written so.
        """
        return self._reading(with_thinking(self.answers, thinking))

    def with_answers(self, answers: Answers) -> "Task":
        """The task with answers read and compared in another way; raises BadArgument where it grades whole texts."""
        if not isinstance(self.verifier, AnswerVerifier):
            raise BadArgument("answers", "given", f"the task {self.name} grades by itself; leave this out")
        return self._reading(answers)

    def _reading(self, answers: Answers) -> "Task":
        reads = isinstance(self.verifier, AnswerVerifier)
        return replace(self, answers=answers, verifier=AnswerVerifier(answers) if reads else self.verifier)
