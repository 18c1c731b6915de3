"""What every policy checks about a request before it works on it."""

from collections.abc import Sequence
from dataclasses import dataclass

from policies.policy import Sampling, Until
from verifiers.interface.solution import Problem, Solution, Stop


def check_rows(problems: Sequence[Problem], prefixes: Sequence[Solution], seeds: Sequence[int], until: str) -> None:
    """Raise ValueError for a request that no policy can mean: unequal lengths, an unknown `until`, an ended prefix.

    >>> check_rows([Problem("p1", "?")], [Solution(stop=Stop.EOS)], [0], "end")
    Traceback (most recent call last):
    ...
    ValueError: problem 'p1' (row 0) has already ended (stop is 'eos'): extend open prefixes only
    """
    if not len(problems) == len(prefixes) == len(seeds):
        raise ValueError(f"{len(problems)} problems, {len(prefixes)} prefixes and {len(seeds)} seeds: give one a row")
    if until not in ("step", "end"):
        raise ValueError(f"until is {until!r}: use 'step' or 'end'")
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
        check_rows(self.problems, self.prefixes, self.seeds, self.until)

    def __len__(self) -> int:
        return len(self.seeds)
