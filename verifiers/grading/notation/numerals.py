"""Answers as plain numbers: exact, without a computer-algebra system, and safe for any string."""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final

from verifiers.grading.notation.choices import choice
from verifiers.grading.notation.clock import clock, date
from verifiers.grading.notation.intervals import as_intervals, named_set
from verifiers.grading.notation.number_words import SCALES, SMALL
from verifiers.grading.notation.prose import bare
from verifiers.grading.notation.spelling import spell
from verifiers.grading.notation.units import LETTERS, is_unit, without_counter, without_currency, without_unit

LONGEST: Final = 10_000  # characters; a longer answer is compared as it stands
_LONGEST_NUMBER: Final = 1_000  # characters; bounds the integers made here well below CPython's limit

# 1,234,567 or 12,34,567 (India) or 1 234 567, or no separator
DIGITS = r"(?:[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d?(?:,\d{2})+,\d{3}|[1-9]\d{0,2}(?: \d{3})+|\d+)"
_DECIMAL = rf"(?:{DIGITS}(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{{1,3}})?"
_PART = rf"\s*(?:\{{\s*([+-]?{_DECIMAL})\s*\}}|(\d))"
_NUMBER = re.compile(rf"([+-]?)[€£¥]?([+-]?)({_DECIMAL})(?:/({_DECIMAL}))?", re.ASCII)
_FRACTION = re.compile(rf"([+-]?)(\d*) ?\\frac{_PART}{_PART}", re.ASCII)
_MIXED = re.compile(r"([+-]?)(\d+) (?:and )?([1-9]\d*)/(\d+)", re.ASCII)
_PERCENT = re.compile(r"\s*(?:\\?%|(?:\\text\{)?\s*per ?cent(?:age)?s?\s*\}?)$")
_PERCENT_OF = re.compile(r"(.*\d) ?\\?% ((?:[A-Za-z]+ ){0,7}[A-Za-z]+ ?)")
_PER_MILLE = re.compile(r"\s*(?:‰|\\permil|per ?mille)$")
_DEGREES = re.compile(r"\s*(?:\^\{?\\circ\}?|°|\\degree)(?: ?(?:counter-?|anti-?)?clockwise)?$")
_TEXT_UNIT = re.compile(
    r"(.*[^\s,;=+\-*/^_({\[<>])\s*\\(?:text|textrm|textbf|textit|mbox|mathrm)\{([^{}]*)\}(?:\^\{?\d\}?)?"
)
_WORD_UNIT = re.compile(
    rf"([^A-Za-z\\]*[\d.]|.*\}}) ((?:{LETTERS}+(?:\.[ /-]?|[ /-])){{0,7}}{LETTERS}+\.?[ /-]?)(?:\^\{{?\d\}}?)?"
)
# 12 (twelve) apples, 5/2 (or 2.5): the same number again
_TWICE = re.compile(r"([^()]+)\((?:or |i\.e\.,? )?([^()]+)\)([^()]*)")
_WRAPPED = re.compile(
    r"\\(?:text|textrm|textbf|textit|mbox|mathrm|mathbf|boldsymbol|bm|ensuremath|boxed|fbox)\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}"
)
_QUOTED = re.compile(r"'([^']+)'")
POINTS: Final = re.compile(r"[A-Z]{3,}'*", re.ASCII)
_ARTICLE = re.compile(r"^(?:an?|the|on(?= [a-z]+day$)) (?=[a-z]{3,}(?:[ '-][a-z]+)*\.?$)", re.IGNORECASE)
_WORDS = re.compile(r"[Nn][Oo]|[A-Za-z]{3,}(?:[ '-][A-Za-z]+)*\.?", re.ASCII)

