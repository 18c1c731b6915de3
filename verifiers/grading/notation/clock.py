"""Times and days: "8:34 p.m." is 20:34, 7 am is not 7 pm, and "5 January" is "January 5th"."""

import re
from typing import Final

from verifiers.grading.notation.number_words import digits_for_words

_CLOCK: Final = re.compile(
    r"(?:at )?(\d{1,2})(?: ?[:.] ?(?P<minutes>\d{2}))?(?: ?o'clock)? ?"
    r"([ap])\.? ?m\.?(?: today| tomorrow)?",
    re.IGNORECASE | re.ASCII,
)
_PLAIN: Final = re.compile(r"(?:at )?([01]?\d|2[0-3])[:h]([0-5]\d)(?::00)?(?: ?(?:h|hrs?|hours|o'clock))?", re.ASCII)
_SAID: Final = re.compile(r"(?:at )?(\d{1,2}) ?o'clock")
_PAST: Final = re.compile(r"(?:at )?(half|(?:a )?quarter) (past|to) (\w+)")
_NAMED: Final = re.compile(r"(?:at |12 |12:00 |around |about )?(noon|midnight)", re.IGNORECASE)
_MONTHS: Final = re.findall(
    r"\w+", "January February March April May June July August September October November December"
)
_MONTH: Final = "|".join(rf"{name[:3]}(?:{name[3:]}|t?\.?)" for name in _MONTHS)
_DAY: Final = r"0?[1-9]|[12]\d|3[01]"
_DATE: Final = re.compile(
    r"(?:on )?(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day,? )?(?:the )?"
    rf"(?:(?P<day>{_DAY})(?:st|nd|rd|th)?(?: of)? (?P<month>{_MONTH})"
    rf"|(?P<first>{_MONTH}) (?:the )?(?P<other>{_DAY})(?:st|nd|rd|th)?)"
    r"(?:,? ?(?P<year>\d{4}))?",
    re.IGNORECASE,
)


_FACED: Final = re.compile(r"\\(?:text|textrm|textbf|mbox|mathrm) ?\{([^{}]*)\}")


def _unfaced(text: str) -> str:
    """The text with the words of a formula as plain ones: July 7 of \\text{July } 7."""
    return " ".join(_FACED.sub(r" \1 ", text).split()) if "\\" in text else text


def clock(text: str) -> str | None:
    r"""A time of day as hours and minutes, or None where the text is none.

    >>> clock("8:34 p.m."), clock(r"11:00\text{ a.m.}"), clock("7 am"), clock("12 midnight"), clock("08:05")
    ('20:34', '11:00', '7:00', '0:00', '8:05')
    >>> clock("3:2"), clock("7"), clock("7 amps")
    (None, None, None)
    """
    text = _unfaced(text)
    if match := _NAMED.fullmatch(text):
        return "12:00" if match[1].lower() == "noon" else "0:00"
    if match := _PLAIN.fullmatch(text):
        return f"{int(match[1])}:{match[2]}"
    if match := _SAID.fullmatch(text):
        return f"{int(match[1])}:00"
    if (match := _PAST.fullmatch(text)) and (named := digits_for_words(match[3].lower())).isdecimal():
        minutes = 60 * int(named) + (30 if match[1] == "half" else 15) * (1 if match[2] == "past" else -1)
        return f"{minutes // 60}:{minutes % 60:02}"
    match = _CLOCK.fullmatch(text)
    if not match or not 1 <= int(match[1]) <= 12 or int(match[2] or 0) > 59:
        return None
    hour = int(match[1]) % 12 + 12 * (match[3].lower() == "p")
    return f"{hour}:{match[2] or '00'}"


def hour(text: str) -> str | None:
    """The number of a whole hour with its half of the day, as written: "7" of "7 pm"; None for all else."""
    text = _unfaced(text)
    match = _CLOCK.fullmatch(text) or _SAID.fullmatch(text)
    return match[1].lstrip("0") if match and clock(text) and not match.groupdict().get("minutes") else None


def is_no_ratio(text: str) -> bool:
    """Whether a time says that it is one, by its half of the day or in words."""
    text = _unfaced(text)
    return any(pattern.fullmatch(text) for pattern in (_CLOCK, _NAMED, _SAID, _PAST))


def date(text: str) -> str | None:
    """A day of the year, and the year where it is named, in one spelling; None where the text is none.

    >>> date("5th of January"), date("Jan. 5, 2024"), date("Monday, 5 May"), date("5"), date("may 5 people")
    ('January 5', 'January 5, 2024', 'May 5', None, None)
    """
    if match := _DATE.fullmatch(_unfaced(text)):
        day, short = match["day"] or match["other"], (match["month"] or match["first"])[:3].title()
        month = next(name for name in _MONTHS if name.startswith(short))
        return f"{month} {int(day)}" + (f", {match['year']}" if match["year"] else "")
    return None
