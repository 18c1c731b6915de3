"""A policy whose solutions end at given texts, as evaluation harnesses ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from policies.policy import Extended, Policy, Sampling, Until
from verifiers.interface.capabilities import remembering
from verifiers.interface.solution import Problem, Solution, Step, Stop


@dataclass(frozen=True, slots=True)
class StopAt:
    """`policy`, whose solutions end before the first of `texts` in them, as if it had ended them itself there.

    >>> from policies import Scripted
    >>> policy = StopAt(Scripted(lambda problem, prefix, seed: "It is 4.\\nQ: And 3+3?"), ("Q:",))
    >>> drawn = policy.extend([Problem("p", "2+2?")], [Solution()], until="end", sampling=Sampling(), seeds=[0])
    >>> drawn.solutions[0].text, drawn.solutions[0].finished
    ('It is 4.\\n', True)
    """

    policy: Policy
    texts: tuple[str, ...]

    def extend(
        self,
        problems: Sequence[Problem],
        prefixes: Sequence[Solution],
        *,
        until: Until,
        sampling: Sampling,
        seeds: Sequence[int],
    ) -> Extended:
        """Extend every prefix; what is drawn behind a text is left out, and was paid for."""
        drawn = self.policy.extend(problems, prefixes, until=until, sampling=sampling, seeds=seeds)
        return Extended(tuple(cut_at(solution, self.texts) for solution in drawn.solutions), drawn.spend)

    def remembering(self) -> StopAt:
        """The policy with a memory of prefixes, where it can have one."""
        return StopAt(remembering(self.policy), self.texts)


def cut_at(solution: Solution, texts: Sequence[str]) -> Solution:
    """The solution up to the first of the texts in it, if there is one."""
    if solution.stop is Stop.FAILED:
        return solution
    whole = solution.text
    end = min((at for text in texts if (at := whole.find(text)) >= 0), default=-1)
    if end < 0:
        return solution
    steps: list[Step] = []
    for step in solution.steps:
        if end <= 0:
            break
        # The tokens of a step that is cut spell more than is left.
        steps.append(step if len(step.text) <= end else Step(step.text[:end]))
        end -= len(step.text)
    return Solution(tuple(steps), Stop.EOS)
