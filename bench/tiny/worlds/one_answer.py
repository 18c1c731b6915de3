"""What tasks share whose problems have one answer and one right solution."""

import random
from collections.abc import Callable, Sequence
from typing import Protocol


class Labels(Protocol):
    """Labels of a solution's steps."""

    def __call__(self, prompt: str, steps: Sequence[str], *, finished: bool) -> list[int]: ...


def labels_of(demonstrate: Callable[..., str]) -> Labels:
    r"""Labels: 1 for each step up to the first that differs from the demonstration, 0 from there on.

    >>> from bench.tiny.worlds import chain, last_letter, word_sort
    >>> chain.labels("C 7-9*3\n", ["7-9=8\n", "8*3=1\n", "=1"], finished=True)
    [1, 0, 0]
    >>> last_letter.labels("L cat dog\n", ["cat t\n", "dog o\n", "=to"], finished=True)
    [1, 0, 0]
    >>> word_sort.labels("W dog cat\n", ["dog\n", "cat"], finished=True)
    [0, 0]

    A solution that ends too early errs at its end.

    >>> word_sort.labels("W dog cat\n", ["cat\n"], finished=True)
    [0]
    """

    def labels(prompt: str, steps: Sequence[str], *, finished: bool) -> list[int]:
        expected = demonstrate(prompt, random.Random(0), slips=False).splitlines(keepends=True)
        right = [i < len(expected) and step == expected[i] for i, step in enumerate(steps)]
        if finished and right and len(steps) != len(expected):
            right[-1] = False
        return [int(all(right[: i + 1])) for i in range(len(right))]

    return labels


def right_of(
    extract: Callable[[str], str | None], gold_answer: Callable[[str], str | None]
) -> Callable[[str, str], bool]:
    r"""Whether a prompt's solution has the gold answer, however it was reached.

    >>> from bench.tiny.worlds import chain, last_letter, word_sort
    >>> chain.is_right("C 7-9*3\n", "7-9=8\n8*3=4\n=4"), last_letter.is_right("L cat dog\n", "cat t\ndog g\n=tg")
    (True, True)
    >>> word_sort.is_right("W dog cat\n", "cat\ndog")
    True
    """
    return lambda prompt, text: extract(text) == gold_answer(prompt)


def after_equals(text: str, is_answer: Callable[[str], bool]) -> str | None:
    """What stands behind the sign of equality that begins the last line, where it is an answer."""
    last = text.rpartition("\n")[2]
    return last[1:] if last.startswith("=") and is_answer(last[1:]) else None