# 3 \times 10^4
_SCIENTIFIC = re.compile(rf"([+-]?{_DECIMAL}) ?(?:\\times|\\cdot|x|\*) ?10\^\{{?([+-]?\d{{1,3}})\}}?", re.ASCII)
# 0.3\overline{6} and 0.3(6)
_REPEATING = re.compile(r"([+-]?)(\d*)\.(\d*)(?:\\(?:overline|bar|dot) ?\{?(\d+)\}?|\((\d+)\))", re.ASCII)
_MODULO = re.compile(r"(-?\d+) ?\\mod ?(\d+)", re.ASCII)
_ORDINAL = re.compile(r"(?<=\d)\^?\{?(?:st|nd|rd|th)\}?$")
_IN_BASE = re.compile(
    r"([+-]?)\(?([0-9A-Z]+)\)?(?: ?,? ?(?:in |\\text\{ ?)*base[ -]?\}? ?|_\{?(?:\\text\{)?\(?)(\d\d?|[a-z]+)[)}]*",
    re.ASCII,
)
_PLAIN = re.compile(r"[\d\s.,$%+/-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Number:
    """A plain number and how it was written: as a percentage, or in the base that a subscript names."""

    value: Fraction
    percent: bool = False
    base: int | None = None

    @property
    def digits(self) -> str:
        """A whole number as it is written in its base; another as a fraction."""
        if self.value.denominator != 1:
            return str(self.value)
        value, base, digits = abs(int(self.value)), self.base or 10, ""
        while value or not digits:
            value, digit = divmod(value, base)
            digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[digit] + digits
        return "-" * (self.value < 0) + digits


@lru_cache(maxsize=1 << 15)
def clean(answer: str) -> str:
    r"""The answer without its wrapping: delimiters, emphasis, currency, spacing, trailing units and full stop.

    >>> clean(r"$\dfrac{1}{2}$."), clean("**$600**"), clean(r"864 \mbox{ inches}^2")
    ('\\frac{1}{2}', '600', '864')
    """
    if len(answer) > LONGEST:
        return answer.strip()
    text = (answer if _PLAIN.fullmatch(answer) and "..." not in answer else spell(answer)).translate(_CHARACTERS)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    before = None
    while text != before:
        before = text
        text = text.lstrip(' *`"').rstrip(' *`"\\;:,?')
        if not text.endswith("\\right."):
            text = text.rstrip(".")
        if _PLAIN.fullmatch(text):
            break
        if quoted := _QUOTED.fullmatch(text):
            text = quoted[1]
        if (whole := _WRAPPED.fullmatch(text)) and whole[1].strip():
            text = whole[1]
        elif clock(text) or date(text):
            break
        elif (unit := _TEXT_UNIT.fullmatch(text)) and is_unit(unit[2], short=True) and re.search(r"\d", unit[1]):
            text = unit[1]
        else:
            text = bare(text)
    return text if _PLAIN.fullmatch(text) else named_set(as_intervals(text))


_CHARACTERS: Final = str.maketrans({"\u00a0": " ", "\n": " ", "\t": " ", "\r": " "})
_REWRITES: Final = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\s", " "),  # of every kind: behind a backslash it is a LaTeX space
        (r"\\?\$", " "),
        (r"\\!\s*", ""),
        (r"(?<!\\)\\[,;: ]|~|\\q?quad(?![a-zA-Z])|\\displaystyle(?![a-zA-Z])", " "),
        (r"\{,\}", ","),
        (r"\\(?:[dtcs]|nice)frac(?![a-zA-Z])", r"\\frac"),
        (r"\\(?:left|right)\s*(?=[()\[\]|]|\\[{}])", ""),
        (r"\\[()\[\]]", " "),
        (r"\s+", " "),
        (r" ?([+\-=/<>^_(){\[\]]|\}(?! [A-Za-z]{2})|(?<!\d)\}) ?", r"\1"),  # \frac{1}{4} of it is no product
        (r" ?,(?=[^\d ]) ?|, ", ", "),
        (r"^\((\d{1,3}(?:,0\d\d)+)\)$", r"\1"),  # no coordinate begins with a 0
    )
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
    if not text or len(text) > _LONGEST_NUMBER or date(text):
        return None
    if _PLAIN.fullmatch(text) and "%" not in text:
        return None if (value := _value(without_currency(text.strip()))) is None else Number(value)
    if found := _in_base(text):
        return found
    if (twice := _TWICE.fullmatch(text)) and re.search("[A-Za-z]", twice[0]):
        one, other = number(twice[1]), number(twice[2])
        if one and other and one.value == other.value:
            return number(f"{twice[1]} {twice[3]}")
    percent = _PERCENT.search(text)
    factor = Fraction(1)
    if percent:
        text = text[: percent.start()]
    elif mille := _PER_MILLE.search(text):
        text, factor = text[: mille.start()], Fraction(1, 1000)
    elif degrees := _DEGREES.search(text):
        text = text[: degrees.start()]
    elif (part := _PERCENT_OF.fullmatch(text)) and is_unit(part[2]):
        text, percent = part[1], part
    text = re.sub(r" ?\\text\{([^{}]*)\}", r" \1", without_unit(without_currency(text))).strip()
    text, times = without_counter(text.removesuffix(" o'clock"))
    text = _ORDINAL.sub("", without_currency(without_unit(text)))
    factor *= times
    if words := _WORD_UNIT.fullmatch(text):
        text, unit = words[1], words[2].strip()
        first, _, rest = unit.partition(" ")
        if first.lower() in SCALES:
            factor, unit = factor * SCALES[first.lower()], rest
        if not is_unit(unit):
            return None
        text = without_currency(text)
    if found := _in_base(text):
        return found
    value = _value(text)
    return None if value is None else Number(value * factor, percent=percent is not None)


