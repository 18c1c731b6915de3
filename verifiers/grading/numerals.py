"""Answers as plain numbers: exact, without a computer-algebra system, and safe for any string."""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final

from verifiers.grading.arithmetic import differ

LONGEST: Final = 10_000  # characters; a longer answer is compared as it stands
_LONGEST_NUMBER: Final = 1_000  # characters; bounds the integers made here well below CPython's limit

# 1,234,567 or 12,34,567 (India) or 1 234 567, or no separator
DIGITS = r"(?:[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d?(?:,\d{2})+,\d{3}|[1-9]\d{0,2}(?: \d{3})+|\d+)"
_DECIMAL = rf"(?:{DIGITS}(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{{1,3}})?"
_PART = rf"\s*(?:\{{\s*([+-]?{_DECIMAL})\s*\}}|(\d))"
_NUMBER = re.compile(rf"([+-]?)[€£¥]?([+-]?)({_DECIMAL})(?:/({_DECIMAL}))?", re.ASCII)
_FRACTION = re.compile(rf"([+-]?)(\d*) ?\\frac{_PART}{_PART}", re.ASCII)
_MIXED = re.compile(r"([+-]?)(\d+) (?:and )?([1-9]\d*)/(\d+)", re.ASCII)
_IN_BASE = re.compile(r"([+-]?)(\d[0-9A-Z]*)_\{?(\d{1,2})\}?", re.ASCII)
_PERCENT = re.compile(r"\s*(?:\\?%|(?:\\text\{)?\s*per ?cent(?:age)?s?\s*\}?)$")
_DEGREES = re.compile(r"\s*(?:\^\{?\\circ\}?|°|\\degree)$")
_TEXT_UNIT = re.compile(
    r"(.*[^\s,;=+\-*/^_({\[<>])\s*\\(?:text|textrm|textbf|textit|mbox|mathrm)\{([^{}]*)\}(?:\^\{?\d\}?)?"
)
_WORD_UNIT = re.compile(r"([^A-Za-z\\]*[\d.]|.*\}) ((?:[A-Za-z]+\.?[ /-]?){1,8})(?:\^\{?\d\}?)?")
_WRAPPED = re.compile(r"\\(?:text|textrm|textbf|textit|mbox|mathrm|mathbf|boxed|fbox)\{([^{}]*)\}")
_WORDS = re.compile(r"[A-Za-z]{3,}(?:[ '-][A-Za-z]+)*\.?", re.ASCII)

_LONG_WORD = re.compile(r"[A-Za-z]{4,}")
# A long word with one of these inside may be mathematics; none is as long as 15 letters.
_FUNCTION = re.compile(
    r"(?!\w{15})\w*(?:arc|asin|acos|atan|ceil|choose|cosh|exp|floor|frac|gamma|half|inf|log|percent|root|sinh|sqrt|tanh)"
)
_BETWEEN = re.compile(r"[,;] ?| ?(?<![A-Za-z])(?:and|or)(?![A-Za-z]) ?")
# x = 5, or 2 + 3 = 5: the value is what follows the last sign.
_EQUATION = re.compile(r"(?:[A-Za-z]|[^A-Za-z<>!\\]*\d[^A-Za-z<>!\\]*)=([^=]+)")

_GLUED_UNIT = re.compile(r"(?<=\d)(?=(?:cm|mm|km|kg|mg|ml|lbs?|oz|ft|hrs?|sec|min|mph|km/?h|kph)$)")
_TIMES: Final = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SHORT_UNITS: Final = frozenset(
    re.findall(
        r"\w+",
        "a am an cm cu dm ft hr hrs in kg km kmh kph lb lbs mg mi min ml mm mph ms of oz per pm pt qt sec sq the yd",
    )
)
# After a number these are mathematics, or change its value: "5 or 6", "2 pi", "3 dozen".
_NOT_UNITS: Final = frozenset(
    re.findall(
        r"\w+",
        """and by choose cos cot csc cubed dozen exp factorial for fourths half halves if inf infinity less ln log minus
        mod modulo more or over pi plus power quarter quarters root roots score sin sqrt squared tan tau than third
        thirds times to when where""",
    )
)


