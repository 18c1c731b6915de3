r"""`countdown`: combine all the numbers, two at a time, so that the last result is the target.

Each line is a choice, and some choices make the target unreachable: states differ in promise, and
`solvable` decides exactly which. Results stay in 1 to 99; a line outside that range is illegal.
"""

import random
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

NAME = "countdown"
LETTER = "N"
MAX_TOKENS = 48
TRAIN_DIFFICULTY = (3, 4)
TEST_DIFFICULTY = (3, 4)

LARGEST = 99
_LARGEST_NUMBER = 10
_TARGETS = range(5, 61)
_LINE = re.compile(r"(\d{1,2})([+*-])(\d{1,2})=(\d{1,2})")

UNPROMISING = 0.03  # chance a line of a demonstration is a random legal move instead of a solver's
SLIP = 0.01  # chance of a result that is off by one or ten

Move = tuple[int, str, int, int]


def draw_prompt(rng: random.Random, difficulty: int) -> str:
    r"""A solvable problem of `difficulty` numbers, which are given in rising order.

    >>> draw_prompt(random.Random(0), 3)
    'N 7 8 9=55\n'
    """
    while True:
        numbers = tuple(sorted(rng.randint(1, _LARGEST_NUMBER) for _ in range(difficulty)))
        target = rng.choice(_TARGETS)
        if solvable(numbers, target):
            return f"{LETTER} {' '.join(map(str, numbers))}={target}\n"


def gold_answer(prompt: str) -> str | None:  # noqa: ARG001
    r"""None: many solutions are right, so a rule and not an answer decides.

    >>> gold_answer("N 3 7 8=17\n") is None
    True
    """
    return None


def demonstrate(prompt: str, rng: random.Random, *, slips: bool) -> str:
    r"""A solver's path, one of many; with `slips`, some moves are careless and some results wrong.

    >>> demonstrate("N 3 7 8=17\n", random.Random(0), slips=False)
    '8*3=24\n24-7=17'
    """
    numbers, target = parse(prompt)
    lines = []
    while len(numbers) > 1:
        legal = list(moves(numbers))
        promising = [m for m in legal if solvable(after(numbers, m), target)]
        careless = slips and rng.random() < UNPROMISING
        if not legal:
            break
        a, sign, b, result = rng.choice(legal if careless or not promising else promising)
        if sign != "-" and rng.random() < 0.5:
            a, b = b, a
        numbers = after(numbers, (a, sign, b, result))
        if slips and rng.random() < SLIP:
            wrong = result + rng.choice((-1, 1, -10, 10))
            if 1 <= wrong <= LARGEST:
                numbers = tuple(sorted((*without(numbers, result), wrong)))
                result = wrong
        lines.append(f"{a}{sign}{b}={result}")
    return "\n".join(lines)


def labels(prompt: str, steps: Sequence[str], *, finished: bool) -> list[int]:
    r"""1 for each step while every line is legal and the target can still be reached, then 0.

    >>> labels("N 3 7 8=17\n", ["3*8=24\n", "24-7=17"], finished=True)
    [1, 1]
    >>> labels("N 3 7 8=17\n", ["7*8=56\n", "56-3=53"], finished=True)
    [0, 0]
    """
    numbers, target = parse(prompt)
    out: list[int] = []
    for i, step in enumerate(steps):
        last = len(numbers) == 2
        left = follow(numbers, step if last else step.removesuffix("\n"))
        whole = last or (step.endswith("\n") and not (finished and i == len(steps) - 1))
        if left is None or not whole or not solvable(left, target):
            return out + [0] * (len(steps) - i)
        numbers = left
        out.append(1)
    return out


def extract(text: str) -> str | None:
    r"""The sequence of operations, the larger operand first, which is what votes count.

    >>> extract("3*8=24\n24-7=17")
    '8*3;24-7'
    """
    operations = []
    for line in text.split("\n"):
        match = _LINE.fullmatch(line)
        if match is None:
            return None
        a, sign, b, _ = match.groups()
        if sign != "-" and int(a) < int(b):
            a, b = b, a
        operations.append(f"{a}{sign}{b}")
    return ";".join(operations)


def is_right(prompt: str, text: str) -> bool:
    r"""Whether every line is legal and true, every number is used once, and the target is reached.

    >>> is_right("N 3 7 8=17\n", "3*8=24\n24-7=17"), is_right("N 3 7 8=17\n", "3+7=10\n10+7=17")
    (True, False)
    """
    numbers, target = parse(prompt)
    for line in text.split("\n"):
        left = follow(numbers, line)
        if left is None:
            return False
        numbers = left
    return numbers == (target,)


def moves(numbers: tuple[int, ...]) -> Iterator[Move]:
    """Every legal move: two of the numbers, the larger first, and a result from 1 to 99.

    >>> list(moves((2, 60)))
    [(60, '+', 2, 62), (60, '-', 2, 58)]
    """
    pairs = sorted({(numbers[j], numbers[i]) for i in range(len(numbers)) for j in range(i + 1, len(numbers))})
    for high, low in ((max(pair), min(pair)) for pair in pairs):
        for sign, result in (("+", high + low), ("-", high - low), ("*", high * low)):
            if 1 <= result <= LARGEST:
                yield high, sign, low, result


def solvable(numbers: tuple[int, ...], target: int) -> bool:
    """Whether the target can still be reached from these numbers (in rising order), by trying everything.

    >>> solvable((3, 7, 8), 17), solvable((3, 56), 17)
    (True, False)
    """
    return bool(reachable(numbers) >> target & 1)


@lru_cache(maxsize=1_000_000)
def reachable(numbers: tuple[int, ...]) -> int:
    """What these numbers (in rising order) can end in, as bits: bit t is set where t can be reached.

    >>> [t for t in range(100) if reachable((2, 60)) >> t & 1]
    [58, 62]
    """
    if len(numbers) == 1:
        return 1 << numbers[0]
    totals = 0
    for move in moves(numbers):
        totals |= reachable(after(numbers, move))
    return totals


def parse(prompt: str) -> tuple[tuple[int, ...], int]:
    r"""The numbers in rising order, and the target.

    >>> parse("N 3 7 8=17\n")
    ((3, 7, 8), 17)
    """
    numbers, target = prompt[2:].rstrip("\n").split("=")
    return tuple(sorted(int(n) for n in numbers.split())), int(target)


def after(numbers: tuple[int, ...], move: Move) -> tuple[int, ...]:
    """What is left after a move.

    >>> after((3, 7, 8), (8, "*", 3, 24))
    (7, 24)
    """
    a, _, b, result = move
    return tuple(sorted((*without(without(numbers, a), b), result)))


def without(numbers: tuple[int, ...], one: int) -> tuple[int, ...]:
    """All the numbers but one of that value.

    >>> without((3, 7, 7), 7)
    (3, 7)
    """
    at = numbers.index(one)
    return numbers[:at] + numbers[at + 1 :]


def follow(numbers: tuple[int, ...], line: str) -> tuple[int, ...] | None:
    """What is left after a line, or None where it is not a legal and true one.

    >>> follow((3, 7, 8), "3*8=24"), follow((3, 7, 8), "3*8=25")
    ((7, 24), None)
    """
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    a, sign, b, result = int(match[1]), match[2], int(match[3]), int(match[4])
    high, low = (a, b) if sign == "-" else (max(a, b), min(a, b))
    pair_is_there = numbers.count(a) >= 1 and numbers.count(b) >= (2 if a == b else 1)
    legal = pair_is_there and (high, sign, low, result) in moves(numbers)
    return after(numbers, (high, sign, low, result)) if legal else None
