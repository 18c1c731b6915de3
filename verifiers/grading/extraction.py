"""Where the final answer stands in a text: small extractors, and `first_of` to chain them."""

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from verifiers.grading.numerals import DIGITS

Extractor: TypeAlias = Callable[[str], str | None]

_BRACES = re.compile(r"(?P<box>\\(?:boxed|fbox)\s*\{)|\\.|[{}]", re.DOTALL)
_HASHES = re.compile(r"(?<!#)####(?!#)[ \t]*([^\n]*)")
_HEADING = re.compile(r".*:\W*|[A-Za-z]{2,}[:,]?\s+\S.*|(?:Answer|Conclusion|Result|Solution|Summary)\W*")
_ANSWER_IS = re.compile(r"\banswer(?:\s+is\b\s*:?|\s*:)[\s*]*", re.IGNORECASE)
# A full stop ends the answer unless something follows it at once, as in "1.5" and "p.m.".
_SENTENCE_END = re.compile(r"[.?](?=[*)\"']*(?:\s|$))|,?\s(?:because|since|which)\b")
_MATHS_FIRST = re.compile(r"\$[^$]+\$(?!\d)")
_VALUE = (
    r"(?:\\[dt]?frac\s*\{-?[\d.,]+\}\s*\{[\d.,]+\}"
    rf"|{DIGITS}(?!\d)(?:\.\d+)?(?:\s*/\s*\d+(?:\.\d+)?)?"
    r"|\.\d+)"
)
# A sign belongs to the number only where nothing stands before it that could be subtracted from.
_SIGN = r"(?:(?<![\w)}\]$%.])-\s?|(?<![\w)}\]$%.])\+)?"
_NUMBER = re.compile(rf"{_SIGN}(?:\\?[$€£])?(?:(?<=[$€£])-)?(?<![\w.\\]){_VALUE}(?:\s?\\?%)?")

_LONGEST: Final = 1_000_000  # characters; the end of a longer text is searched


def boxed(text: str) -> str | None:
    r"""The content of the last `\boxed{...}` that is closed and not blank; braces may be nested.

    >>> boxed(r"so \boxed{1}, no: \boxed{\frac{1}{2}}")
    '\\frac{1}{2}'
    >>> boxed("no box") is None
    True
    """
    text = text[-_LONGEST:]
    open_groups: list[int | None] = []  # where a box's content starts; None for another group
    last_start, found = -1, None
    for mark in _BRACES.finditer(text):
        if mark["box"]:
            open_groups.append(mark.end())
        elif mark[0] == "{":
            open_groups.append(None)
        elif mark[0] == "}" and open_groups:
            start = open_groups.pop()
            if start is not None and start > last_start and (content := text[start : mark.start()].strip()):
                last_start, found = start, content
    return found


def after_hashes(text: str) -> str | None:
    """What follows the last `####` on its line, as GSM8K writes answers; a Markdown heading is passed over.

    >>> after_hashes("6*3=18\\n#### 18"), after_hashes("#### Step 1: add")
    ('18', None)
    """
    found = [line.strip() for line in _HASHES.findall(text[-_LONGEST:])]
    return next((line for line in reversed(found) if line and not _HEADING.fullmatch(line)), None)


def after_answer_is(text: str) -> str | None:
    """What follows the last "answer is" or "answer:", to the end of the sentence.

    >>> after_answer_is("The answer is $600."), after_answer_is("Final answer: **1.5** metres. Done.")
    ('$600', '1.5** metres')
    """
    text = text[-_LONGEST:]
    for mark in reversed(list(_ANSWER_IS.finditer(text))):
        line = text[mark.end() :].partition("\n")[0]
        if maths := _MATHS_FIRST.match(line):
            return maths[0]
        if stated := _SENTENCE_END.split(line, maxsplit=1)[0].strip(" \t*"):
            return stated
    return None


def last_number(text: str) -> str | None:
    r"""The last number of the text, with its sign, currency and per cent sign; simple fractions count.

    >>> last_number("he pays $1,200.50."), last_number("from 3 to -4"), last_number("10-2"), last_number("or 3/4 of it")
    ('$1,200.50', '-4', '2', '3/4')
    """
    found = _NUMBER.findall(text[-_LONGEST:])
    return found[-1].strip() if found else None


def first_number(text: str) -> str | None:
    """The first number of the text: what a stated answer begins with, before its unit.

    >>> first_number("26 cups and 8 teaspoons"), first_number("none") is None
    ('26', True)
    """
    found = _NUMBER.search(text[:_LONGEST])
    return found[0].strip() if found else None


def last_line(text: str) -> str | None:
    r"""The last line that is not blank.

    >>> last_line("thinking\n yes \n\n")
    'yes'
    """
    return next((line.strip() for line in reversed(text[-_LONGEST:].splitlines()) if line.strip()), None)


def first_of(*extractors: Extractor) -> Extractor:
    r"""An extractor that asks these in turn and takes the first answer found.

    >>> first_of(boxed, last_number)(r"5 apples in \boxed{3} boxes of 2")
    '3'
    """

    def extract(text: str) -> str | None:
        answers = (extractor(text) for extractor in extractors)
        return next((answer for answer in answers if answer is not None), None)

    return extract
