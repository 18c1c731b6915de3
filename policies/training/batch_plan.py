"""Which examples each step of a training sees: decided beforehand, so that a resumed one goes on with the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

_WINDOW = 16  # batches whose examples are sorted by length together


@dataclass(frozen=True, slots=True)
class Group:
    """Examples that are gone through in random order, `count` of them in every batch."""

    members: tuple[int, ...]
    count: int


def plan_batches(
    groups: Sequence[Group], lengths: Sequence[int], *, steps: int, accumulate: int = 1, seed: int = 0
) -> list[list[list[int]]]:
    """The examples of each step, in `accumulate` parts: steps x parts x indices.

    Each group is shuffled, gone through, and shuffled again, so its members appear equally often (up to
    one). Examples of like length share a batch, and within a batch a part, which saves padding; the
    order of the batches stays random.

    >>> plan = plan_batches([Group((0, 1, 2, 3), 2), Group((4,), 1)], [5, 9, 5, 9, 1], steps=2)
    >>> [sorted(len(part) for part in step) for step in plan], all(4 in step[0] for step in plan)
    ([[3], [3]], True)

    Raises ValueError for a group without members.
    """
    for group in groups:
        if not group.members:
            raise ValueError("a group of examples is empty: there is nothing to fill its share of a batch with")
    rng = np.random.default_rng(seed)
    streams = [_stream(group, rng) for group in groups]
    plan: list[list[list[int]]] = []
    while len(plan) < steps:
        count = min(_WINDOW, steps - len(plan))
        drawn = [_sorted_draw(s, g.count * count, lengths) for s, g in zip(streams, groups, strict=True)]
        for k in rng.permutation(count):
            batch = [i for d, g in zip(drawn, groups, strict=True) for i in d[k * g.count : (k + 1) * g.count]]
            batch.sort(key=lambda i: (lengths[i], i))
            plan.append([[int(i) for i in part] for part in np.array_split(batch, accumulate) if len(part)])
    return plan


def _sorted_draw(stream: Iterator[int], count: int, lengths: Sequence[int]) -> list[int]:
    return sorted((next(stream) for _ in range(count)), key=lambda i: lengths[i])


def _stream(group: Group, rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from (group.members[i] for i in rng.permutation(len(group.members)))
