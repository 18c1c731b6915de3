"""The last value of a text that states no answer: its last formula, whole, or its last number."""

import re

from verifiers.grading.extraction import ALSO, CITATION, LONGEST
from verifiers.grading.last_remarks import without_denied, without_remarks
from verifiers.grading.notation.numerals import DIGITS
from verifiers.grading.notation.spelling import IN_FORMULA, ONE_FOR_ONE

_VALUE = (
    r"(?:\d+ and (?:a|one) (?:half|quarter)\b|\d+ (?:and )?[1-9]\d*/[1-9]\d*(?![\d/.])|\d+ over [1-9]\d*(?=[.*]*$)"
    r"|\\[dt]?frac\s*\{-?[\d.,]+\}\s*\{[\d.,]+\}"
    rf"|{DIGITS}(?!\d)(?:\.\d+)?(?:\s*/\s*\d+(?:\.\d+)?)?"
    r"|\.\d+)"
)
_SCALE = r"\s(?:thousand|million|billion|trillion|lakhs?|crores?)\b"
# A sign belongs to the number only where nothing stands before it that could be subtracted from.
_SIGN = r"(?:(?<![\w)}\]$%.])-\s?|(?<![\w)}\]$%.])\+)?"
_NUMBER = re.compile(
    r"(?=[-+.\d$€£\\])"  # fails at once nearly everywhere
    rf"{_SIGN}(?P<coin>\\?[$€£])?(?:(?<=[$€£])-)?(?<![\w.\\]){_VALUE}(?:\s?\\?%|{_SCALE}|(?(coin)[kKM](?!\w)|(?!)))?",
    re.ASCII,
)
# None holds the beginning of another, so that many beginnings without an end take no longer.
_FORMULA = re.compile(
    r"\$\$(?P<display>[^$]+)\$\$"
    r"|\\\[(?P<bracket>(?:(?!\\\[).)+?)\\\]"
    r"|\\\((?P<inline>(?:(?!\\\().)+?)\\\)"
    r"|(?<!\\)\$(?P<dollar>[^$\n]+?)(?<!\\)\$(?!\d)"
    r"|\\begin\{(?:align|aligned|equation|gather)\*?\}(?P<environment>(?:(?!\\begin).)+?)\\end\{\w+\*?\}",
    re.DOTALL,
)
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")  # two dollars with words between them are an amount of money each
_IN_TEXT = re.compile(r"\\[A-Za-z]+(?:\s*\{[^{}]*\})?")
_SAYS = re.compile(r"\d|\\(?:pi|infty|sqrt|frac|dfrac|varnothing|emptyset|mathbb|text)")
_JOINED = re.compile(rf"\s*(?:,|;|,?\s*{ALSO})\s*")
_INEQUALITY = re.compile(r"[<>]|\\(?:le|ge)(?:q|qslant|slant)?(?![a-z])")
_UNKNOWN = re.compile(r"[A-Za-z]\w?\s*=\s*(?=[^=]*$)")
# Of a formula without dollars: what a number is glued to, and what shows that it is more than a number.
_GLUED = re.compile(r"[\w.,^√π²³×·*/+=±\\{}()\[\]|!∞:'-]*")
# 2x - 3 and 1.5 × 10^8, but "Final answer - 5".
_SPACED = re.compile(r"(?<=[\w)}])(?<![A-Za-z]{2}) ([×·*+±/-]) (?=[\w(√\\])")
_LETTER = re.compile(rf"{IN_FORMULA}$")
_OPERATORS = re.compile(r"[\^√π²³×·*+±_\\{}∞]|\d[-/]\d.*[-/]|\d-\d|[A-Za-z)]-\d|\d:\d")
_AND = re.compile(r"\b(?:and|or)\b")
# Two numbers in words, of which the last is but one.
_BOTH = re.compile(
    r"(?<![\w.,/])\d[\d.,]*(?:,\s\d[\d.,]*)*,? (?:and|or|out of|:) $"
    r"|(?<!\w)([A-Za-z])\w? ?= ?-?\d[\d./]*(?:,| (?:and|or)) \1\w? ?= ?$"
)
_HALF_OF_THE_DAY = re.compile(r" ?[ap]\.?m\b\.?", re.IGNORECASE)
_ONE_TUPLE = r"(?:[(\[][-+\d.,;/^\sA-Za-z√π∞\\{}]{1,80}[)\]]|\{[-+\d.,/^\s√π]{1,80}\})"
_TUPLE = re.compile(rf"{_ONE_TUPLE}(?:,? (?:and |or )?{_ONE_TUPLE}){{0,5}}")


