"""What a benchmark task is: problems, how answers are read and compared, a verifier, and sampling that fits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from policies.policy import Sampling
from verifiers.grading.answer_verifier import AnswerVerifier
from verifiers.grading.answers import Answers, with_thinking
from verifiers.interface.scoring import Scorer
from verifiers.interface.solution import Problem


@dataclass(frozen=True, slots=True)
class Task:
    """Problems with all that a run needs to sample, vote on and grade their solutions.

    `answers` reads and compares answers for votes; `verifier` grades finished solutions 1.0 or 0.0
    and alone decides what is right; `sampling` holds defaults that fit the task.

    >>> from bench.tiny import load_task
    >>> task = load_task("chain", count=2)
    >>> task.name, len(task.problems), task.answers.extract("7+5=2\\n=2")
    ('chain', 2, '2')
    """

    name: str
    problems: tuple[Problem, ...]
    answers: Answers
    verifier: Scorer
    sampling: Sampling

    def with_thinking(self, thinking: Sequence[str]) -> "Task":
        """The task with answers read behind thoughts with further marks, each written as "BEGIN,END".

        >>> from bench.tiny import load_task
        >>> load_task("chain", count=2).with_thinking(["<cot>,</cot>"]).answers.extract("<cot>=3</cot>\\n=2")
        '2'

        A verifier that grades whole texts stays as it is. Raises BadArgument for marks that are not written so.
        """
        answers = with_thinking(self.answers, thinking)
        reads = isinstance(self.verifier, AnswerVerifier)
        return replace(self, answers=answers, verifier=AnswerVerifier(answers) if reads else self.verifier)
