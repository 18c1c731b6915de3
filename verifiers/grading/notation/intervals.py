"""Sets of real numbers in words and inequalities: "x < 2 or x > 3" is a union of two intervals."""

import re
from typing import Final

_BOUND: Final = r"([^<>=|,]{1,60}?)"
_LESS: Final = r" ?(<|\\le(?![a-z])) ?"
_MORE: Final = r" ?(>|\\ge(?![a-z])) ?"
_BELOW: Final = re.compile(rf"([a-z]){_LESS}{_BOUND}")
_ABOVE: Final = re.compile(rf"([a-z]){_MORE}{_BOUND}")
_WITHIN: Final = re.compile(rf"{_BOUND}{_LESS}([a-z]){_LESS}{_BOUND}")
# |x - 2| < 3, and |x| < what is plainly positive
_ABSOLUTE: Final = re.compile(
    r"\|([a-z])(?:([-+])(\d{1,9}))?\| ?(<|>|\\[lg]e(?![a-z])) ?"
    r"(\d+(?:\.\d+|/\d+)?|\d?\\sqrt\{\d+\}|\\frac\{\d+\}\{\d+\}|\d?\\pi)"
)
_OR: Final = re.compile(r" (?:or|U) |(?<=[)\]])(?:or|U)(?=[(\[])|\\vee(?![a-z])|\\lor(?![a-z])")
_INTERVAL: Final = re.compile(r"(?:[a-z] ?\\in ?)?([(\[][^()\[\],]+,[^()\[\],]+[)\]])")
_PHRASES: Final = {
    r"(-\infty,\infty)": "all real numbers, all reals, all real, the real numbers, real numbers, any real number, "
    r"the set of all real numbers, the set of real numbers, every real number, \mathbb{R}, \mathbb R, "
    r"\text{all real numbers}, \{\mathbb{R}\}",
    r"\mathbb{Z}": "all integers, the integers, the set of integers, the set of all integers",
    r"\emptyset": "the empty set, empty set, null set, no solution, no solutions, no real solution, no real solutions, "
    r"there is no solution, there are no solutions, there are no real solutions, \{\}, \{ \}, \{\emptyset\}",
    "does not exist": "dne, the limit does not exist, it does not exist",
    "divergent": "diverges, it diverges, the series diverges, the integral diverges",
}
_NAMES: Final = {phrase: name for name, phrases in _PHRASES.items() for phrase in phrases.split(", ")}
# {x : x > 2}, and ]2,3[ as the French write (2,3)
_BUILDER: Final = re.compile(r"\\\{ ?([a-z])(?: ?\\in ?\\mathbb\{R\})? ?(?:\||\\mid(?![a-z])|:) ?(.*)\\\}")
_TURNED: Final = re.compile(r"([\[\]])([^\[\](),;]+)[,;]([^\[\](),;]+)([\[\]])")
_EXCEPT: Final = re.compile(
    r"(?:x is )?(?:all |any |the )?(?:reals?|real numbers?)(?: x)?,? (?:except|other than|but|excluding)(?: for)? "
    r"(?:x ?= ?)?(-?\d+(?:\.\d+|/\d+)?)",
    re.IGNORECASE,
)
# For all whole numbers, as in the solutions of trigonometric equations.
_WHOLE: Final = re.compile(
    r"(.*(?<![A-Za-z])([kn])(?![A-Za-z]).*?)[, ]+(?:\\text\{ ?)?(?:(?:where|for|with|any|all|some|integer) )*\}? ?"
    r"\2 ?(?:\\in ?\\mathbb\{Z\}|(?:\\text\{ ?)?is an (?:arbitrary )?integer\}?)"
)
_BOTH: Final = re.compile(r" and |\\(?:wedge|land)(?![a-z])")
_MEMBER: Final = re.compile(r"[a-z] ?\\in ?(?=\\mathbb\{R\}|\(-\\infty)")


def named_set(text: str) -> str:
    r"""The set that a phrase or a sign names, as an interval where it is one; any other text as it is.

    >>> named_set("all real numbers"), named_set(r"x\in\mathbb{R}"), named_set("the empty set"), named_set("all")
    ('(-\\infty,\\infty)', '(-\\infty,\\infty)', '\\emptyset', 'all')
    """
    member = _MEMBER.match(text)
    name = text[member.end() :] if member else text
    return _NAMES.get(name if "\\" in name else name.lower(), text)