def _value(text: str) -> Fraction | None:
    if match := _MIXED.fullmatch(text):
        return _ratio(*match.groups())
    if match := _NUMBER.fullmatch(text):
        outer, inner, top, bottom = match.groups()
        return None if outer and inner else _ratio(outer or inner, "", top, bottom or "1")
    if match := _SCIENTIFIC.fullmatch(text):
        return _decimal(match[1]) * Fraction(f"1e{int(match[2])}")
    if (match := _MODULO.fullmatch(text)) and int(match[2]):
        return Fraction(int(match[1]) % int(match[2]))
    if match := _REPEATING.fullmatch(text):
        sign, whole, decimals, period = match[1], match[2], match[3], match[4] or match[5]
        part = Fraction(int(decimals or 0)) + Fraction(int(period), 10 ** len(period) - 1)
        value = int(whole or 0) + part * Fraction(f"1e-{len(decimals)}")
        return -value if sign == "-" else value
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
    base = int(SMALL.get(match[3], match[3] if match[3].isdigit() else 0)) if match else 0
    if not match or not 2 <= base <= 36 or not match[2][0].isdigit():
        return None
    try:
        return Number(Fraction(int(match[1] + match[2], base)), base=base)
    except ValueError:  # a digit that the base does not have
        return None


@lru_cache(maxsize=1 << 15)
def canonical(answer: str) -> str:
    r"""One spelling for all that plainly mean the same; answers with one canonical form are equal.

    A percentage counts as its number and words lose their case. It is "" only for a blank answer.

    >>> canonical("0.50"), canonical(r"\frac{1}{2}"), canonical(r"\text{Evelyn}"), canonical("2x + 3")
    ('1/2', '1/2', 'evelyn', '2x+3')
    >>> canonical("twelve apples"), canonical("8:34 p.m."), canonical("Option C")
    ('12', '20:34', 'C')
    """
    form = _canonical(answer)
    for _ in range(4):
        if (again := _canonical(form)) == form:
            return form
        form = again
    return answer.strip()  # one rewrite feeds another: no answer looks like that


def _canonical(answer: str) -> str:
    text = clean(answer)
    if found := number(text):
        return str(found.value) if found.base is None else f"{found.digits}_{{{found.base}}}"
    if at := clock(text) or date(text):
        return at
    if (chosen := choice(text)) and not chosen.text:
        return chosen.letter
    if letter := re.fullmatch(r"\(([A-Za-z])\)", text):
        return letter[1]
    text = _ARTICLE.sub("", text)
    # Capitals may be the names of points.
    return text.lower() if _WORDS.fullmatch(text) and not POINTS.fullmatch(text) else text
