"""Answers of several parts: sets, points, intervals and lists, compared part by part."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

Pair: TypeAlias = tuple[str, str]
Settled: TypeAlias = bool | list[Pair]
"""A verdict, or the pairs that must all be equal."""

_LARGEST: Final = 12  # parts; a longer list is left to algebra
_AND: Final = re.compile(r",? (?:and|or) |(?<=[)}\]\d])(?:and|or)(?=[({\[\d])|; ?")
# (x,y)=(1,2) and A(1,2) name a point.
_NAME: Final = re.compile(r"(?:\([a-z](?:, ?[a-z])+\)=|[A-Z]'?=?)(?=\(.*,.*\)$)")

_MATRIX: Final = re.compile(r"\\begin\{[pb]?matrix\}(.*)\\end\{[pb]?matrix\}")


@dataclass(frozen=True, slots=True)
class Shape:
    """The brackets round an answer of several parts ("" for a list without), and the parts."""

    opening: str
    closing: str
    parts: tuple[str, ...]

    @property
    def is_set(self) -> bool:
        return self.opening == "\\{"

    @property
    def is_list(self) -> bool:
        return not self.opening

    @property
    def has_order(self) -> bool:
        return not self.is_set and not self.is_list


def shape(text: str) -> Shape | None:
    r"""The parts of an answer, or None where it has one part only.

    >>> shape("(1, x)").parts, shape(r"\{2,1\}").opening, shape("3, 4 and 5").parts, shape("f(1,2)+3")
    (('1', 'x'), '\\{', ('3', '4', '5'), None)
    """
    if "," not in text and " and " not in text and " or " not in text and ";" not in text:
        return None
    text = _NAME.sub("", text)
    for opening, closing in (("\\{", "\\}"), ("(", ")"), ("(", "]"), ("[", ")"), ("[", "]")):
        if text.startswith(opening) and text.endswith(closing):
            inner = text[len(opening) : len(text) - len(closing)]
            inner = inner if "," in inner else inner.replace(";", ",")
            if (parts := _split(inner)) and len(parts) > 1:
                return Shape(opening, closing, parts)
            if parts and opening == "\\{":
                return shape(inner)  # the set of one point
    parts = _split(_AND.sub(",", text))
    return Shape("", "", parts) if parts and len(parts) > 1 else None


def both_signs(text: str) -> Shape | None:
    r"""The two values of an answer with one plus-minus sign, as a list; None for all else.

    >>> both_signs(r"x=\frac{3\pm\sqrt{5}}{2}").parts, both_signs(r"\pm 1\pm 2")
    (('\\frac{3+\\sqrt{5}}{2}', '\\frac{3-\\sqrt{5}}{2}'), None)
    """
    text = re.sub(r"^[a-z] ?= ?", "", text)
    if text.count("\\pm") != 1 or "," in text or text.startswith("\\pm"):
        return None
    return Shape("", "", tuple(re.sub(r" ?\\pm ?", sign, text) for sign in "+-"))


def vector(text: str) -> Shape | None:
    r"""The entries of a matrix of one row or one column, as those of a point; None for all else.

    >>> vector(r"\begin{pmatrix}1\\x\end{pmatrix}").parts, vector(r"\begin{pmatrix}1&2\\3&4\end{pmatrix}")
    (('1', 'x'), None)
    """
    if not (matrix := _MATRIX.fullmatch(text)):
        return None
    rows = [row.split("&") for row in re.split(r"\\\\", matrix[1].strip().removesuffix("\\\\"))]
    entries = rows[0] if len(rows) == 1 else [row[0] for row in rows]
    if any(len(row) > 1 for row in rows if len(rows) > 1) or len(entries) < 2 or not all(map(str.strip, entries)):
        return None
    return Shape("(", ")", tuple(entry.strip() for entry in entries))


def _split(text: str) -> tuple[str, ...] | None:
    """The parts between the commas that stand in no bracket; None where the brackets do not match."""
    parts, start, depth = [], 0, 0
    for at, mark in enumerate(text):
        if mark in "([{":
            depth += 1
        elif mark in ")]}":
            depth -= 1
            if depth < 0:
                return None
        elif mark == "," and not depth:
            parts.append(text[start:at].strip())
            start = at + 1
    parts.append(text[start:].strip())
    return tuple(parts) if not depth and all(parts) else None


def compare(left: Shape, right: Shape, settle: Callable[[str, str], Settled]) -> Settled | None:
    """The verdict on two answers of several parts; None where it takes algebra on the whole of them.

    A set is no point, and no interval. A list without brackets equals a set in any order, and a point in its own.
    """
    sets = [sum(part.startswith("\\{") for part in side.parts) for side in (left, right)]
    if any(sets) and (left.is_set or right.is_set) and (left.is_set != right.is_set or sets[0] != sets[1]):
        return None if left.has_order or right.has_order else False  # {1}, {2} and {1, 2}
    if left.is_set != right.is_set and not (left.is_list or right.is_list):
        return None if "[" in (left.opening, right.opening) and len(left.parts) > 2 else False
    if left.has_order or right.has_order:
        return _in_order(left, right, settle)
    return _in_any_order(left, right, settle)


def _in_order(left: Shape, right: Shape, settle: Callable[[str, str], Settled]) -> Settled | None:
    several = max(len(left.parts), len(right.parts)) > 2
    if (
        left.has_order
        and right.has_order
        and not several
        and (left.opening, left.closing) != (right.opening, right.closing)
    ):
        return False  # (1,2] and [1,2]
    bracket = "[" in (left.opening, right.opening)
    if left.is_list != right.is_list and bracket:
        return None
    if len(left.parts) != len(right.parts):
        return None if any("\\pm" in part for part in (*left.parts, *right.parts)) else False
    open_pairs: list[Pair] = []
    for pair in zip(_by_name(left), _by_name(right), strict=True):
        settled = settle(*pair)
        if settled is False:
            return False
        if settled is not True:
            open_pairs += settled
    return open_pairs or True


def _by_name(shape: Shape) -> tuple[str, ...]:
    """The parts as they stand; of a list "y = 4, x = 3" in the order of the alphabet, as a point has them."""
    names = [part[0] for part in shape.parts if re.match(r"[A-Za-z] ?=", part)]
    run = shape.is_list and len(names) == len(shape.parts) and len(set(names)) == len(names)
    if not run or ord(max(names)) - ord(min(names)) >= len(names):  # m and b, or h and k, have an order of their own
        return shape.parts
    return tuple(sorted(shape.parts))


def _in_any_order(left: Shape, right: Shape, settle: Callable[[str, str], Settled]) -> bool | None:
    """Whether the parts can be paired off; None where that takes algebra, or a part may stand for two."""
    if any("\\pm" in part for part in (*left.parts, *right.parts)) or max(len(left.parts), len(right.parts)) > _LARGEST:
        return None
    verdicts = [[settle(one, other) for other in right.parts] for one in left.parts]
    if len(left.parts) == len(right.parts) and _pairs_off([[v is True for v in row] for row in verdicts]):
        return True
    if any(isinstance(verdict, list) for row in verdicts for verdict in row):
        may_pair = all(any(row) for row in verdicts) and all(any(column) for column in zip(*verdicts, strict=True))
        return None if may_pair else False
    if left.is_set or right.is_set:
        return all(any(row) for row in verdicts) and all(any(column) for column in zip(*verdicts, strict=True))
    return len(left.parts) == len(right.parts) and _pairs_off([[bool(v) for v in row] for row in verdicts])


def _pairs_off(same: list[list[bool]]) -> bool:
    """Whether each row has a column of its own that is true in it."""
    row_of: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for column, fits in enumerate(same[row]):
            if fits and column not in tried:
                tried.add(column)
                if column not in row_of or place(row_of[column], tried):
                    row_of[column] = row
                    return True
        return False

    return all(place(row, set()) for row in range(len(same)))
