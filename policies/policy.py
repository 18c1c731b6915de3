"""What a policy is: something that extends prefixes by a step, or to the end."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Literal, Protocol, TypeAlias

from verifiers.interface.arguments import check_rows
from verifiers.interface.errors import check_finite, check_kinds
from verifiers.interface.scoring import ZERO, FloatArray, Scores, Spend
from verifiers.interface.solution import Problem, Solution, check_separator

Until: TypeAlias = Literal["step", "end"]
"""How far to extend: by one step, or to the end of the solution."""


_COLDEST = 1e-6  # of a temperature: colder ones make logits infinite


@dataclass(frozen=True, slots=True)
class Sampling:
    r"""How a policy samples.

    `max_tokens` bounds the whole solution, prefix included, so that every strategy has the same
    room; a solution that reaches it has `Stop.LENGTH`. `temperature=0` is greedy. `separator` ends
    a step. `logprobs` asks for each token's log-probability, which training and confidences read; a
    policy that has them for nothing gives them unasked.

    >>> Sampling(temperature=0.8, separator="\n\n")
    Sampling(temperature=0.8, top_p=1.0, top_k=0, max_tokens=512, separator='\n\n', logprobs=False)

    Raises ValueError for a value out of range.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0  # 0: off
    max_tokens: int = 512
    separator: str = "\n"
    logprobs: bool = False

    def __post_init__(self) -> None:
        check_kinds(self)
        check_finite({"temperature": self.temperature, "top_p": self.top_p})
        if self.temperature < 0 or 0 < self.temperature < _COLDEST:
            raise ValueError(f"temperature is {self.temperature}: it must be 0 (greedy), or {_COLDEST:g} or more")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}: it must be in (0, 1]")
        if self.top_k < 0:
            raise ValueError(f"top_k is {self.top_k}: it must be 0 (off) or more")
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens is {self.max_tokens}: it must be 1 or more")
        check_separator(self.separator)


@dataclass(frozen=True, slots=True)
class Extended:
    """A policy's reply: `solutions[i]` extends `prefixes[i]`, at the cost `spend[i]`.

    A row that could not be extended is a solution with `Stop.FAILED` and a reason.
    Raises BadArgument for what is no solution or no spend, ValueError where the two lengths differ.
    """

    solutions: tuple[Solution, ...]
    spend: tuple[Spend, ...] = ()

    def __post_init__(self) -> None:
        given = check_rows(self.solutions, Solution, "give a verifiers.Solution for each prefix", name="solutions")
        spend = check_rows(self.spend, Spend, "give a verifiers.Spend for each prefix", name="spend")
        object.__setattr__(self, "solutions", tuple(given))
        object.__setattr__(self, "spend", tuple(spend) or (ZERO,) * len(given))
        if len(self.spend) != len(self.solutions):
            raise ValueError(f"{len(self.solutions)} solutions but {len(self.spend)} rows of spend: give one a row")

    def __repr__(self) -> str:
        stops = Counter(str(solution.stop) for solution in self.solutions)
        return f"<Extended {len(self.solutions)} solutions: {', '.join(f'{n} {stop}' for stop, n in stops.items())}>"


# A row's cost where nobody says what was computed for it.
UNKNOWN = Spend(policy_calls=1, prompt_tokens=nan, sampled_tokens=nan, policy_flops=nan, prompt_flops=nan)


class Policy(Protocol):
    """Anything that can extend prefixes. To sample from scratch, extend the empty `Solution()`.

    Row i extends `prefixes[i]` of `problems[i]` with `seeds[i]`, and depends on nothing else: not
    on the other rows and not on earlier calls. Rows with an equal prefix are samples of one state,
    and a backend is expected to compute that state once. `until="step"` adds exactly one step (or
    ends the solution); `until="end"` runs until the policy stops or `sampling.max_tokens`.
    """

    def extend(
        self,
        problems: Sequence[Problem],
        prefixes: Sequence[Solution],
        *,
        until: Until,
        sampling: Sampling,
        seeds: Sequence[int],
    ) -> Extended:
        """One solution a row, in the order given. A row that fails is a failed solution.

        The library's own raise ValueError for what are no problems, open prefixes and seeds, one a row.
        """
        ...


