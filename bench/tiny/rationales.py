r"""Rationales written by program: why a solution of an embedded task is right or wrong.

The program works the problem out and sets what it would have written beside what the solution says, one
character against one character, up to a `!` where the two differ. So every token is a copy, or the
comparison of two neighbours, and longer problems need more of these but no new ones:

    cat tt          (last_letter: the word, its last letter, the letter that the solution gives it)
    dog go!
    ccaatt          (word_sort: the next word in order, and the solution's next word)
    ddootg!

The first line names the kind of rationale, and the last one is the verdict, read off what came before: `?Y` or
`?N`.
"""

import random
import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from bench.tiny import chain, countdown, last_letter, word_sort
from bench.tiny.worlds import WORLDS
from verifiers.genrm_format import GenRMFormat

FORMAT = GenRMFormat(
    direct="{problem}\n{solution}\n?",
    cot="{problem}\n{solution}\n#",
    solver="{problem}\n",
    verdict="?",
    yes="Y",
    no="N",
)
WRONG = "!"

_Writer: TypeAlias = Callable[[str, str], tuple[str, bool]]

_OPERATION = re.compile(r"(\d{1,2})([+*-])(\d{1,2})=(\d{1,2})")


def rationales(task: str, prompt: str, text: str, *, count: int, seed: int = 0) -> tuple[str, ...]:
    r"""Up to `count` different rationales that come to the right verdict, in an order drawn from the seed.

    A rationale looks at every line, the rule at the answer alone. Where they disagree (a right answer
    after a miscopied word), that rationale is left out, as the paper leaves out those with a wrong verdict.

    >>> rationales("word_sort", "W dog cat\n", "cat\ndog", count=1, seed=1)
    ('p\nccaatt\nddoogg\n..\n?Y',)
    """
    world = WORLDS[task]
    right = world.is_right(prompt, text)
    kinds = _KINDS[task]
    written = []
    for letter in random.Random(f"{prompt}{text}{seed}").sample(sorted(kinds), len(kinds)):
        lines, says = kinds[letter](prompt, text)
        if says == right:
            written.append(f"{letter}\n{lines}{FORMAT.verdict}{FORMAT.yes if says else FORMAT.no}")
    return tuple(written[:count])


def pair_lists(own: Sequence[str], theirs: Sequence[str]) -> tuple[str, bool]:
    r"""Two lists item by item, up to the first difference, and whether there is none.

    >>> pair_lists(["cat", "dog"], ["cat", "dot"])
    ('ccaatt\nddoogt!\n', False)
    >>> pair_lists(["cat"], ["cat"])
    ('ccaatt\n..\n', True)
    """
    out = ""
    for k in range(len(own) + 1):  # after the last item both lists must be at their end
        mine, other = (items[k] if k < len(items) else "" for items in (own, theirs))
        pairs, same = _pair(mine, other)
        out += f"{pairs or '..'}\n"
        if not same:
            return out, False
    return out, True


def pair_letters(own: Sequence[tuple[str, str]], theirs: Sequence[tuple[str, str]]) -> tuple[str, bool]:
    r"""Our letter for each word beside theirs (`-`: none), up to the first difference, and whether there is none.

    >>> pair_letters([("cat", "t"), ("dog", "g")], [("dog", "o"), ("cat", "t")])
    ('cat tt\ndog go!\n', False)
    """
    given = dict(reversed(theirs))  # of a word written twice the first letter counts
    out = ""
    for word, letter in own:
        other = given.get(word, "-")
        out += f"{word} {letter}{other}{'' if letter == other else WRONG}\n"
        if letter != other:
            return out, False
    return out, True


def pair_answers(own: str, theirs: str) -> tuple[str, bool]:
    r"""Two answers, up to the first difference, and whether there is none.

    >>> pair_answers("tg", "to"), pair_answers("tg", "tg")
    (('=ttgo!\n', False), ('=ttgg\n', True))
    """
    pairs, same = _pair(own, theirs)
    return f"={pairs}\n", same


def _pair(own: str, theirs: str) -> tuple[str, bool]:
    out = ""
    for i in range(max(len(own), len(theirs))):
        a, b = (text[i] if i < len(text) else "." for text in (own, theirs))
        out += a + b
        if a != b:
            return f"{out}{WRONG}", False
    return out, True


def _chain(prompt: str, text: str) -> tuple[str, bool]:
    return pair_lists(_clean(chain.NAME, prompt).split("\n"), text.split("\n"))


def _countdown(prompt: str, text: str) -> tuple[str, bool]:
    """Each line with its true result and the numbers left after it, and at last the target."""
    numbers, target = countdown.parse(prompt)
    out = ""
    for line in text.split("\n"):
        match = _OPERATION.fullmatch(line)
        if match is None:
            return f"{out}{line}{WRONG}\n", False
        a, sign, b, result = int(match[1]), match[2], int(match[3]), int(match[4])
        true = {"+": a + b, "-": a - b, "*": a * b}[sign]
        if true != result:
            return f"{out}{line},{true}{WRONG}\n", False
        left = countdown.follow(numbers, line)
        if left is None:
            return f"{out}{line},{true} {WRONG}\n", False
        numbers = left
        out += f"{line},{true} {' '.join(map(str, numbers))}\n"
    same = numbers == (target,)
    return f"{out}={target}{'' if same else WRONG}\n", same


def _last_letter(prompt: str, text: str) -> tuple[str, bool]:
    *lines, end = text.split("\n")
    theirs = [(line[:-2], line[-1]) for line in lines if line[-2:-1] == " "]
    words = prompt[2:].split()
    out, same = pair_letters([(word, word[-1]) for word in words], theirs)
    if not same:
        return out, False
    pairs, same = pair_answers("".join(word[-1] for word in words), end.removeprefix("="))
    return out + pairs, same


def _word_sort(prompt: str, text: str) -> tuple[str, bool]:
    return pair_lists(sorted(prompt[2:].split()), text.split("\n"))


def _answer_alone(task: str) -> _Writer:
    """A clean solution of one's own, and its answer beside the solution's."""

    def write(prompt: str, text: str) -> tuple[str, bool]:
        *lines, answer = _clean(task, prompt).split("\n")
        pairs, same = pair_answers(answer.removeprefix("="), text.rpartition("\n")[2].removeprefix("="))
        return "".join(f"{line}\n" for line in lines) + pairs, same

    return write


def _worked_first(task: str, check: _Writer) -> _Writer:
    """The same, after a clean solution of one's own."""

    def write(prompt: str, text: str) -> tuple[str, bool]:
        out, same = check(prompt, text)
        return f"{_clean(task, prompt)}\n\n{out}", same

    return write


def _clean(task: str, prompt: str) -> str:
    return WORLDS[task].demonstrate(prompt, random.Random(0), slips=False)


# By the letter that opens a rationale: p for pairs, w for one that works the problem out first.
_KINDS: dict[str, dict[str, _Writer]] = {
    chain.NAME: {"p": _chain, "w": _answer_alone(chain.NAME)},
    countdown.NAME: {"p": _countdown},
    last_letter.NAME: {"p": _last_letter, "w": _answer_alone(last_letter.NAME)},
    word_sort.NAME: {"p": _word_sort, "w": _worked_first(word_sort.NAME, _word_sort)},
}
