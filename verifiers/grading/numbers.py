"""Answers that are numbers, as GSM8K writes them: a number with its unit, compared exactly."""

import re
from collections.abc import Sequence
from functools import partial

from verifiers.grading.extraction import Extractor, after_hashes, boxed, first_of
from verifiers.grading.final_text import final
from verifiers.grading.last_value import first_number
from verifiers.grading.mathematics import STATED, WEAK
from verifiers.grading.notation.number_words import PARTS, SCALES
from verifiers.grading.notation.numerals import canonical as plain
from verifiers.grading.notation.numerals import clean, number
from verifiers.grading.notation.units import COINS, EAST, EAST_CHANGES, without_letter

_LONGEST = 1_000  # characters
_PROSE = re.compile(rf"(?<![\\A-Za-z])[A-Za-z]{{2,}}|[{EAST}]{{2}}")
# What makes another number of the one before it: 5 squared, 3 dozen eggs, 2 thirds; but 7 third graders are seven.
_CHANGED = re.compile(
    rf"[\s-]*(?:(?:squared|cubed|factorial|percent of|{'|'.join(SCALES)})\b"
    rf"|(?:{'|'.join(PARTS)})\b(?!(?<!s)[ -](?!of\b)[a-z]))"
    rf"|\s*[{''.join(EAST_CHANGES)}]|:\d|\s*(?:[a-z](?![a-z])\s*)?[-+*/^]\s*[\d(\\]",
    re.IGNORECASE,
)
# Of a part of the problem, as in a) 12.
_LABEL = re.compile(r"\(?(?:[A-Ja-j]|i{1,3}|iv)\)\s+(?=[-+$€£\\\d])")
_TWO_NUMBERS = re.compile(
    r"\D*(\d[\d.,]*)\s*(?:(?:or|to|and|through|times|by|over|x)\s*(-?)[$€£]?"
    rf"|(?:[a-z]+ ){{1,3}}for (?=\\?[$€£]|[\d.,]+ {COINS})\\?[$€£]?)(\d[\d.,]*)",  # 4 pens for 8 dollars
    re.IGNORECASE,
)


def equal(pairs: Sequence[tuple[str, str]]) -> list[bool | None]:
    """Whether each answer is its gold; None where the gold is no number and the answer is not the same text."""
    return [_equal(canonical(answer), canonical(gold)) for answer, gold in pairs]


def _equal(answer: str, gold: str) -> bool | None:
    if answer == gold:
        return gold != ""
    return None if number(gold) is None else False


def canonical(answer: str) -> str:
    """One spelling for a number; there are no variables here, so that "12jars" and "250 g" are 12 and 250."""
    answer = _LABEL.sub("", answer, count=1) if _LABEL.match(answer) else answer
    if number(answer):
        return plain(answer)
    spaced = clean(re.sub(r"(?<=\d)(?=[A-Za-z])", " ", answer[:_LONGEST]))
    return plain(without_letter(spaced))


def _number_in(extractor: Extractor, text: str) -> str | None:
    found = extractor(text)
    if found is None:
        return None
    stated = found.rsplit("=", 1)[-1].strip()  # "5 + 3 = 8" states 8
    stated = stated[label.end() :] if (label := _LABEL.match(stated)) else stated
    first = first_number(stated)
    if first is not None and number(first) in (number(stated), number(boxed(stated) or "")):
        return first
    changed = first is not None and _CHANGED.match(stated.partition(first)[2])
    if number(stated) or changed or not _PROSE.search(stated) or _has_two_numbers(stated):
        return stated or None  # of a formula, or of "5 or 6", a part is not the answer
    return first


def _has_two_numbers(stated: str) -> bool:
    two = _TWO_NUMBERS.match(stated)
    return two is not None and plain(two[1]) != plain((two[2] or "") + two[3])


extract = final(first_of(*(partial(_number_in, extractor) for extractor in (after_hashes, STATED, boxed, WEAK))))
