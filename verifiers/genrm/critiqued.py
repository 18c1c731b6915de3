"""What a generative verifier learns from: a solution, whether it is right, and why."""

import re
from dataclasses import dataclass

from verifiers.genrm.format import GenRMFormat
from verifiers.interface.arguments import check_kind, check_problem, shown
from verifiers.interface.errors import BadArgument
from verifiers.interface.solution import Problem, Solution

_MARK = r"(?:\s|\*|</?b>)"


@dataclass(frozen=True, slots=True)
class Critiqued:
    """A finished solution, its correctness, and rationales that end in a verdict (none for direct training).

    >>> from verifiers import Problem, Step, Stop
    >>> solution = Solution((Step("2+2=5"),), Stop.EOS)
    >>> Critiqued(Problem("p1", "2+2?"), solution, False, ("2+2 is 4. Is the answer correct (Yes/No)? No",)).right
    False

    Raises ValueError for an unfinished or empty solution.
    """

    problem: Problem
    solution: Solution
    right: bool
    rationales: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_problem(self.problem)
        check_kind("solution", self.solution, Solution, "give a verifiers.Solution")
        if self.right not in (0, 1):
            raise BadArgument("right", shown(self.right), "give True or False")
        check_kind("rationales", self.rationales, tuple | list, "give a tuple of texts")
        if not self.solution.finished or not self.solution.text.strip():
            raise ValueError(
                f"problem {self.problem.id!r}: only a finished solution with text can be verified "
                f"(stop {self.solution.stop})"
            )


def read_verdict(rationale: str, words: GenRMFormat) -> tuple[str, bool] | None:
    """A rationale up to and with its verdict words, and the verdict; None where there is none.

    As in scoring, the first verdict words end the rationale. Where a teacher put marks of bold print
    between them, they are written without.

    >>> from verifiers.genrm.format import GENRM
    >>> text = "1. 2+2=4 (Correct)\\n\\nVerification:** Is the answer correct (Yes/No)? **Yes**"
    >>> read_verdict(text, GENRM)
    ('1. 2+2=4 (Correct)\\n\\nVerification: Is the answer correct (Yes/No)?', True)
    >>> read_verdict("It is wrong.", GENRM)
    """
    before, found, after = rationale.partition(words.verdict)
    if not found:
        marked = re.search(f"{_MARK}+".join(map(re.escape, words.verdict.split())), rationale)
        if marked is None:
            return None
        before, after = rationale[: marked.start()], rationale[marked.end() :]
    said = re.sub(f"^{_MARK}+", "", after)
    for text, right in ((words.yes.strip(), True), (words.no.strip(), False)):
        if said.startswith(text) and not said[len(text) :][:1].isalnum():
            return before.lstrip() + words.verdict, right
    return None
