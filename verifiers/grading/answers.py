"""How a task writes its answers: where the final one stands in a text, and when two are the same."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from verifiers.interface.arguments import check_pairs, check_rows, check_takes, shown
from verifiers.interface.errors import BadArgument

if TYPE_CHECKING:
    from verifiers.grading.equivalence import EquivalencePool

Pair: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Answers:
    """How a task writes its answers.

    `extract` finds the final answer in a text (None: there is none). `equal` judges a batch of
    (answer, gold) pairs: True, False, or None for unknown. `canonical` gives one spelling to answers
    that are the same at a glance; it must be an answer too, and equal to what it was made from.

    >>> from verifiers.grading.extraction import last_line
    >>> shout = Answers(last_line, lambda pairs: [a == b for a, b in pairs], str.upper)
    >>> shout.extract("hm\\nYes"), shout.classes(["Yes", "YES", None, "no"])
    ('Yes', [0, 0, -1, 1])

    Raises BadArgument for an `extract` or an `equal` that takes another number of arguments than one.
    """

    extract: Callable[[str], str | None]
    equal: Callable[[Sequence[Pair]], list[bool | None]]
    canonical: Callable[[str], str] = str.strip

    def __post_init__(self) -> None:
        told = "it is given a list of pairs, (answer, gold), and returns True, False or None for each"
        check_takes("equal", self.equal, 1, told)
        check_takes("extract", self.extract, 1, "it is given a text, and returns the answer in it or None")
        check_takes("canonical", self.canonical, 1, "it is given an answer, and returns one spelling of it")

    def classes(self, answers: Sequence[str | None]) -> list[int]:
        r"""Equivalence classes for votes: numbered by first appearance, -1 for None and for blank answers.

        >>> MATH.classes(["0.5", None, r"\frac12", "x", "1/2"])
        [0, -1, 0, 1, 0]

        Two answers share a class if one canonical form, or `equal` both ways round, says so. An
        answer whose equality is unknown keeps a class of its own. Which answers share a class does
        not depend on their order.
        """
        told = "give a list of texts, with None where there is no answer"
        return self.classes_of([check_rows(answers, (str, type(None)), told, name="answers")])[0]

    def classes_of(self, pools: Sequence[Sequence[str | None]]) -> list[list[int]]:
        """The `classes` of each pool; pools are compared side by side, which keeps all workers of `equal` busy.

        >>> EXACT.classes_of([["a", "b", "a"], ["b", None]])
        [[0, 1, 0], [0, -1]]
        """
        forms = [[_canonical(self, answer) if answer is not None else "" for answer in pool] for pool in pools]
        standing_for = _representatives([set(filter(None, pool)) for pool in forms], self)
        classes = []
        for pool, representative in zip(forms, standing_for, strict=True):
            numbers: dict[str, int] = {}
            classes.append([numbers.setdefault(representative[form], len(numbers)) if form else -1 for form in pool])
        return classes


def with_thinking(answers: Answers, thinking: Sequence[str]) -> Answers:
    """Answers that are read behind thoughts with further marks too, each written as "BEGIN,END".

    >>> with_thinking(EXACT, ["<cot>,</cot>"]).extract("<cot>a</cot>b"), with_thinking(EXACT, []) is EXACT
    ('b', True)

    Raises BadArgument for marks that are not written so.
    """
    if not thinking:
        return answers
    from verifiers.grading.final_text import final
    from verifiers.grading.thinking import marks_in

    return replace(answers, extract=final(answers.extract, thinking=marks_in(thinking)))


def extracted(answers: Answers, text: str) -> str | None:
    """The answer that `extract` finds in a text; raises BadArgument where it returns anything else."""
    answer: object = answers.extract(text)
    if answer is None or isinstance(answer, str):
        return answer
    raise BadArgument("extract", shown(answers.extract), f"it returned {shown(answer)}; return a text, or None")


def compared(answers: Answers, pairs: Sequence[Pair]) -> list[bool | None]:
    """What `equal` says of each pair; raises BadArgument where it returns anything else than a verdict a pair.

    >>> compared(Answers(str.strip, lambda pairs: "yes"), [("1", "2")])
    Traceback (most recent call last):
    verifiers.interface.errors.BadArgument: equal <lambda>: it returned 'yes' for 1 pairs; return a list with True, ...
    """
    said: object = answers.equal(pairs)
    verdicts = list(said) if isinstance(said, Iterable) else []
    if len(verdicts) == len(pairs) and all(verdict is None or verdict in (0, 1) for verdict in verdicts):
        return [None if verdict is None else bool(verdict) for verdict in verdicts]
    told = f"it returned {shown(said)} for {len(pairs)} pairs; return a list with True, False or None for each"
    raise BadArgument("equal", shown(answers.equal), told)


def _canonical(answers: Answers, answer: str) -> str:
    form: object = answers.canonical(answer)
    if isinstance(form, str):
        return form
    raise BadArgument("canonical", shown(answers.canonical), f"it returned {shown(form)}; return a text")


def _representatives(pools: Sequence[set[str]], answers: Answers) -> list[dict[str, str]]:
    """For each pool the member that stands for each form's class; a comparison is one call for all pools."""
    standing_for = [{form: form for form in forms} for forms in pools]
    # A fixed order makes the classes independent of the votes' order; the first member of a class stands
    # for it, so that a chain of near-equals cannot join its ends. "0" comes first, voted for or not: an
    # answer that cannot even be told from 0 (a tower of powers) is then set aside at once, before it is
    # tried, and times out, against every other.
    untried = [
        (i, "0", form)
        for i, forms in enumerate(pools)
        if len(forms) > 1
        for form in sorted(forms - {"0"}, key=lambda form: (len(form), form))
    ]
    while untried:
        forward = compared(answers, [(standing, form) for _, standing, form in untried])
        likely = [row for row, same in zip(untried, forward, strict=True) if same]
        backward = compared(answers, [(form, standing) for _, standing, form in likely]) if likely else []
        joined = {row for row, same in zip(likely, backward, strict=True) if same}
        for i, standing, form in joined:
            standing_for[i][form] = standing
        told_apart = [row for row, same in zip(untried, forward, strict=True) if same is not None and row not in joined]
        untried = []
        first: dict[int, str] = {}
        for i, _, form in told_apart:
            if first.setdefault(i, form) != form:
                untried.append((i, first[i], form))
    return standing_for


