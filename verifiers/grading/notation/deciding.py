"""Whether two answers are equal where that is plain to see, and what is left to algebra where it is not."""

import re
from dataclasses import dataclass
from fractions import Fraction
from math import comb
from typing import Final

from verifiers.grading.notation.arithmetic import differ
from verifiers.grading.notation.choices import Choice, choice, letter, letters, same_letter
from verifiers.grading.notation.clock import clock, hour, is_no_ratio
from verifiers.grading.notation.numerals import POINTS, Number, canonical, clean, number
from verifiers.grading.notation.shapes import Pair, Settled, both_signs, compare, shape, vector
from verifiers.grading.notation.units import without_letter

_LONGEST: Final = 1_000  # characters; longer texts are left to algebra
_DEEPEST: Final = 3  # brackets in brackets whose parts are compared one by one

_LONG_WORD = re.compile(r"[A-Za-z]{4,}")
# A long word with one of these inside may be mathematics; none is as long as 15 letters.
_FUNCTION = re.compile(
    r"(?!\w{15})\w*(?:arc|asin|acos|atan|ceil|choose|cosh|exp|floor|frac|gamma|half|inf|log|percent|root|sinh|sqrt|tanh)"
)
_BETWEEN = re.compile(r"[,;] ?| ?(?<![A-Za-z])(?:and|or)(?![A-Za-z]) ?")
# What letters may spell but not multiply: "east", "Amy", "NaCl".
_WORD = re.compile(r"(?!.* (?:and|or) )(?:[A-Za-z]{4,}|[A-Z][A-Za-z]*[a-z][A-Za-z]*)(?: [A-Za-z]+)*")
_RELATION = re.compile(r"[=<>]|\\(?:le|ge|ne|approx|equiv)(?![a-z])")
# One side of an equation in one unknown, but for the names of values: x, f(2), x_1, |z|.
_UNSOLVED = re.compile(
    r"(?!\|[a-wz]\|$)(?:[-+*/^{}()|!\d. ]|\\?(?:log|ln|lg|sin|cos|tan|sqrt|frac|exp|cdot|times)(?![a-z])"
    r"|[a-z](?![a-z'(]|\^\{-1\}\())+"
)
# What one asks for the value of, and does not solve: an angle's sine.
_OF_AN_ANGLE = re.compile(r"\\?(?:sin|cos|tan|cot|sec|csc) ?\(?\{?[a-z]\}?\)?")
_LETTERS = re.compile(r"(?<![\\A-Za-z])[a-z](?![a-z])")
# x = 5, f(2) = 5, AB = 5, or 2 + 3 = 5 and 17 mod 5 = 2: the value is what follows the last sign.
_OF_NAMES = r"\\(?:det|deg|dim|gcd|lcm|max|min|Delta|angle)(?: ?[A-Za-z]{1,3}(?![A-Za-z]))?"
_NAMED = rf"(?:(?:[A-Za-z]{{1,3}}|{_OF_NAMES})'*(?:\^\{{-1\}}(?=\())?(?:_\{{?\w+\}}?)?(?:\([^()=]*\))?"
_OPERATOR = r"\\(?:frac|times|cdot|sqrt|div|mod|binom)(?![A-Za-z])"
_EQUATION = re.compile(rf"{_NAMED}|(?:[^A-Za-z<>!\\]|{_OPERATOR})*\d(?:[^A-Za-z<>!\\]|{_OPERATOR})*)=([^=]+)")
_TOLD = re.compile(r"([^=]*\d[^=]*)=[A-Za-z]")
# 2 (mod 5), n \equiv 2 \pmod 5: the modulus is compared only where both name one.
_CONGRUENT = re.compile(
    r"(?:(?P<of>[^=<>]+?) ?\\equiv ?)?(?P<left>-?\d+) ?(?:\\pmod ?|\(\\?mod ?|\\mod ?)\{?(?P<by>\d+)[})]{0,2}", re.ASCII
)
# x_1 = 2i: what follows the sign is the value, whatever it is.
_VALUE_OF = re.compile(r"[A-Za-z](?:_\{?\w+\}?)?=([^=]+)")
# Beside a number this is no point.
_COMBINATIONS = re.compile(r"C\((\d{1,3}), ?(\d{1,3})\)", re.ASCII)
_IN_SOME_BASE = re.compile(r"-?\d\w*_\S+")
_ANGLE = re.compile(r"(-?\d+(?:\.\d+)?)\^\\circ ?", re.ASCII)
_IN_RADIANS = re.compile(r"\\pi|\\arc(?:sin|cos|tan)|\\(?:sin|cos|tan)\^\{-1\}")
_RATIO = re.compile(r"\d{1,9}(?:(?: ?: ?| to )\d{1,9})+", re.ASCII)
_IN_WORDS = re.compile(r"[a-z]{3,}")
# The name of a set: A \cap B, (A \cup B)', \overline{A}, f(A).
_OF_SETS = re.compile(
    r"(?=[^=]*[A-Z])[a-z]?(?:[A-Z(){}' ]|\^\{?[cC]\}?"
    r"|\\(?:cap|cup|setminus|backslash|overline|bar|mathcal|triangle|Delta)(?![a-z]))+=(?=\\\{|\\emptyset|[(\[])(.+)"
)
# A line, a plane or a conic with a number: 2x+3y, x^2/4+y^2, (x-1)^2+y^2. A value of x+y or x^2+y^2 is asked for.
_SQUARE = r"(?:[xyz](?:\^\{?2\}?)?|\([xyz][+-]\d+(?:\.\d+)?\)\^\{?2\}?)"
_TERM = rf"(?:(?:\d+(?:\.\d+)?|\\frac\{{\d+\}}\{{\d+\}})?{_SQUARE}(?:/\d+)?|\\frac\{{\d*{_SQUARE}\}}\{{\d+\}})"
_SURFACE = re.compile(rf"(?=[^=]*\d(?<!\^\d)(?<!\^\{{\d))[+-]?{_TERM}(?:[+-]{_TERM})+(?:=|[+-]\d+=0$)")
# For all whole numbers, by whatever name.
_FAMILY = re.compile(
    r"(?<![A-Za-z])([kmn])(?![A-Za-z])(?=.*(?<![A-Za-z])\1(?: ?\\in ?\\(?:mathbb ?\{? ?)?Z|.*integer))"
)
_UNIT_VECTOR = re.compile(r"\\(?:hat|vec) ?\{? ?\\?i")
_IMAGINARY = re.compile(r"(?<![A-Za-z{])i(?![A-Za-z])")
_APPROXIMATELY = re.compile(r" ?\\(?:approx|simeq)(?![A-Za-z]) ?")


