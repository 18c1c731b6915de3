"""The units of work of a run, by the names under which its journal knows them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.stats.contest import Contest
from verifiers.interface.errors import BadInput
from verifiers.interface.files import Row
from verifiers.interface.solution import Problem


def chunks(problems: Sequence[Problem], size: int) -> Iterator[Sequence[Problem]]:
    """Problems that are worked on together, `size` at a time."""
    for start in range(0, len(problems), size):
        yield problems[start : start + size]


def pool_unit(chunk: int) -> str:
    """The sampling of a chunk's pool."""
    return f"{chunk}/sample"


def score_unit(chunk: int, scorer: str) -> str:
    """The scoring of a chunk's pool."""
    return f"{chunk}/score/{scorer}"


def search_unit(chunk: int, contest: Contest, n: int) -> str:
    """The searches of a chunk by a strategy that draws its own samples, with n candidates a step or samples.

    >>> search_unit(0, Contest("mine:look", None), 4), search_unit(0, Contest("mine:look", "-"), 4)
    ('0/mine:look//4', '0/mine:look/-/4')
    """
    return f"{chunk}/{contest.strategy}/{contest.scorer or ''}/{n}"


def layout(
    problems: Sequence[Problem], size: int, committed: Mapping[str, Row], where: Path
) -> list[Sequence[Problem]]:
    """The chunks of a run: those that are begun stay as they are, the others have `size` problems.

    Raises BadInput where what is begun are other problems than these.
    """
    begun: list[Sequence[Problem]] = []
    start = 0
    while (record := committed.get(pool_unit(len(begun)))) is not None:
        ids = record["spend"].keys()
        chunk = problems[start : start + len(ids)]
        if other := ids ^ {problem.id for problem in chunk}:
            raise BadInput(
                f"{where}: this folder holds a run of other problems, such as {min(other)!r}: the task has changed; "
                "choose another folder, or remove this one"
            )
        begun.append(chunk)
        start += len(chunk)
    return [*begun, *chunks(problems[start:], size)]
