"""What every policy checks about a request before it works on it."""

from collections.abc import Sequence
from dataclasses import dataclass

from policies.policy import Sampling, Until
from verifiers.interface.arguments import check_asked, check_kind
from verifiers.interface.solution import Problem, Solution, Stop


def check_call(
    problems: Sequence[Problem], prefixes: Sequence[Solution], until: str, sampling: Sampling, seeds: Sequence[int]
) -> tuple[list[Problem], list[Solution], list[int]]:
    """The three as lists, seeds as Python's own numbers; raises ValueError for a request that no policy can mean.

    That is one of other rows, of an unknown `until`, or of a prefix that has ended.

    >>> check_call([Problem("p1", "?")], [Solution()], "end", Sampling(), [])
    Traceback (most recent call last):
    ...
    verifiers.interface.errors.BadInput: 1 problems, 1 prefixes and 0 seeds: give one a row
    """
    problems, prefixes, seeds = check_asked({"problems": problems, "prefixes": prefixes, "seeds": seeds})
    if until not in ("step", "end"):
        raise ValueError(f"until is {until!r}: use 'step' or 'end'")
    check_kind("sampling", sampling, Sampling, "write policies.Sampling(temperature=...)")
    check_open(problems, prefixes)
    return problems, prefixes, [*map(int, seeds)]


def check_open(problems: Sequence[Problem], prefixes: Sequence[Solution]) -> None:
    """Raise ValueError for a prefix that has ended, which nothing can follow.

    >>> check_open([Problem("p1", "?")], [Solution(stop=Stop.EOS)])
    Traceback (most recent call last):
    ...
    ValueError: problem 'p1' (row 0) has already ended (stop is 'eos'): extend open prefixes only
    """
    for i, prefix in enumerate(prefixes):
        if prefix.stop is not Stop.OPEN:
            raise ValueError(
                f"problem {problems[i].id!r} (row {i}) has already ended (stop is {prefix.stop.value!r}): "
                "extend open prefixes only"
            )


@dataclass(frozen=True, slots=True)
class Call:
    """What `Policy.extend` is asked, in one piece. Raises ValueError for what no policy can mean."""

    problems: Sequence[Problem]
    prefixes: Sequence[Solution]
    until: Until
    sampling: Sampling
    seeds: Sequence[int]

    def __post_init__(self) -> None:
        rows: tuple[Sequence[object], ...] = check_call(
            self.problems, self.prefixes, self.until, self.sampling, self.seeds
        )
        for name, given in zip(("problems", "prefixes", "seeds"), rows, strict=True):
            object.__setattr__(self, name, tuple(given))

    def __len__(self) -> int:
        return len(self.seeds)
