"""How a task writes its answers: where the final one stands in a text, and when two are the same."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from verifiers.grading.equivalence import EquivalencePool, default_pool
from verifiers.grading.extraction import (
    Extractor,
    after_answer_is,
    after_hashes,
    boxed,
    first_of,
    in_json,
    in_tags,
    last_line,
    last_option,
    lone_option,
)
from verifiers.grading.final_text import final
from verifiers.grading.last_value import first_number, last_value
from verifiers.grading.notation.deciding import settle
from verifiers.grading.notation.numerals import canonical, number
from verifiers.grading.thinking import marks_in

Pair = tuple[str, str]
_LONGEST_NUMBER = 1_000  # characters
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_TWO_NUMBERS = re.compile(r"\D*(\d[\d.,]*)\s*(?:or|to|and|through|times|by|x)\s*(-?)[$€£]?(\d[\d.,]*)", re.IGNORECASE)


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
        standing_for = _representatives([set(filter(None, pool)) for pool in forms], self.equal)
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
    return replace(answers, extract=final(answers.extract, thinking=marks_in(thinking))) if thinking else answers


def _representatives(
    pools: Sequence[set[str]], equal: Callable[[Sequence[Pair]], list[bool | None]]
) -> list[dict[str, str]]:
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
        forward = equal([(standing, form) for _, standing, form in untried])
        likely = [row for row, same in zip(untried, forward, strict=True) if same]
        backward = equal([(form, standing) for _, standing, form in likely]) if likely else []
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


def equal_mathematics(pairs: Sequence[Pair], *, pool: EquivalencePool | None = None) -> list[bool | None]:
    r"""Compare (answer, gold) pairs as mathematics; those that are not plain to see go to the pool.

    >>> equal_mathematics([("0.5", r"\frac{1}{2}"), ("x+x", "2x"), ("2", "3")])
    [True, True, False]

    For limits of your own: `Answers(MATH.extract, partial(equal_mathematics, pool=EquivalencePool(seconds=1)),
    MATH.canonical)`. By default all share one pool.
    """
    settled = [settle(answer, gold) for answer, gold in pairs]
    open_pairs = [pair for verdict in settled if not isinstance(verdict, bool) for pair in verdict]
    found = iter((pool or default_pool()).equal(open_pairs) if open_pairs else [])
    return [verdict if isinstance(verdict, bool) else _all([next(found) for _ in verdict]) for verdict in settled]


def _all(verdicts: Sequence[bool | None]) -> bool | None:
    """Whether all are true: one that is false decides, and then one that is unknown."""
    return False if False in verdicts else None if None in verdicts else True


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
        if found is None:
            return None
        stated = found.rsplit("=", 1)[-1].strip()  # "5 + 3 = 8" states 8
        first = first_number(stated)
        if first is not None and number(first) in (number(stated), number(boxed(stated) or "")):
            return first
        if number(stated) or not _PROSE.search(stated) or _has_two_numbers(stated):
            return stated or None  # of a formula, or of "5 or 6", a part is not the answer
        return first

    return extract


def _has_two_numbers(stated: str) -> bool:
    two = _TWO_NUMBERS.match(stated)
    return two is not None and canonical(two[1]) != canonical(two[2] + two[3])


_STATED = first_of(in_tags, in_json, lone_option, after_answer_is)
_WEAK = first_of(last_value, last_option)

MATH = Answers(final(first_of(boxed, after_hashes, _STATED, _WEAK)), equal_mathematics, canonical)
r"""Mathematics: `\boxed{}`, else `####`, else a statement of the answer, else the last formula or number."""

GSM8K = Answers(
    final(first_of(*map(_number_in, (after_hashes, _STATED, boxed, _WEAK)))),
    _equal_numbers,
    _plain,
)
"""Numbers only: `####`, else "The answer is", else a box, else the last number; compared exactly, without units."""

EXACT = Answers(final(last_line), _equal_text)
"""The last line that is not blank, compared character by character."""

ANSWERS = {"math": MATH, "gsm8k": GSM8K, "exact": EXACT}
