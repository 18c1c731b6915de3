"""The nouns: a problem, and a solution made of steps."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from verifiers.interface.errors import BadInput, in_one_line


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat prompt.

    >>> Message("user", "What is 2+2?").role
    'user'

    Raises BadInput for a role or a content that is no text. Which roles there are, a model's chat template says.
    """

    role: str
    content: str

    def __post_init__(self) -> None:
        given: tuple[Any, Any] = (self.role, self.content)  # which no type checker may have seen
        if not all(isinstance(part, str) for part in given) or not self.role:
            raise BadInput(
                f"Message({in_one_line(self.role)[:20]}, {in_one_line(self.content)[:60]}): give two texts, a role, "
                "such as 'user', and the content"
            )


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem to solve; `answer` is the gold answer, where there is one.

    >>> Problem("p1", "What is 2+2?", answer="4").answer
    '4'

    A conversation may be given as dicts, which become messages.

    >>> Problem("p2", [{"role": "user", "content": "What is 2+2?"}]).prompt
    (Message(role='user', content='What is 2+2?'),)

    `fields` holds whatever else is known of it, such as its level or the tests of a program; problems that differ in
    these alone are equal. Raises BadInput for an id or an answer that is no text, and for a prompt that is neither text
    nor messages.
    """

    id: str
    prompt: str | tuple[Message, ...]
    answer: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        given: tuple[Any, Any, Any] = (self.id, self.prompt, self.answer)  # which no type checker may have seen
        name, prompt, answer = given
        if not isinstance(name, str):
            raise BadInput(f"problem {name!r}: its id is no text; write {str(name)!r}")
        if not isinstance(answer, str | None):
            write = f"answer={str(answer)!r}" if isinstance(answer, int | float) else "it as a text"
            raise BadInput(f"problem {name!r}: its answer {in_one_line(answer)} is no text; write {write}")
        if not isinstance(self.fields, Mapping):
            raise BadInput(f"problem {name!r}: its fields are {in_one_line(self.fields)[:60]}; give a dict")
        if not isinstance(prompt, str):
            object.__setattr__(self, "prompt", _messages(name, prompt))


def _messages(problem: str, turns: Any) -> tuple[Message, ...]:
    if isinstance(turns, list | tuple) and turns:
        with suppress(BadInput):  # of a message, which does not know the problem
            made = [
                Message(t["role"], t["content"]) if isinstance(t, Mapping) and t.keys() >= _MESSAGE else t
                for t in turns
            ]
            if all(isinstance(m, Message) for m in made):
                return tuple(made)
    raise BadInput(
        f"problem {problem!r}: its prompt is {in_one_line(turns)[:60]}; give a text, or messages with texts, such as "
        '[{"role": "user", "content": "What is 2+2?"}]'
    )


_MESSAGE = {"role", "content"}


class Stop(StrEnum):
    """Why a solution ends where it does."""

    OPEN = "open"  # a prefix: more steps may follow
    EOS = "eos"  # the policy ended it; the only stop that is finished
    LENGTH = "length"  # cut off by a token limit; not finished
    FAILED = "failed"  # could not be generated; `Solution.reason` says why


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a solution; a separator belongs to the step it ends.

    `tokens` and `logprobs` have shape (L,) and are None where a backend does not give them.
    The tokens may end in an end-of-sequence id that `text` does not show; it belongs to the last
    step, and only a solution that ends at once has a step with an empty text, to hold it. A
    log-probability is that of the token under the policy at the sampling temperature, before
    top-p and top-k.
    """

    text: str
    tokens: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise BadInput(f"a step's text is {in_one_line(self.text)[:60]}; give a text")
        for given in (self.tokens, self.logprobs):
            if given is not None and not isinstance(given, tuple):
                raise BadInput(f"a step's tokens or logprobs are {in_one_line(given)[:60]}; give a tuple, or None")

    def __repr__(self) -> str:
        return f"<Step {brief(self.text)}{'' if self.tokens is None else f', {len(self.tokens)} tokens'}>"


