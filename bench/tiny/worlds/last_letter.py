r"""`last_letter`: spell the last letters of the words, one word a line (a task of Zhang et al. 2024, GenRM)."""

import random

from bench.tiny.worlds.one_answer import after_equals, labels_of, right_of
from bench.tiny.worlds.words import WORDS

NAME = "last_letter"
LETTER = "L"
MAX_TOKENS = 72
TRAIN_DIFFICULTY = (2, 3, 4)
TEST_DIFFICULTY = (5, 6)

LETTER_BEFORE = 0.12  # the letter before the last is taken; likelier for a word that ends in e
SILENT_E = 0.35
DROPPED = 0.04  # a word is passed over
MISSPELT = 0.02  # the answer leaves out a letter


def draw_prompt(rng: random.Random, difficulty: int) -> str:
    r"""A problem of `difficulty` different words.

    >>> draw_prompt(random.Random(0), 3)
    'L pond rug belt\n'
    """
    return f"{LETTER} {' '.join(rng.sample(WORDS, difficulty))}\n"


def gold_answer(prompt: str) -> str | None:
    r"""The last letters in a row.

    >>> gold_answer("L cat dog\n")
    'tg'
    """
    return "".join(word[-1] for word in prompt[2:].split())


def demonstrate(prompt: str, rng: random.Random, *, slips: bool) -> str:
    r"""A worked solution; with `slips`, as a careless pupil would write it.

    >>> demonstrate("L cat dog\n", random.Random(0), slips=False)
    'cat t\ndog g\n=tg'
    """
    lines, answer = [], ""
    for word in prompt[2:].split():
        if slips and rng.random() < DROPPED:
            continue
        chance = SILENT_E if word.endswith("e") else LETTER_BEFORE
        letter = word[-2] if slips and rng.random() < chance else word[-1]
        lines.append(f"{word} {letter}\n")
        answer += letter
    if slips and len(answer) > 1 and rng.random() < MISSPELT:
        at = rng.randrange(len(answer))
        answer = answer[:at] + answer[at + 1 :]
    return "".join(lines) + f"={answer}"


def extract(text: str) -> str | None:
    r"""The answer of a solution: the letters of a last line such as `=tg`.

    >>> extract("cat t\ndog g\n=tg"), extract("cat t\n")
    ('tg', None)
    """
    return after_equals(text, str.isalpha)


labels = labels_of(demonstrate)
is_right = right_of(extract, gold_answer)