def decide(answer: str, gold: str) -> bool | None:
    r"""Whether the two are equal, where that is plain to see; None where it takes algebra.

    Numbers are compared exactly: 0.333333 is not 1/3. A percentage equals its number and its
    hundredth. A base that only one of the two names is not compared. Of an equation the last part counts.
    Prose and lists of numbers equal no number. A blank answer equals nothing.

    >>> decide("$600", "600"), decide("0.5", "50%"), decide("0.333", "1/3"), decide("2x", "x+x")
    (True, True, False, None)
    """
    settled = settle(answer, gold)
    return settled if isinstance(settled, bool) else None


def settle(answer: str, gold: str, depth: int = 0) -> Settled:
    r"""The verdict where it is plain to see; else the pairs that must be equal, for algebra to compare.

    >>> settle("(1,2)", r"\{1,2\}"), settle("(1, x+x)", "(1, 2x)"), settle("E: 24", "E"), settle("E: 24", "24")
    (False, [('x+x', '2x')], True, True)
    """
    a, b = canonical(answer), canonical(gold)
    if not a or not b:
        return False
    if a == b:
        return True
    left, right = number(answer), number(gold)
    if left and right:
        return _equal_numbers(left, right)
    if max(len(a), len(b)) > _LONGEST or depth > _DEEPEST:
        return [(answer, gold)]
    plain = (clean(answer), clean(gold))
    two = _Two((a, b), plain, depth)
    if "\\partial" in plain[0] + plain[1]:
        return _as_derivatives(two)
    if any(
        _UNIT_VECTOR.search(one) and _IMAGINARY.search(other) for one, other in ((answer, plain[1]), (gold, plain[0]))
    ):
        return False
    if (mine := _FAMILY.search(answer)) and (theirs := _FAMILY.search(gold)) and mine[1] != theirs[1]:
        return settle(re.sub(rf"(?<![A-Za-z]){mine[1]}(?![A-Za-z])", theirs[1], answer), gold, depth + 1)
    if "\\text" in answer + gold and _IN_WORDS.fullmatch(a) and _IN_WORDS.fullmatch(b):
        return False  # words, and no products of letters
    for rule in (
        _as_choices,
        _as_names,
        _as_sets,
        _as_congruences,
        _as_equations,
        _as_values,
        _as_times,
        _as_angles,
        _as_ratios,
        _as_parts,
    ):
        if (verdict := rule(two)) is not None:
            return verdict
    if left or right:
        if (left and left.base and _IN_SOME_BASE.fullmatch(b)) or (right and right.base and _IN_SOME_BASE.fullmatch(a)):
            return False  # the algebra does not know of bases
        decided = _equals_number(a, gold) if left is None else _equals_number(b, answer)
        if decided is not None:
            return decided
    about = _as_approximations(two)
    return about if about is not None else False if differ(a, b) else [plain]


