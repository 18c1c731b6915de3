"""Rows put into batches in their order, as many in each as fit."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def greedy_batches(rows: Iterable[T], fits: Callable[[list[T]], bool]) -> Iterator[list[T]]:
    """The rows in their order; a batch ends before the row with which it would no longer fit.

    A row that fits nowhere is a batch of its own. For a bound on tokens with padding, give rows sorted by length.

    >>> list(greedy_batches([1, 2, 3, 9], lambda batch: len(batch) * max(batch) <= 6))
    [[1, 2], [3], [9]]
    """
    batch: list[T] = []
    for row in rows:
        if batch and not fits([*batch, row]):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
