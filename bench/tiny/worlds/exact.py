"""A process scorer that knows the truth about an embedded task: what no trained PRM can beat."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.tiny.worlds.worlds import WORLDS
from verifiers.interface.scoring import Scores
from verifiers.interface.solution import Problem, Solution


@dataclass(frozen=True, slots=True)
class ExactSteps:
    r"""1 for every step up to the first error and 0 from there on, by the task's own program.

    >>> from verifiers import split_steps
    >>> scorer, problem = ExactSteps("chain"), Problem("p", "C 7-9*3\n")
    >>> [row.tolist() for row in scorer.score([problem], [Solution(split_steps("7-9=8\n8*3=1\n=1"))]).steps]
    [[1.0, 0.0, 0.0]]
    """

    task: str

    @property
    def name(self) -> str:
        """What a run writes down."""
        return f"exact({self.task})"

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """A label a step."""
        world, rows = WORLDS[self.task], []
        for problem, solution in zip(problems, solutions, strict=True):
            steps = [step.text for step in solution.steps]
            labels = world.labels(str(problem.prompt), steps, finished=solution.finished)
            rows.append(np.array(labels, dtype=np.float32))
        return Scores(tuple(rows))

    def root_values(self, problems: Sequence[Problem]) -> Scores:
        """Before the first step there is no error."""
        return Scores((np.ones(1, dtype=np.float32),) * len(problems))