@dataclass(frozen=True, slots=True)
class _Two:
    """An answer and the gold one: their canonical forms, and both cleaned only."""

    forms: Pair
    plain: Pair
    depth: int


def _equal_numbers(left: Number, right: Number) -> bool:
    if left.percent != right.percent:
        hundredth = Fraction(1, 100)
        return left.value * (hundredth if left.percent else 1) == right.value * (hundredth if right.percent else 1)
    if (left.base is None) != (right.base is None):
        return left.digits == right.digits
    return left.value == right.value


def _as_derivatives(two: _Two) -> Settled:
    """The verdict where one has a partial derivative, which algebra drops: all but a value behind "=" is text."""
    left, right = (text.replace(" ", "").rpartition("=") for text in two.plain)
    if left[0] and right[0] and left[0] != right[0]:
        return False
    if (left[0] or right[0]) and "\\partial" not in left[2] + right[2]:
        return settle(left[2], right[2], two.depth + 1)
    return left == right


def _as_choices(two: _Two) -> Settled | None:
    """The verdict where one of the two is a letter, or names a choice with its text."""
    separated = re.search("[,;&/]| and ", "".join(two.plain))
    if separated and (several := letters(two.plain[0])):  # ABC and CBA may be triangles
        return several == letters(two.plain[1])
    one, other = letter(two.forms[0]), letter(two.forms[1])
    if one and other:
        marked = [letter != text for letter, text in zip((one, other), two.plain, strict=True)]
        if one in "ei" and one != other and not any(marked):
            return False  # a number; (e) is a choice
        return same_letter(one, other.upper() if marked[1] else other)
    mine, gold = _choice(one, two.plain[0]), _choice(other, two.plain[1])
    if mine and gold:
        if not same_letter(mine.letter, gold.letter):
            return False
        both = bool(number(mine.text) and number(gold.text))
        return not both or decide(mine.text, gold.text) is True
    if mine and mine.text:
        return settle(mine.text, two.plain[1], two.depth + 1)
    if gold and gold.text:
        return settle(two.plain[0], gold.text, two.depth + 1)
    return None


def _choice(alone: str | None, text: str) -> Choice | None:
    return Choice(alone, "") if alone and alone in "ABCDEFGHIJabcdefghij" else choice(text)


def _as_names(two: _Two) -> bool | None:
    """The verdict where both are words, or the names of points: ABC is not CBA."""
    a, b = two.forms
    if a.lower() == b.lower() and (POINTS.fullmatch(a) or POINTS.fullmatch(b)):
        return True
    for name in (POINTS, _WORD):
        if name.fullmatch(two.plain[0]) and name.fullmatch(two.plain[1]):
            return False
    return None


def _as_sets(two: _Two) -> Settled | None:
    """The verdict where one alone says which set it tells of."""
    mine, gold = (_OF_SETS.fullmatch(text) for text in two.plain)
    if mine and "=" not in two.plain[1]:
        return settle(mine[1], two.plain[1], two.depth + 1)
    if gold and "=" not in two.plain[0]:
        return settle(two.plain[0], gold[1], two.depth + 1)
    return None


def _as_congruences(two: _Two) -> bool | None:
    """The verdict where one tells what a number leaves: n = 2 (mod 5) is 2, and is n = 7 (mod 5)."""
    mine, gold = (_CONGRUENT.fullmatch(text) for text in two.plain)
    if mine and gold:
        names = [re.sub(r"[\s{}]", "", side["of"] or "") for side in (mine, gold)]
        unlike = all(names) and names[0] != names[1] and any(map(str.isalpha, names))
        by = int(gold["by"])
        return not unlike and by == int(mine["by"]) > 0 and (int(mine["left"]) - int(gold["left"])) % by == 0
    if mine:
        return decide(mine["left"], two.plain[1]) if number(two.plain[1]) else None
    return decide(two.plain[0], gold["left"]) if gold and number(two.plain[0]) else None


