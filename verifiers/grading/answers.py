"""How a task writes its answers: where the final one stands in a text, and when two are the same."""

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import islice

from verifiers.grading.equivalence import EquivalencePool, default_pool
from verifiers.grading.extraction import (
    Extractor,
    after_answer_is,
    after_hashes,
    boxed,
    first_number,
    first_of,
    last_line,
    last_number,
)
from verifiers.grading.numerals import canonical, decide, number

Pair = tuple[str, str]
_LONGEST_NUMBER = 1_000  # characters


@dataclass(frozen=True, slots=True)
class Answers:
    """How a task writes its answers.

    `extract` finds the final answer in a text (None: there is none). `equal` judges a batch of
    (answer, gold) pairs: True, False, or None for unknown. `canonical` gives one spelling to answers
    that are the same at a glance; it must be an answer too, and equal to what it was made from.

    >>> shout = Answers(last_line, lambda pairs: [a == b for a, b in pairs], str.upper)
    >>> shout.extract("hm\\nYes"), shout.classes(["Yes", "YES", None, "no"])
    ('Yes', [0, 0, -1, 1])
    """

    extract: Extractor
    equal: Callable[[Sequence[Pair]], list[bool | None]]
    canonical: Callable[[str], str] = str.strip

    def classes(self, answers: Sequence[str | None]) -> list[int]:
        r"""Equivalence classes for votes: numbered by first appearance, -1 for None and for blank answers.

        >>> MATH.classes(["0.5", None, r"\frac12", "x", "1/2"])
        [0, -1, 0, 1, 0]

        Two answers share a class if one canonical form, or `equal` both ways round, says so. An
        answer whose equality is unknown keeps a class of its own. Which answers share a class does
        not depend on their order.
        """
        return self.classes_of([answers])[0]

    def classes_of(self, pools: Sequence[Sequence[str | None]]) -> list[list[int]]:
        """The `classes` of each pool; pools are compared side by side, which keeps all workers of `equal` busy.

        >>> EXACT.classes_of([["a", "b", "a"], ["b", None]])
        [[0, 1, 0], [0, -1]]
        """
        forms = [[self.canonical(answer) if answer is not None else "" for answer in pool] for pool in pools]
        searches = [_representatives({form for form in pool if form}) for pool in forms]
        classes = []
        for pool, representative in zip(forms, _side_by_side(searches, self.equal), strict=True):
            numbers: dict[str, int] = {}
            classes.append([numbers.setdefault(representative[form], len(numbers)) if form else -1 for form in pool])
        return classes


# Asks for pairs, is told which are equal, and ends with the member that stands for each form's class.
_Search = Generator[list[Pair], list[bool | None], dict[str, str]]


def _representatives(forms: set[str]) -> _Search:
    if len(forms) < 2:
        return {form: form for form in forms}
    # A fixed order makes the classes independent of the votes' order; the first member of a class stands
    # for it, so that a chain of near-equals cannot join its ends. "0" comes first, voted for or not: an
    # answer that cannot even be told from 0 (a tower of powers) is then set aside at once, before it is
    # tried, and times out, against every other.
    rest = sorted(forms - {"0"}, key=lambda form: (len(form), form))
    found = {form: form for form in forms}
    standing = "0"
    while True:
        forward = yield [(standing, form) for form in rest]
        likely = [form for form, same in zip(rest, forward, strict=True) if same]
        backward = yield [(form, standing) for form in likely]
        joined = {form for form, same in zip(likely, backward, strict=True) if same}
        found.update(dict.fromkeys(joined, standing))
        rest = [form for form, same in zip(rest, forward, strict=True) if same is not None and form not in joined]
        if not rest:
            return found
        standing = rest.pop(0)


def _side_by_side(
    searches: Sequence[_Search], equal: Callable[[Sequence[Pair]], list[bool | None]]
) -> list[dict[str, str]]:
    """What each search ends with; what they ask for at a time is one call of `equal`."""
    found: dict[int, dict[str, str]] = {}
    asked: dict[int, list[Pair]] = {}
    told: dict[int, list[bool | None] | None] = dict.fromkeys(range(len(searches)))
    while told:
        for i, verdicts in told.items():
            try:
                asked[i] = next(searches[i]) if verdicts is None else searches[i].send(verdicts)
            except StopIteration as end:
                found[i] = end.value
        together = [pair for pairs in asked.values() for pair in pairs]
        verdicts_of_all = iter(equal(together) if together else [])
        told = {i: list(islice(verdicts_of_all, len(pairs))) for i, pairs in asked.items()}
        asked = {}
    return [found[i] for i in range(len(searches))]


def equal_mathematics(pairs: Sequence[Pair], *, pool: EquivalencePool | None = None) -> list[bool | None]:
    r"""Compare (answer, gold) pairs as mathematics; those that are not plain to see go to the pool.

    >>> equal_mathematics([("0.5", r"\frac{1}{2}"), ("x+x", "2x"), ("2", "3")])
    [True, True, False]

    For limits of your own: `Answers(MATH.extract, partial(equal_mathematics, pool=EquivalencePool(seconds=1)),
    MATH.canonical)`. By default all share one pool.
    """
    verdicts = [decide(answer, gold) for answer, gold in pairs]
    open_rows = [i for i, verdict in enumerate(verdicts) if verdict is None]
    if open_rows:
        found = (pool or default_pool()).equal([pairs[i] for i in open_rows])
        for i, verdict in zip(open_rows, found, strict=True):
            verdicts[i] = verdict
    return verdicts


def _equal_numbers(pairs: Sequence[Pair]) -> list[bool | None]:
    return [_equal_number(_plain(answer), _plain(gold)) for answer, gold in pairs]


def _equal_number(answer: str, gold: str) -> bool | None:
    if answer == gold:
        return gold != ""
    return None if number(gold) is None else False


def _plain(answer: str) -> str:
    """One spelling for a number; there are no variables here, so that "12jars" is 12."""
    return canonical(answer if number(answer) else re.sub(r"(?<=\d)(?=[A-Za-z])", " ", answer[:_LONGEST_NUMBER]))


def _equal_text(pairs: Sequence[Pair]) -> list[bool | None]:
    return [answer.strip() == gold.strip() != "" for answer, gold in pairs]


def _number_in(extractor: Extractor) -> Extractor:
    def extract(text: str) -> str | None:
        found = extractor(text)
        # "5 + 3 = 8" states 8.
        return None if found is None else first_number(found.rsplit("=", 1)[-1])

    return extract


MATH = Answers(first_of(boxed, after_hashes, after_answer_is, last_number), equal_mathematics, canonical)
r"""Mathematics: `\boxed{}`, else `####`, else "The answer is", else the last number; equal as mathematics."""

GSM8K = Answers(
    first_of(_number_in(after_hashes), _number_in(after_answer_is), _number_in(boxed), last_number),
    _equal_numbers,
    _plain,
)
"""Numbers only: `####`, else "The answer is", else a box, else the last number; compared exactly, without units."""

EXACT = Answers(last_line, _equal_text)
"""The last line that is not blank, compared character by character."""

ANSWERS = {"math": MATH, "gsm8k": GSM8K, "exact": EXACT}
