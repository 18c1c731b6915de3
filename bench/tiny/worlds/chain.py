r"""`chain`: arithmetic modulo 10, one operation a line, made hard by the slips of a careless pupil.

The problem `C 7-9*3` is worked from left to right, without precedence, and every result is taken
modulo 10. Operands after `*` are 3, 7 or 9, so that every operation is a bijection of the digits: a
wrong digit stays wrong, and a solution is right (nearly) only if every line is.
"""

import random

from bench.tiny.worlds.one_answer import after_equals, labels_of, right_of

NAME = "chain"
LETTER = "C"
MAX_TOKENS = 80
TRAIN_DIFFICULTY = (4, 5, 6, 7, 8)
TEST_DIFFICULTY = (6, 7, 8)

_FACTORS = (3, 7, 9)

# Chances of the slips in a demonstration. Children's real subtraction and multiplication bugs are
# systematic in this way (Brown and Burton 1978), so a vote repeats them instead of washing them out.
SMALLER_FROM_LARGER = 0.55  # 3-8 worked as 8-3
WRONG_ROW = 0.25  # 7x4 read off as 7x5
CARRIED_DIGIT = 0.15  # 7+5: the carried 1 added to the digit that stays
NOISE = 0.02  # any other digit
COPYING = 0.015  # a neighbouring operand copied


def draw_prompt(rng: random.Random, difficulty: int) -> str:
    r"""A problem of `difficulty` operations.

    >>> draw_prompt(random.Random(0), 4)
    'C 6-1-9-7-8\n'
    """
    parts = [str(rng.randint(0, 9))]
    for _ in range(difficulty):
        sign = rng.choice("+-*")
        parts.append(sign + str(rng.choice(_FACTORS) if sign == "*" else rng.randint(1, 9)))
    return f"{LETTER} {''.join(parts)}\n"


def gold_answer(prompt: str) -> str | None:
    r"""The digit that the chain ends in.

    >>> gold_answer("C 7-9*3\n")
    '4'
    """
    value, operations = _parse(prompt)
    for sign, operand in operations:
        value = work(value, sign, operand)
    return str(value)


def demonstrate(prompt: str, rng: random.Random, *, slips: bool, noise: float = NOISE, copying: float = COPYING) -> str:
    r"""A worked solution; with `slips`, as a careless pupil would write it.

    >>> demonstrate("C 7-9*3\n", random.Random(0), slips=False)
    '7-9=8\n8*3=4\n=4'
    """
    value, operations = _parse(prompt)
    lines = []
    for i, (sign, operand) in enumerate(operations):
        if slips and rng.random() < copying:
            operand = operations[i + 1 if i + 1 < len(operations) else i - 1][1]
        result = _slip(value, sign, operand, rng, noise) if slips else work(value, sign, operand)
        lines.append(f"{value}{sign}{operand}={result}\n")
        value = result
    return "".join(lines) + f"={value}"


def extract(text: str) -> str | None:
    r"""The answer of a solution: the digit of a last line such as `=4`.

    >>> extract("7-9=8\n8*3=4\n=4"), extract("7-9=8\n")
    ('4', None)
    """
    return after_equals(text, str.isdecimal)


labels = labels_of(demonstrate)
is_right = right_of(extract, gold_answer)


def _parse(prompt: str) -> tuple[int, list[tuple[str, int]]]:
    body = prompt[2:].rstrip("\n")
    return int(body[0]), [(body[i], int(body[i + 1])) for i in range(1, len(body), 2)]


def work(a: int, sign: str, b: int) -> int:
    """The result of one operation, modulo 10.

    >>> work(3, "-", 7)
    6
    """
    return (a + b if sign == "+" else a - b if sign == "-" else a * b) % 10


def _slip(a: int, sign: str, b: int, rng: random.Random, noise: float) -> int:
    right = work(a, sign, b)
    if rng.random() < noise:
        return (right + rng.randint(1, 9)) % 10
    chance = rng.random()
    if sign == "-" and a < b and chance < SMALLER_FROM_LARGER:
        return b - a
    if sign == "*" and b == 7 and chance < WRONG_ROW:
        return (a * b + b) % 10
    if sign == "+" and a + b >= 10 and chance < CARRIED_DIGIT:
        return (right + 1) % 10
    return right
