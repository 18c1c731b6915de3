r"""What a generative verifier is shown, and the words in which it answers: data, not code."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from verifiers.interface.errors import check_kinds
from verifiers.interface.solution import Problem, Solution

_FIELD = re.compile(r"\{(problem|solution)\}")


@dataclass(frozen=True, slots=True)
class GenRMFormat:
    """The prompts of a generative verifier.

    `direct`, `cot` and `solver` are templates; `{problem}` and `{solution}` stand for the texts, without
    the blanks around them. After `direct`, and after the words `verdict` that end a rationale, comes one
    of the tokens `yes` and `no`. `solver` is what the same model is shown when it learns to solve.

    A template is tokenized in two parts, cut where the solution begins, in training as in scoring: so
    the solutions of one problem share the first part. The first part is a prompt, which may spell a chat
    template's tokens; in the second, as in all that was sampled, they are only text. With `chat=True` the whole of
    it is one user message instead.

    >>> short = GenRMFormat(direct="{problem}={solution}?", cot="", solver="", verdict="?", yes="Y", no="N")
    >>> from verifiers import Step, Stop
    >>> short.direct_parts(Problem("p1", "2+2"), Solution((Step("4"),), Stop.EOS))
    ('2+2=', '4?')

    Raises ValueError for a template without its fields, or with one twice.
    """

    direct: str
    cot: str
    solver: str
    verdict: str
    yes: str
    no: str
    chat: bool = False

    def __post_init__(self) -> None:
        check_kinds(self)
        for name in ("direct", "cot"):
            template = getattr(self, name)
            if template and sorted(_FIELD.findall(template)) != ["problem", "solution"]:
                raise ValueError(f"the {name} template needs {{problem}} and {{solution}} once each: {template!r}")
        if self.solver and _FIELD.findall(self.solver) != ["problem"]:
            raise ValueError(f"the solver template needs {{problem}} once, and no other field: {self.solver!r}")
        if not self.verdict or not self.yes or not self.no or self.yes == self.no:
            raise ValueError("verdict, yes and no must be texts, and yes must differ from no")

    def direct_parts(self, problem: Problem, solution: Solution) -> tuple[str, str]:
        """Prompt and continuation after which the next token is `yes` or `no`."""
        return self._parts("direct", problem, solution)

    def cot_parts(self, problem: Problem, solution: Solution) -> tuple[str, str]:
        """Prompt and continuation after which the rationale comes, which ends in `verdict`."""
        return self._parts("cot", problem, solution)

    def solver_prompt(self, problem: Problem) -> str:
        """The prompt after which a solution comes.

        Raises ValueError where the format has no solver template.
        """
        if not self.solver:
            raise ValueError("this format has no solver template: the model cannot be trained to solve with it")
        return _fill(self.solver, problem=problem_text(problem), solution="")

    def _parts(self, name: str, problem: Problem, solution: Solution) -> tuple[str, str]:
        template: str = getattr(self, name)
        if not template:
            raise ValueError(f"this format has no {name} template: use the other mode, or give one")
        texts = {"problem": problem_text(problem), "solution": solution.text.strip()}
        head, field, tail = template.partition("{solution}")
        if self.chat or "{problem}" in tail:
            return _fill(template, **texts), ""
        return _fill(head, **texts), _fill(field + tail, **texts)


def verdict_ids(encode: Callable[[str], Sequence[int]], words: GenRMFormat) -> tuple[int, int]:
    """The token ids of `yes` and `no`.

    Raises ValueError, naming the text and its tokens, where one is not a single token or both are the same.
    """
    ids = []
    for text in (words.yes, words.no):
        tokens = encode(text)
        if len(tokens) != 1:
            raise ValueError(
                f"the verdict {text!r} is {len(tokens)} tokens {list(tokens)} of this tokenizer, and must be one, as "
                "its probability is not that of one next token: choose another `yes` and `no` in the format"
            )
        ids.append(tokens[0])
    if ids[0] == ids[1]:
        raise ValueError(f"the verdicts {words.yes!r} and {words.no!r} are one token {ids[0]} of this tokenizer")
    return ids[0], ids[1]


def problem_text(problem: Problem) -> str:
    """The problem as one text; of a conversation its messages in order, each after a blank line.

    >>> problem_text(Problem("p1", " 2+2? "))
    '2+2?'
    """
    prompt = problem.prompt
    return prompt.strip() if isinstance(prompt, str) else "\n\n".join(m.content.strip() for m in prompt)


def _fill(template: str, *, problem: str, solution: str) -> str:
    # In one pass: a solution may hold braces, or even the text of a field.
    return _FIELD.sub(lambda match: problem if match[1] == "problem" else solution, template)


_VERDICT = "Verification: Is the answer correct (Yes/No)?"
_PREAMBLE = f"""\
Solve the math problems and provide step-by-step solutions, ending with "The answer is [Insert Final Answer Here]".
When asked "{_VERDICT}", respond with " Yes" or " No" based on the answer's correctness.
When asked "Verification: Let's verify step by step.", verify every step of the solution and conclude with \
"{_VERDICT}" followed by " Yes" or " No".

Q: {{problem}}
A: Let's think step by step.
"""

# The prompts of the dataset genrm-star/genrm-critiques, word for word (Zhang et al. 2024, arXiv 2408.15240).
GENRM = GenRMFormat(
    direct=f"{_PREAMBLE}{{solution}}\n{_VERDICT}",
    cot=f"{_PREAMBLE}{{solution}}\nVerification: Let's verify step by step.\n",
    solver=_PREAMBLE,
    verdict=_VERDICT,
    yes=" Yes",
    no=" No",
)

# For a model that was never trained to verify: the dataset's words for its teacher, without the gold answer.
JUDGE = GenRMFormat(
    direct="",
    cot=f"""\
You are a math teacher. Grade the Solution, verifying correctness step by step. At the end of the Solution \
verification, when you give your final grade, write it in the form "{_VERDICT} X", where X is either Yes or No.

Question: {{problem}}

Solution: {{solution}}
""",
    solver="",
    verdict=_VERDICT,
    yes=" Yes",
    no=" No",
    chat=True,
)
