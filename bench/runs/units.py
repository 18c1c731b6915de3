"""The units of work of a run, by the names under which its journal knows them."""

from collections.abc import Iterator, Sequence

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


def beam_unit(chunk: int, scorer: str, n: int) -> str:
    """The beam search of a chunk with n candidates a step."""
    return f"{chunk}/beam_search/{scorer}/{n}"
