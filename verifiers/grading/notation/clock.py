"""Times of day: "8:34 p.m." is 20:34, and 7 am is not 7 pm."""

import re
from typing import Final

_CLOCK: Final = re.compile(
    r"(?:at )?(\d{1,2})(?: ?[:.] ?(\d{2}))?(?: ?o'clock)? ?(?:\\text\{)? ?([ap])\.? ?m\.?\}?(?: today| tomorrow)?",
    re.IGNORECASE | re.ASCII,
)
_PLAIN: Final = re.compile(r"(?:at )?([01]?\d|2[0-3])[:h]([0-5]\d)(?::00)?(?: ?(?:h|hrs?|hours|o'clock))?", re.ASCII)
_NAMED: Final = re.compile(r"(?:at |12 |around |about )?(noon|midnight)", re.IGNORECASE)


def clock(text: str) -> str | None:
    r"""A time of day as hours and minutes, or None where the text is none.

    >>> clock("8:34 p.m."), clock(r"11:00\text{ a.m.}"), clock("7 am"), clock("12 midnight"), clock("08:05")
    ('20:34', '11:00', '7:00', '0:00', '8:05')
    >>> clock("3:2"), clock("7"), clock("7 amps")
    (None, None, None)
    """
    if match := _NAMED.fullmatch(text):
        return "12:00" if match[1].lower() == "noon" else "0:00"
    if match := _PLAIN.fullmatch(text):
        return f"{int(match[1])}:{match[2]}"
    match = _CLOCK.fullmatch(text)
    if not match or not 1 <= int(match[1]) <= 12 or int(match[2] or 0) > 59:
        return None
    hour = int(match[1]) % 12 + 12 * (match[3].lower() == "p")
    return f"{hour}:{match[2] or '00'}"


def hour(text: str) -> str | None:
    """The number of a whole hour with its half of the day, as written: "7" of "7 pm"; None for all else."""
    match = _CLOCK.fullmatch(text)
    return match[1].lstrip("0") if match and clock(text) and not match[2] else None


def names_its_half(text: str) -> bool:
    """Whether a time says which half of the day it is in: it is then no ratio."""
    return bool(_CLOCK.fullmatch(text) or _NAMED.fullmatch(text))