def last_number(text: str) -> str | None:
    r"""The last number of the text, with its sign, currency and per cent sign; simple fractions count.

    >>> last_number("he pays $1,200.50."), last_number("from 3 to -4"), last_number("10-2"), last_number("or 3/4 of it")
    ('$1,200.50', '-4', '2', '3/4')
    """
    text = _plain(text[-LONGEST:])
    last = None
    for found in _NUMBER.finditer(text):
        last = found
    return _with_its_sign(text, last) if last else None


def first_number(text: str) -> str | None:
    """The first number of the text: what a stated answer begins with, before its unit.

    >>> first_number("26 cups and 8 teaspoons"), first_number("none") is None
    ('26', True)
    """
    text = _plain(text[:LONGEST])
    found = _NUMBER.search(text)
    return _with_its_sign(text, found) if found else None


def last_value(text: str) -> str | None:
    r"""The last formula, whole, or the last number where none with a value stands behind it.

    >>> last_value(r"So we get $\frac{\sqrt{3}}{2}$."), last_value("The set of $n$ has 3 members [1].")
    ('\\frac{\\sqrt{3}}{2}', '3')
    >>> last_value("Therefore $x = 2$ or $x = -3$.")
    '2, -3'
    """
    whole = without_denied(text[-LONGEST:])
    text = CITATION.sub("", whole)
    text = without_remarks(text)
    formulas = [m for m in _FORMULA.finditer(text) if _is_formula(_content(m))]
    if not formulas:
        return _last_expression(text) or last_number(whole)
    behind = last_number(text[formulas[-1].end() :])
    valued = [m for m in formulas if _SAYS.search(_content(m))]
    if behind is not None or not valued:
        return behind or last_number(_FORMULA.sub(" ", text))
    after = _FORMULA.sub(" ", text[valued[-1].end() :])
    return last_number(after) or _joined(text, valued)


def _last_expression(text: str) -> str | None:
    """The last number, with what it is a part of: 2^5, (3, 5)."""
    plain = _SPACED.sub(r"\1", _plain(text))
    if (number := last_number(plain)) is None:
        return None
    at = plain.rfind(number)
    if at < 0:
        return number
    line = plain.rfind("\n", 0, at) + 1
    for group in _TUPLE.finditer(plain, max(line, at - 200), at + len(number) + 100):
        if group.start() < at < group.end() and "," in group[0] and not _PROSE.search(_AND.sub(" ", group[0])):
            return group[0]
    if both := _BOTH.search(plain, max(line, at - 100), at):
        return f"{both[0]}{number}"
    start = at
    while start > max(line, at - 100) and _GLUED.fullmatch(plain[start - 1]):
        start -= 1
    end = _GLUED.match(plain, at + len(number), at + len(number) + 100)
    if ":" in plain[start:at] and (half := _HALF_OF_THE_DAY.match(plain, at + len(number))):
        return plain[start : half.end()].strip()
    whole = plain[start : end.end() if end else at].strip("*_'.,:").rpartition("=")[2]
    balanced = all(whole.count(a) == whole.count(b) for a, b in ("()", "[]", "{}"))
    return whole if balanced and _OPERATORS.search(whole) and not _PROSE.search(whole) else number


def _joined(text: str, formulas: list[re.Match[str]]) -> str:
    """The last formula, with those before it that a comma, an "and" or an "or" joins to it."""
    parts = [_content(formulas[-1]).strip()]
    for before, after in zip(reversed(formulas[:-1]), reversed(formulas), strict=False):
        if not (after.start() - before.end() < 10 and _JOINED.fullmatch(text, before.end(), after.start())):
            break
        parts.append(_content(before).strip())
    if len(parts) == 1:
        return parts[0]
    if any(_INEQUALITY.search(part) for part in parts):
        between = text[formulas[-2].end() : formulas[-1].start()]
        return (" or " if "or" in between else ", ").join(reversed(parts))
    return ", ".join(_UNKNOWN.sub("", part, count=1) for part in reversed(parts))


def _content(formula: re.Match[str]) -> str:
    if formula["environment"]:
        return formula["environment"].rpartition("=")[2]  # the last line of a derivation
    return _LETTER.sub(r"\1\2", next(filter(None, formula.groupdict().values())))


def _is_formula(content: str) -> bool:
    return not _PROSE.search(_IN_TEXT.sub(" ", content))


def _with_its_sign(text: str, number: re.Match[str]) -> str:
    """The number; a dash between spaces behind a word parts them ("Final answer - 5") and is no sign."""
    before = text[: number.start()].rstrip()[-1:]
    found = number[0].strip()
    return found[1:].strip() if found[:2] == "- " and (before.isalnum() or before in ")]}%$.:") and before else found


def _plain(text: str) -> str:
    return text.translate(ONE_FOR_ONE)