@dataclass(frozen=True, slots=True)
class Number:
    """A plain number and how it was written: as a percentage, or in the base that a subscript names."""

    value: Fraction
    percent: bool = False
    base: int | None = None


@lru_cache(maxsize=1 << 15)
def clean(answer: str) -> str:
    r"""The answer without its wrapping: delimiters, emphasis, currency, spacing, trailing units and full stop.

    >>> clean(r"$\dfrac{1}{2}$."), clean("**$600**"), clean(r"864 \mbox{ inches}^2")
    ('\\frac{1}{2}', '600', '864')
    """
    if len(answer) > LONGEST:
        return answer.strip()
    text = answer.translate(_CHARACTERS)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    before = None
    while text != before:
        before = text
        text = text.lstrip(' *`"').rstrip(' *`"\\;:,')
        if not text.endswith("\\right."):
            text = text.rstrip(".")
        if (whole := _WRAPPED.fullmatch(text)) and whole[1].strip():
            text = whole[1]
        elif (unit := _TEXT_UNIT.fullmatch(text)) and _is_unit(unit[2], short=True) and re.search(r"\d", unit[1]):
            text = unit[1]
    return text


_CHARACTERS: Final = str.maketrans({"−": "-", "–": "-", "\u00a0": " ", "\n": " ", "\t": " ", "\r": " "})
_REWRITES: Final = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\s", " "),  # of every kind: behind a backslash it is a LaTeX space
        (r"\\?\$", " "),
        (r"\\!\s*", ""),
        (r"(?<!\\)\\[,;: ]|~|\\q?quad(?![a-zA-Z])|\\displaystyle(?![a-zA-Z])", " "),
        (r"\{,\}", ","),
        (r"\\[dtc]frac(?![a-zA-Z])", r"\\frac"),
        (r"\\(?:left|right)\s*(?=[()\[\]|]|\\[{}])", ""),
        (r"\\[()\[\]]", " "),
        (r"\s+", " "),
        (r" ?([+\-=/<>^_(){}\[\]]) ?", r"\1"),
        (r" ?,(?=[^\d ]) ?|, ", ", "),
    )
)


def _is_unit(words: str, *, short: bool = False) -> bool:
    """Whether these words only say what was counted, so that the number before them is the answer."""
    names = re.findall(r"[a-z]+", words.lower())
    return not any(
        name in _NOT_UNITS or name in _TIMES or (len(name) < 3 and not short and name not in _SHORT_UNITS)
        for name in names
    )


@lru_cache(maxsize=1 << 15)
def number(answer: str) -> Number | None:
    r"""The answer as an exact number, or None where it is not plainly one.

    Reads integers, decimals, exponents, thousands separators, currency, simple and mixed fractions,
    percentages, a trailing unit and a base given by a subscript.

    >>> number("1,000").value, number(r"-\frac12").value, number("1.5e3").value, number("3 1/2").value
    (Fraction(1000, 1), Fraction(-1, 2), Fraction(1500, 1), Fraction(7, 2))
    >>> number("50%"), number("2x") is None
    (Number(value=Fraction(50, 1), percent=True, base=None), True)

    No string makes it slow: at most 1,000 characters are looked at, and exponents have three digits.
    """
    text = clean(answer)
    if not text or len(text) > _LONGEST_NUMBER:
        return None
    percent = _PERCENT.search(text)
    if percent:
        text = text[: percent.start()]
    elif degrees := _DEGREES.search(text):
        text = text[: degrees.start()]
    text = re.sub(r" ?\\text\{([^{}]*)\}", r" \1", text).strip()
    text = _GLUED_UNIT.sub(" ", text)
    factor = 1
    if words := _WORD_UNIT.fullmatch(text):
        text, unit = words[1], words[2].strip()
        first, _, rest = unit.partition(" ")
        if first.lower() in _TIMES:
            factor, unit = _TIMES[first.lower()], rest
        if not _is_unit(unit):
            return None
    found = _in_base(text)
    if found is None and (value := _value(text)) is not None:
        found = Number(value * factor, percent=percent is not None)
    return found