def as_intervals(text: str) -> str:
    r"""A union written with "or", of inequalities or intervals, with its sign; |x| < 1 as -1 < x < 1; else the text.

    >>> as_intervals(r"x<2 or x\ge 3"), as_intervals(r"(-\infty,2) or (3,\infty)")
    ('(-\\infty,2)\\cup[3,\\infty)', '(-\\infty,2)\\cup(3,\\infty)')
    >>> as_intervals("(1,2) or (3,4)"), as_intervals("x<2 or y>3"), as_intervals("|x-2|<3")
    ('(1,2) or (3,4)', 'x<2 or y>3', '-1<x<5')
    """
    if len(text) > 1_000:
        return text
    if (builder := _BUILDER.fullmatch(text)) and re.search(r"[<>]|\\[lg]e(?![a-z])", builder[2]):
        union = as_intervals(builder[2])
        return union if union != builder[2] else _interval(builder[2].strip())[1] or text
    if len(text) < 200 and ("\\mathbb{Z}" in text or "integer" in text) and (whole := _WHOLE.fullmatch(text)):
        return whole[1]
    if outside := _EXCEPT.fullmatch(text):
        return rf"(-\infty,{outside[1]})\cup({outside[1]},\infty)"
    if absolute := _ABSOLUTE.fullmatch(text):
        return _without_bars(*absolute.groups()) or text
    if text[:1] == "]" or text[-1:] == "[":
        return _TURNED.sub(_as_the_english_write, text)
    parts = _OR.split(text)
    if len(parts) == 1 and len(both := _BOTH.split(text)) == 2:
        return _intersection(both) or text
    if len(parts) < 2 or len(parts) > 8:
        return text
    found = [_interval(part.strip()) for part in parts]
    names = {name for name, _ in found if name}
    # Two points in brackets are no intervals: something must say that these are.
    if len(names) > 1 or not all(interval for _, interval in found):
        return text
    if not names and not any(mark in text for mark in ("\\infty", "[", "]", "U")):
        return text
    return "\\cup".join(interval for _, interval in found)


def _without_bars(name: str, sign: str | None, shift: str | None, relation: str, bound: str) -> str | None:
    """Where an absolute value is below or above a positive bound; None where the ends would take algebra."""
    if not re.search("[1-9]|pi", bound):
        return None
    low, high = f"-{bound}", bound
    if shift:
        if not bound.isdecimal():
            return None
        middle = int(f"{'-' if sign == '+' else ''}{shift}")
        low, high = str(middle - int(bound)), str(middle + int(bound))
    equal = relation.startswith("\\")
    if relation in ("<", "\\le"):
        less = "\\le " if equal else "<"
        return f"{low}{less}{name}{less}{high}"
    ends = ("]", "[") if equal else (")", "(")
    return rf"(-\infty,{low}{ends[0]}\cup{ends[1]}{high},\infty)"


def _as_the_english_write(interval: re.Match[str]) -> str:
    opening, low, high, closing = interval.groups()
    return f"{'(' if opening == ']' else '['}{low.strip()},{high.strip()}{')' if closing == '[' else ']'}"


def _intersection(parts: list[str]) -> str | None:
    """The interval that two bounds of one variable leave: "x>2 and x<3"."""
    above, below = sorted((part.strip() for part in parts), key=lambda part: "<" in part or "\\le" in part)
    more, less = _ABOVE.fullmatch(above), _BELOW.fullmatch(below)
    if not more or not less or more[1] != less[1]:
        return None
    return _interval(above)[1].rpartition(",")[0] + "," + _interval(below)[1].rpartition(",")[2]


def _interval(part: str) -> tuple[str, str]:
    """The variable that a part names, and its interval ("" where it is none)."""
    if match := _INTERVAL.fullmatch(part):
        return "", match[1]
    if match := _BELOW.fullmatch(part):
        return match[1], rf"(-\infty,{match[3].strip()}{')' if match[2] == '<' else ']'}"
    if match := _ABOVE.fullmatch(part):
        return match[1], rf"{'(' if match[2] == '>' else '['}{match[3].strip()},\infty)"
    if match := _WITHIN.fullmatch(part):
        low, first, name, second, high = match.groups()
        ends = "(" if first == "<" else "[", ")" if second == "<" else "]"
        return name, f"{ends[0]}{low.strip()},{high.strip()}{ends[1]}"
    return "", ""