@dataclass(frozen=True, slots=True)
class Solution:
    r"""A solution, or a prefix of one; the empty default is the root of every search.

    >>> s = Solution((Step("2+2=4\n"), Step("The answer is 4.")), Stop.EOS)
    >>> s.text
    '2+2=4\nThe answer is 4.'
    >>> s.finished, Solution().finished
    (True, False)
    >>> s
    <Solution eos, 2 steps: '2+2=4\nThe answer is 4.'>
    """

    steps: tuple[Step, ...] = ()
    stop: Stop = Stop.OPEN
    reason: str | None = None

    def __post_init__(self) -> None:
        steps: Any = self.steps  # which no type checker may have seen
        if isinstance(steps, list):
            object.__setattr__(self, "steps", tuple(steps))
        elif not isinstance(steps, tuple):
            raise BadInput(f"a solution's steps are {in_one_line(steps)[:60]}; give a tuple of verifiers.Step")
        if not ({*map(type, steps)} <= {Step} or all(isinstance(step, Step) for step in steps)):
            write = "make them of a text by verifiers.split_steps(text)"
            raise BadInput(
                f"a solution's steps are {in_one_line(steps)[:60]}; give a tuple of verifiers.Step, or {write}"
            )
        if type(self.stop) is not Stop:
            raise BadInput(
                f"a solution's stop is {in_one_line(self.stop)}; give one of verifiers.Stop, such as Stop.EOS"
            )
        if self.reason is not None and not isinstance(self.reason, str):
            raise BadInput(f"a solution's reason is {in_one_line(self.reason)[:60]}; give a text, or None")
        if self.stop is Stop.FAILED and not self.reason:
            raise ValueError("a failed solution needs a reason: Solution(stop=Stop.FAILED, reason=...)")

    def __repr__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        return f"<Solution {self.stop}{why}, {len(self.steps)} steps: {brief(self.text)}>"

    @property
    def text(self) -> str:
        """The whole text, lossless: the join of the steps' texts."""
        return "".join(step.text for step in self.steps)

    @property
    def finished(self) -> bool:
        """True only if the policy itself ended the solution; a length cut is not finished."""
        return self.stop is Stop.EOS

    @property
    def token_count(self) -> int:
        """Tokens in all steps, 0 where a backend gave none."""
        return sum(len(step.tokens) for step in self.steps if step.tokens is not None)


def brief(text: str) -> str:
    """A text as Python writes it, without its middle where it is long: its end has the answer.

    >>> print(brief("one " * 99 + "4"))
    'one one one one one one one on'...' one one one one one one one 4'
    """
    return repr(text) if len(text) <= 2 * _END else f"{text[:_END]!r}...{text[-_END:]!r}"


_END = 30  # characters of a long text that are shown at either end


class Refusal(str):
    """A reason that lies in what was asked: a prompt longer than the context, say, which no other try will mend.

    A policy gives it as a failed solution's reason, a scorer as a row's; `stepbeam serve` answers it with a 400.

    >>> failed(Refusal("the prompt has 900 tokens and the model's context 512")).reason
    "the prompt has 900 tokens and the model's context 512"
    """

    __slots__ = ()


def failed(reason: str, steps: Iterable[Step] = ()) -> Solution:
    """A solution that could not be made; it stays in every pool and denominator.

    >>> failed("HTTP 500").stop
    <Stop.FAILED: 'failed'>

    Raises ValueError for a reason or steps that are none.
    """
    given: Any = steps  # of which `Solution` says what it is, where it is none
    made = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str | Mapping) else given
    return Solution(made, Stop.FAILED, reason)


def check_separator(separator: str) -> None:
    """Raise ValueError where what ends a step is empty."""
    if not separator:
        raise ValueError("separator is empty: name the text that ends a step, such as '\\n\\n'")


def split_steps(text: str, separator: str = "\n") -> tuple[Step, ...]:
    r"""Cut a text into steps without losing a character.

    Each step keeps the separator (and any run of further separators) that ends it, so no step is
    empty or blank filler and no phantom step follows a trailing separator.

    >>> [s.text for s in split_steps("a\n\nb\n", separator="\n\n")]
    ['a\n\n', 'b\n']
    >>> [s.text for s in split_steps("a\nb\n")], split_steps("")
    (['a\n', 'b\n'], ())

    Raises ValueError for an empty separator.
    """
    given: tuple[Any, Any] = (text, separator)
    if not all(isinstance(one, str) for one in given):
        raise BadInput(f"split_steps({in_one_line(text)[:60]}, {in_one_line(separator)[:20]}): give two texts")
    check_separator(separator)
    steps: list[str] = []
    *ended, rest = text.split(separator)
    opened = True  # whether the last step has nothing but separators, which open the first one
    for piece in [*(part + separator for part in ended), *filter(None, [rest])]:
        said = piece != separator
        if steps and (opened or not said):  # else a separator alone ends the step before it
            steps[-1] += piece
        else:
            steps.append(piece)
        opened = opened and not said
    return tuple(map(Step, steps))
