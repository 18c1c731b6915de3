r"""`word_sort`: write the words in alphabetical order, one a line (a task of Zhang et al. 2024, GenRM)."""

import random

from bench.tiny.worlds.one_answer import labels_of, right_of
from bench.tiny.worlds.words import BY_INITIAL, WORDS

NAME = "word_sort"
LETTER = "W"
MAX_TOKENS = 56
TRAIN_DIFFICULTY = (2, 3, 4)
TEST_DIFFICULTY = (5, 6)

SWAPPED = 0.35  # two neighbours that share their first letter change places
SWAPPED_ANY = 0.05  # any two neighbours do
DROPPED = 0.05  # a word is left out
SAME_LETTER = 0.5  # chance that a drawn word shares its first letter with one drawn before


def draw_prompt(rng: random.Random, difficulty: int) -> str:
    r"""A problem of `difficulty` different words, some of which share their first letters.

    >>> draw_prompt(random.Random(0), 3)
    'W pond robe rug\n'
    """
    words = [rng.choice(WORDS)]
    while len(words) < difficulty:
        alike = rng.random() < SAME_LETTER
        word = rng.choice(BY_INITIAL[rng.choice(words)[0]] if alike else WORDS)
        if word not in words:
            words.append(word)
    rng.shuffle(words)
    return f"{LETTER} {' '.join(words)}\n"


def gold_answer(prompt: str) -> str | None:
    r"""The words in order.

    >>> gold_answer("W dog cat\n")
    'cat dog'
    """
    return " ".join(sorted(prompt[2:].split()))


def demonstrate(prompt: str, rng: random.Random, *, slips: bool) -> str:
    r"""A sorted list; with `slips`, as a careless pupil would write it.

    >>> demonstrate("W dog cat\n", random.Random(0), slips=False)
    'cat\ndog'
    """
    words = sorted(prompt[2:].split())
    if slips:
        i = 0
        while i + 1 < len(words):
            chance = SWAPPED if words[i][0] == words[i + 1][0] else SWAPPED_ANY
            if rng.random() < chance:
                words[i], words[i + 1] = words[i + 1], words[i]
                i += 1  # a pair that was swapped is left alone
            i += 1
        words = [word for word in words if rng.random() >= DROPPED] or words[:1]
    return "\n".join(words)


def extract(text: str) -> str | None:
    r"""The answer of a solution: its words in the order written.

    >>> extract("cat\ndog"), extract("")
    ('cat dog', None)
    """
    return " ".join(text.split()) or None


labels = labels_of(demonstrate)
is_right = right_of(extract, gold_answer)
