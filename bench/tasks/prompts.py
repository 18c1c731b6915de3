"""How a task's problems are asked: with a system message, an instruction, and solved problems before them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from verifiers.interface.errors import BadArgument
from verifiers.interface.solution import Message, Problem


@dataclass(frozen=True, slots=True)
class Wording:
    """What stands round the problems' own prompts; `shots` are solved problems with their solutions.

    A prompt of messages, and any with a `system` message, has solved problems as turns before it; one that is a text
    has them as text.

    >>> shots = [(Problem("s", "1+1?"), "2")]
    >>> Wording(instruction="Be brief.", shots=shots).asked(Problem("p", "2+2?")).prompt
    '1+1?\\n\\nBe brief.\\n2\\n\\n2+2?\\n\\nBe brief.'
    >>> [turn.role for turn in Wording(system="You add.", shots=shots).asked(Problem("p", "2+2?")).prompt]
    ['system', 'user', 'assistant', 'user']
    """

    instruction: str = ""
    system: str | None = None
    shots: Sequence[tuple[Problem, str]] = ()

    def asked(self, problem: Problem) -> Problem:
        """The problem with its prompt as it is asked."""
        prompt = problem.prompt
        if isinstance(prompt, str) and self.system is None and all(isinstance(p.prompt, str) for p, _ in self.shots):
            before = "".join(f"{self._ended(str(shot.prompt))}\n{solution}\n\n" for shot, solution in self.shots)
            return replace(problem, prompt=before + self._ended(prompt))
        turns = self._turns(prompt)
        shown = [
            turn
            for shot, solution in self.shots
            for turn in (*(t for t in self._turns(shot.prompt) if t.role != "system"), Message("assistant", solution))
        ]
        own = [turn for turn in turns if turn.role == "system"]
        opening = own if self.system is None else [Message("system", self.system)]
        return replace(problem, prompt=(*opening, *shown, *(turn for turn in turns if turn.role != "system")))

    def _turns(self, prompt: str | tuple[Message, ...]) -> list[Message]:
        """The messages of a prompt, with the instruction behind the last of the user's."""
        if isinstance(prompt, str):
            return [Message("user", self._ended(prompt))]
        turns = list(prompt)
        last = max((place for place, turn in enumerate(turns) if turn.role == "user"), default=None)
        if last is not None:
            turns[last] = replace(turns[last], content=self._ended(turns[last].content))
        return turns

    def _ended(self, text: str) -> str:
        if not self.instruction:
            return text
        return text + (self.instruction if self.instruction[0].isspace() else f"\n\n{self.instruction}")


def check_shots(shots: Sequence[tuple[Problem, str]], problems: Sequence[Problem], given: str) -> None:
    """Raise BadArgument where a problem is shown with its solution before it is asked."""
    asked = {problem.prompt: problem.id for problem in problems}
    for shot, _ in shots:
        if shot.prompt in asked:
            raise BadArgument(
                "shots", given, f"its {shot.id!r} is problem {asked[shot.prompt]!r} of the task; show others"
            )
