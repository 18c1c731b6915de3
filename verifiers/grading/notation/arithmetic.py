"""A cheap proof that two expressions differ: their exact values at one point, modulo a prime.

Only plain arithmetic over numbers and one-letter variables is read; whatever has two readings is not.
"""

import random
import re
from functools import cache, lru_cache
from typing import Final

_PRIME: Final = (1 << 61) - 1
_LONGEST: Final = 200  # characters; bounds the depth of the recursion too
_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?|\.\d+)|([A-Za-z])|(\\frac|\\cdot|\\times|[-+*/^(){}]))", re.ASCII)
_CONSTANTS: Final = frozenset("eEiI")  # may be the base of the logarithm and the imaginary unit


def differ(left: str, right: str) -> bool:
    r"""Whether the two certainly differ: both are plain arithmetic, with other values at a fixed point.

    >>> differ("2x+1", "2x"), differ("(x+1)(x-1)", "x^2-1"), differ(r"\sin x", "x")
    (True, False, False)

    False says nothing: they may be equal, or not plain arithmetic. Rational functions that agree as
    functions agree at every point, also modulo a prime, so that True is a proof.
    """
    a, b = _value(left), _value(right)
    return a is not None and b is not None and a != b


@cache
def _at(letter: str) -> int:
    """What a letter stands for at the fixed point; by chance, since no product of some may be that of others."""
    return random.Random(letter).randrange(2, _PRIME)


@lru_cache(maxsize=1 << 14)
def _value(text: str) -> int | None:
    if len(text) > _LONGEST:
        return None
    try:
        return _Reader(_tokens(text)).read()
    except _UnreadableError:
        return None


class _UnreadableError(Exception):
    """The text is not plain arithmetic, or has more than one reading."""


def _tokens(text: str) -> list[str]:
    tokens, position, text = [], 0, text.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            raise _UnreadableError
        tokens.append(match[1] or match[2] or match[3])
        position = match.end()
    return tokens


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = [*tokens, ""]
        self.at = 0

    def read(self) -> int:
        value = self.sum()
        if self.tokens[self.at]:
            raise _UnreadableError
        return value

    def accept(self, *wanted: str) -> str | None:
        part = self.tokens[self.at]
        if part not in wanted:
            return None
        self.at += 1
        return part

    def expect(self, wanted: str) -> None:
        if not self.accept(wanted):
            raise _UnreadableError

    def sum(self) -> int:
        sign = self.accept("+", "-")
        value = -self.product() if sign == "-" else self.product()
        while sign := self.accept("+", "-"):
            term = self.product()
            value += -term if sign == "-" else term
        return value % _PRIME

    def product(self) -> int:
        value = self.power()
        divided = False
        while True:
            if self.accept("*", "\\cdot", "\\times"):
                value, divided = value * self.power(), False
            elif self.accept("/"):
                value, divided = _divide(value, self.power()), True
            elif self.multiplies():
                if divided:
                    raise _UnreadableError  # 1/2x
                value *= self.power()
            else:
                return value % _PRIME

    def multiplies(self) -> bool:
        """Whether a factor follows without a sign of multiplication, as in 2x, 2(x+1) and (x)(y)."""
        before, part = self.tokens[self.at - 1], self.tokens[self.at]
        if part == "(" and before.isalpha():
            raise _UnreadableError  # f(x)
        if part[:1].isdigit() or part[:1] == ".":
            raise _UnreadableError  # x2, 1 2
        return part.isalpha() or part in ("(", "\\frac")

    def power(self) -> int:
        whole_number = self.tokens[self.at].isdigit()
        value = self.atom()
        if whole_number and self.tokens[self.at] == "\\frac":
            raise _UnreadableError  # a mixed number
        if not self.accept("^"):
            return value
        braced = self.accept("{")
        negative = braced and self.accept("-")
        exponent = self.tokens[self.at]
        self.at += 1
        if not exponent.isdigit() or len(exponent) > (4 if braced else 1):
            raise _UnreadableError
        if braced:
            self.expect("}")
        if self.tokens[self.at] == "^":
            raise _UnreadableError
        value = pow(value, int(exponent), _PRIME)
        return _divide(1, value) if negative else value

    def atom(self) -> int:
        part = self.tokens[self.at]
        self.at += 1
        if part[:1].isdigit() or part[:1] == ".":
            whole, _, decimals = part.partition(".")
            return _divide(int(whole + decimals), pow(10, len(decimals), _PRIME))
        if part.isalpha() and part not in _CONSTANTS:
            return _at(part)
        if part == "(":
            value = self.sum()
            self.expect(")")
            return value
        if part == "\\frac":
            return _divide(self.group(), self.group())
        raise _UnreadableError

    def group(self) -> int:
        self.expect("{")
        value = self.sum()
        self.expect("}")
        return value


def _divide(top: int, bottom: int) -> int:
    if bottom % _PRIME == 0:
        raise _UnreadableError
    return top * pow(bottom, -1, _PRIME) % _PRIME