def _as_equations(two: _Two) -> bool | None:
    """The verdict where one is an equation that is still to be solved, or a line or a plane.

    2x = 6 says of no value that it is 6, nor does x + 2y - z = 6.
    """
    for one, other in (two.plain, two.plain[::-1]):
        left, sign, right = one.partition("=")
        if (
            sign
            and not _RELATION.search(right + other)
            and _UNSOLVED.fullmatch(left)
            and not _OF_AN_ANGLE.fullmatch(left)
        ):
            unknown = set(_LETTERS.findall(left)) - {"e", "i"}
            if unknown.isdisjoint(_LETTERS.findall(right)) and (
                left not in unknown if len(unknown) == 1 else len(unknown) > 1 and _SURFACE.match(one.replace(" ", ""))
            ):
                return False
    return None


def _as_values(two: _Two) -> Settled | None:
    """The verdict where one alone names what it is the value of: y = 2i."""
    for one, other in (two.plain, two.plain[::-1]):
        named = _VALUE_OF.fullmatch(one)
        if named and not _RELATION.search(named[1] + other) and without_letter(named[1]) == named[1]:  # k = 3 m
            answer, gold = (named[1], other) if one is two.plain[0] else (other, named[1])
            return settle(answer, gold, two.depth + 1)
    return None


def _as_times(two: _Two) -> bool | None:
    """The verdict where one says which half of the day it means: "7 am" is the number 7, and is not "7 pm"."""
    for one, other in (two.plain, two.plain[::-1]):
        if is_no_ratio(one):
            if clock(other):
                return clock(one) == clock(other)
            value = number(other)
            return bool(value and hour(one) == str(value.value))
    return None


def _as_ratios(two: _Two) -> bool | None:
    """The verdict on ratios: 3:2 and "3 to 2", or of more than two parts; else 3:20 may be a time."""
    if not all(map(_RATIO.fullmatch, two.plain)):
        return None
    left, right = ([int(part) for part in re.findall(r"\d+", text)] for text in two.plain)
    if len(left) == len(right) == 2 and (" to " in two.plain[0]) == (" to " in two.plain[1]):
        return None
    return len(left) == len(right) and all(a * right[0] == b * left[0] for a, b in zip(left, right, strict=True))


def _as_angles(two: _Two) -> Settled | None:
    """The verdict where one counts degrees and the other multiples of pi."""
    for one, other in (two.plain, two.plain[::-1]):
        if (angle := _ANGLE.fullmatch(one)) and _IN_RADIANS.search(other) and "\\circ" not in other:
            return settle(rf"\frac{{{angle[1]}\pi}}{{180}}", other, two.depth + 1)
    return None


def _as_parts(two: _Two) -> Settled | None:
    """The verdict where both have parts: a set, a point, an interval, a list."""
    left, right = (None if number(text) else shape(text) for text in two.plain)  # 1,000 is no list
    if left and left.has_order:
        right = right or vector(two.plain[1])
    elif right and right.has_order:
        left = left or vector(two.plain[0])
    if left and not left.has_order:
        right = right or both_signs(two.plain[1])
    elif right and not right.has_order:
        left = left or both_signs(two.plain[0])
    if left and right:
        return compare(left, right, lambda one, other: settle(one, other, two.depth + 1))
    for one, point, other in ((left, *two.plain), (right, *two.plain[::-1])):
        if one and one.has_order and ("\\pm" in other or (number(other) and not _COMBINATIONS.fullmatch(point))):
            return False  # one or two numbers, and no point
    return None


def _as_approximations(two: _Two) -> Settled | None:
    """The verdict where one gives its value twice: as it is, and what it is about."""
    sides = [_APPROXIMATELY.split(text) for text in two.plain]
    twice = [len(parts) == 2 and all(parts) for parts in sides]
    if twice == [True, False]:
        return decide(sides[0][1], two.plain[1]) or settle(sides[0][0], two.plain[1], two.depth + 1)
    if twice == [False, True]:
        return decide(two.plain[0], sides[1][1]) or settle(two.plain[0], sides[1][0], two.depth + 1)
    return None


def _equals_number(text: str, plain: str) -> bool | None:
    """Whether a text that is no plain number equals one, where that is plain to see."""
    if told := _TOLD.fullmatch(text):
        return decide(told[1], plain)
    if (measured := without_letter(text)) != text:
        return decide(measured, plain)
    if (equation := _EQUATION.fullmatch(text)) and number(equation[1]):
        return decide(equation[1], plain)
    if chosen := _COMBINATIONS.fullmatch(text):
        return decide(str(comb(int(chosen[1]), int(chosen[2]))), plain)
    parts = _BETWEEN.split(text)
    if all(number(part) for part in parts) and len({canonical(part) for part in parts}) > 1:
        return False
    words = [] if any(mark in text for mark in "\\^_") else _LONG_WORD.findall(text)
    return False if any(not _FUNCTION.match(word.lower()) for word in words) else None
