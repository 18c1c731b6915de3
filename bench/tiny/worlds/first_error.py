"""Step labels of a task with one right solution: right up to the first line that differs."""

from collections.abc import Sequence


def labels_against(expected: Sequence[str], steps: Sequence[str], *, finished: bool) -> list[int]:
    r"""1 for each step up to the first error, 0 from there on; a solution that ends too early errs at its end.

    >>> labels_against(["cat\n", "dog"], ["cat\n", "dot"], finished=True)
    [1, 0]
    >>> labels_against(["cat\n", "dog"], ["cat\n"], finished=True)
    [0]
    """
    right = [i < len(expected) and step == expected[i] for i, step in enumerate(steps)]
    if finished and right and len(steps) != len(expected):
        right[-1] = False
    return [int(all(right[: i + 1])) for i in range(len(right))]
