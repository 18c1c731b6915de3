"""Which saved solutions are right, and which say the same: each text's answer is read once."""

from collections.abc import Iterator, Sequence

from bench.pools.saved_pool import SavedPool, SavedPools
from verifiers.grading.answers import Answers, compared, extracted
from verifiers.interface.errors import BadInput
from verifiers.interface.solution import Solution

Stated = tuple[str | None, ...]
Grades = tuple[bool | None, ...]


def check_gradable(pools: SavedPools) -> None:
    """Raise BadInput for a pool that has neither a gold answer nor the source's own verdicts."""
    for group, name in zip(pools.groups, pools.ids, strict=True):
        if group.unjudged and not group.golds and not group.graded:
            raise BadInput(
                f"{group.first}: problem {name!r} has neither an 'answer' nor 'correct' for each solution{group.hint}"
            )


def graded(pools: Sequence[SavedPool], answers: Answers) -> Iterator[tuple[Grades, Stated, tuple[int, ...]]]:
    """For each pool right, wrong or unknown; the answers; and their classes. Pools are compared side by side.

    What the source says counts where it is a run or has no gold answer; of several gold answers any counts.
    """
    stated = [_stated(pool, answers) for pool in pools]
    pairs = dict.fromkeys(
        (answer, gold)
        for pool, said in zip(pools, stated, strict=True)
        if pool.extracted is None
        for gold in pool.golds
        for answer in said
        if answer is not None
    )
    equal = dict(zip(pairs, compared(answers, list(pairs)), strict=True)) if pairs else {}
    for pool, said, classes in zip(pools, stated, answers.classes_of(stated), strict=True):
        if pool.golds and pool.extracted is None:
            grades = tuple(
                _grade(solution, [answer is not None and equal[answer, gold] for gold in pool.golds])
                for solution, answer in zip(pool.solutions, said, strict=True)
            )
        else:
            grades = pool.correct
        yield grades, said, tuple(classes)


def _stated(pool: SavedPool, answers: Answers) -> Stated:
    """The solutions' answers; a run's are as its task read them."""
    if pool.extracted is not None:
        return pool.extracted
    return tuple(extracted(answers, s.text) if s.finished else None for s in pool.solutions)


def _grade(solution: Solution, by_gold: Sequence[bool | None]) -> bool | None:
    """Right by any of the gold answers, else unknown where one could not be compared, else wrong."""
    if True in by_gold:
        return True
    return None if solution.finished and (not solution.steps or None in by_gold) else False