def _value(text: str) -> Fraction | None:
    if match := _MIXED.fullmatch(text):
        return _ratio(*match.groups())
    if match := _NUMBER.fullmatch(text):
        outer, inner, top, bottom = match.groups()
        return None if outer and inner else _ratio(outer or inner, "", top, bottom or "1")
    if match := _FRACTION.fullmatch(text):
        sign, whole, top, top_digit, bottom, bottom_digit = match.groups()
        return _ratio(sign, whole, top or top_digit, bottom or bottom_digit)
    return None


def _ratio(sign: str, whole: str, top: str, bottom: str) -> Fraction | None:
    numerator, denominator = _decimal(top), _decimal(bottom)
    if denominator == 0:
        return None
    value = numerator / denominator
    if whole:
        if not 0 <= value < 1:
            return None  # 2\frac{3}{2} may be a product
        value += int(whole)
    return -value if sign == "-" else value


def _decimal(text: str) -> Fraction:
    return Fraction(text.replace(",", "").replace(" ", ""))


def _in_base(text: str) -> Number | None:
    match = _IN_BASE.fullmatch(text)
    if not match or not 2 <= int(match[3]) <= 36:
        return None
    try:
        return Number(Fraction(int(match[1] + match[2], int(match[3]))), base=int(match[3]))
    except ValueError:  # a digit that the base does not have
        return None


@lru_cache(maxsize=1 << 15)
def canonical(answer: str) -> str:
    r"""One spelling for all that plainly mean the same; answers with one canonical form are equal.

    A percentage counts as its number and words lose their case. It is "" only for a blank answer.

    >>> canonical("0.50"), canonical(r"\frac{1}{2}"), canonical(r"\text{Evelyn}"), canonical("2x + 3")
    ('1/2', '1/2', 'evelyn', '2x+3')
    """
    text = clean(answer)
    if found := number(text):
        return str(found.value) if found.base is None else f"{_digits(found)}_{{{found.base}}}"
    if letter := re.fullmatch(r"\(([A-Za-z])\)", text):
        return letter[1]
    return text.lower() if _WORDS.fullmatch(text) else text


def _digits(found: Number) -> str:
    value, base, digits = abs(int(found.value)), found.base or 10, ""
    while value or not digits:
        value, digit = divmod(value, base)
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[digit] + digits
    return "-" * (found.value < 0) + digits


def decide(answer: str, gold: str) -> bool | None:
    r"""Whether the two are equal, where that is plain to see; None where it takes algebra.

    Numbers are compared exactly: 0.333333 is not 1/3. A percentage equals its number and its
    hundredth. A base that only one of the two names is not compared. Of an equation the last part counts.
    Prose and lists of numbers equal no number. A blank answer equals nothing.

    >>> decide("$600", "600"), decide("0.5", "50%"), decide("0.333", "1/3"), decide("2x", "x+x")
    (True, True, False, None)
    """
    a, b = canonical(answer), canonical(gold)
    if not a or not b:
        return False
    if a == b:
        return True
    left, right = number(answer), number(gold)
    if left is None or right is None:
        verdict = None
        if left or right:
            verdict = _equals_number(a, gold) if left is None else _equals_number(b, answer)
        return False if verdict is None and differ(a, b) else verdict
    if left.percent != right.percent:
        hundredth = Fraction(1, 100)
        return left.value * (hundredth if left.percent else 1) == right.value * (hundredth if right.percent else 1)
    if (left.base is None) != (right.base is None):
        return a.split("_")[0] == b.split("_")[0]
    return left.value == right.value


def _equals_number(text: str, plain: str) -> bool | None:
    """Whether a text that is no plain number equals one, where that is plain to see."""
    if len(text) > _LONGEST_NUMBER:
        return None
    if (equation := _EQUATION.fullmatch(text)) and number(equation[1]):
        return decide(equation[1], plain)
    listed = {canonical(part) for part in _BETWEEN.split(text) if number(part)}
    if len(listed) > 1 and all(number(part) for part in _BETWEEN.split(text)):
        return False
    words = [] if any(mark in text for mark in "\\^_") else _LONG_WORD.findall(text)
    return False if any(not _FUNCTION.match(word.lower()) for word in words) else None