class RowStream(Protocol):
    """Rows under way in a policy: each is answered when it ends, whatever the others do. One thread uses it."""

    def add(
        self,
        problems: Sequence[Problem],
        prefixes: Sequence[Solution],
        *,
        until: Until,
        sampling: Sampling,
        seeds: Sequence[int],
    ) -> list[int]:
        """Start a row each, as `Policy.extend` would; the numbers that they are known by."""
        ...

    def ended(self, *, seconds: float | None = None) -> list[tuple[int, Solution, Spend]]:
        """The rows that have ended since the last call; where there is none it waits for one, at most so long."""
        ...

    def cancel(self, rows: Sequence[int]) -> list[tuple[int, Spend]]:
        """Stop rows that have not been given out; what each had cost, NaN where that is not known."""
        ...

    def close(self) -> None:
        """Stop all rows."""
        ...


class StreamingPolicy(Policy, Protocol):
    """A policy whose rows need not wait for each other; `extend` gives the same rows."""

    def stream(self) -> RowStream:
        """Rows under way, none at first."""
        ...


def stream_of(policy: object) -> RowStream | None:
    """A stream of rows from a policy that can answer them one by one; None where it answers calls only.

    >>> from policies import Scripted
    >>> stream_of(Scripted(lambda problem, prefix, seed: "4")) is None
    True
    """
    make: Callable[[], RowStream] | None = getattr(policy, "stream", None)
    return None if make is None else make()


@dataclass(frozen=True, slots=True)
class NextTokens:
    """What may come next: `probs[i, j]` is the probability of token j of those asked for, after row i.

    `probs` has shape (N, tokens), NaN in a row that could not be read, for which `reasons[i]` says why
    (else None); `spend[i]` is the row's cost.
    """

    probs: FloatArray
    spend: tuple[Spend, ...]
    reasons: tuple[str | None, ...]


class TokenPolicy(Policy, Protocol):
    """A policy that also tells its probabilities, as generative verifiers and implicit rewards need.

    All probabilities are the model's own, at temperature 1. Rows do not depend on each other.
    """

    def encode(self, text: str) -> tuple[int, ...]:
        """The ids of a text that continues another: no special token is added."""
        ...

    def next_token_probs(
        self, problems: Sequence[Problem], prefixes: Sequence[Solution], *, tokens: Sequence[int]
    ) -> NextTokens:
        """The probability of each of `tokens` as the next one after each prefix."""
        ...

    def logprobs(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """The log-probability of each step given all before it, in nats; `steps[i]` has shape (T_i,).

        A finished solution's last step includes its end of sequence.
        """
        ...


class TextVerdicts(Protocol):
    """How likely texts are at a place of what is drawn: of a policy that knows texts and no token ids."""

    def __call__(
        self,
        problems: Sequence[Problem],
        prefixes: Sequence[Solution],
        *,
        after: str,
        texts: Sequence[str],
        sampling: Sampling,
        seeds: Sequence[int],
    ) -> tuple[Extended, NextTokens]:
        """Draw every row to its end, and read the probability of each text right behind the words `after`.

        Without words it is read of what comes next, and no more than that is drawn. A row that comes to none of the
        texts, or not to the words, is NaN with a reason.
        """
        ...


def text_verdicts_of(policy: object) -> TextVerdicts | None:
    """How to ask a policy for the probabilities of texts, None where it is to be asked for those of tokens.

    >>> from policies.backends.scripted import Scripted
    >>> text_verdicts_of(Scripted(lambda problem, prefix, seed: "4")) is None
    True
    """
    verdicts: TextVerdicts | None = getattr(policy, "text_verdicts", None)
    return verdicts