def equal_mathematics(pairs: Sequence[Pair], *, pool: "EquivalencePool | None" = None) -> list[bool | None]:
    r"""Compare (answer, gold) pairs as mathematics; those that are not plain to see go to the pool.

    >>> equal_mathematics([("0.5", r"\frac{1}{2}"), ("x+x", "2x"), ("2", "3")])
    [True, True, False]

    For limits of your own: `Answers(MATH.extract, partial(equal_mathematics, pool=EquivalencePool(seconds=1)),
    MATH.canonical)`. By default all share one pool.
    """
    from verifiers.grading import mathematics

    return mathematics.equal(_checked(pairs), pool=pool)


def _checked(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs as a list; raises BadArgument for what are no pairs of texts."""
    told = 'give a list of pairs of texts, such as [("0.5", "1/2")]'
    found = check_pairs(pairs, told, name="pairs")
    for i, (answer, gold) in enumerate(found):
        if not (isinstance(answer, str) and isinstance(gold, str)):
            raise BadArgument(f"pairs[{i}]", shown((answer, gold)), told)
    return found


# What reads answers is large, and is imported when the first is read: to import a search should cost little.
def _extract_mathematics(text: str) -> str | None:
    from verifiers.grading import mathematics

    return mathematics.extract(text)


def _canonical_mathematics(answer: str) -> str:
    from verifiers.grading import mathematics

    return mathematics.canonical(answer)


def _extract_number(text: str) -> str | None:
    from verifiers.grading import numbers

    return numbers.extract(text)


def _equal_numbers(pairs: Sequence[Pair]) -> list[bool | None]:
    from verifiers.grading import numbers

    return numbers.equal(_checked(pairs))


def _canonical_number(answer: str) -> str:
    from verifiers.grading import numbers

    return numbers.canonical(answer)


def _extract_last_line(text: str) -> str | None:
    from verifiers.grading.extraction import last_line
    from verifiers.grading.final_text import final_text

    return last_line(final_text(text))


def _equal_text(pairs: Sequence[Pair]) -> list[bool | None]:
    return [answer.strip() == gold.strip() != "" for answer, gold in _checked(pairs)]


MATH = Answers(_extract_mathematics, equal_mathematics, _canonical_mathematics)
r"""Mathematics: `\boxed{}`, else `####`, else a statement of the answer, else the last formula or number."""

GSM8K = Answers(_extract_number, _equal_numbers, _canonical_number)
"""Numbers only: `####`, else "The answer is", else a box, else the last number; compared exactly, without units."""

EXACT = Answers(_extract_last_line, _equal_text)
"""The last line that is not blank, compared character by character."""

ANSWERS = {"math": MATH, "gsm8k": GSM8K, "exact": EXACT}
