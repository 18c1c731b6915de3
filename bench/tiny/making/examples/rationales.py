r"""Rationales written by program: why a solution of an embedded task is right or wrong.

The program works the problem out, after the solution and without a look at it, and then sets its own
beside the solution's, one character against one character, up to a `!` where the two differ. So every token
is a copy or the comparison of two neighbours, and longer problems need more of these but no new ones:

    L cat dog       the problem
    cat t
    dog o
    =to             the solution
    #cat t
    dog g
    =tg             worked out
    #=ttgo!         the two answers
    ?N              the verdict, read off the line before it

Of most tasks there is a second kind, with `<` for the second `#`, which compares line by line
(`last_letter`, `chain`) or from the end (`word_sort`).
"""

import random
import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from bench.tiny.worlds import chain, countdown, last_letter, word_sort
from bench.tiny.worlds.worlds import WORLDS
from verifiers.genrm.format import GenRMFormat

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
    ('cat\ndog\n#ccaatt\nddoogg\n..\n?Y',)
    """
    right = WORLDS[task].is_right(prompt, text)
    kinds = _KINDS[task]
    written = []
    for write in random.Random(f"{prompt}{text}{seed}").sample(kinds, len(kinds)):
        lines, says = write(prompt, text)
        if says == right:
            written.append(f"{lines}{FORMAT.verdict}{FORMAT.yes if says else FORMAT.no}")
    return tuple(written[:count])


def rationale_lines(task: str, prompt: str, text: str) -> list[str]:
    r"""The rationales of all kinds without their verdicts, whether these would be right or not.

    >>> rationale_lines("last_letter", "L cat dog\n", "cat t\ndog g\n=to")[0]
    'cat t\ndog g\n=tg\n#=ttgo!\n'
    """
    return [write(prompt, text)[0] for write in _KINDS[task]]


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


def compare_last_letter(own: str, theirs: str) -> tuple[str, bool]:
    r"""The letters of two solutions of `last_letter` word by word, and then their answers.

    >>> compare_last_letter("cat t\ndog g\n=tg", "cat t\ndog g\n=to")
    ('cat tt\ndog gg\n=ttgo!\n', False)
    """
    (*lines, answer), (*other_lines, other) = own.split("\n"), theirs.split("\n")
    letters = [(line[:-2], line[-1]) for line in other_lines if line[-2:-1] == " "]
    out, same = pair_letters([(line[:-2], line[-1]) for line in lines], letters)
    if not same:
        return out, False
    pairs, same = pair_answers(answer.removeprefix("="), other.removeprefix("="))
    return out + pairs, same


def compare_lists(own: str, theirs: str) -> tuple[str, bool]:
    """The lines of two texts, from the first on."""
    return pair_lists(own.split("\n"), theirs.split("\n"))


def compare_lists_backwards(own: str, theirs: str) -> tuple[str, bool]:
    """The lines of two texts, from the last on."""
    return pair_lists(own.split("\n")[::-1], theirs.split("\n")[::-1])


def compare_last_lines(own: str, theirs: str) -> tuple[str, bool]:
    """The answers of two texts alone: the last lines, such as `=tg`."""
    return pair_answers(*(text.rpartition("\n")[2].removeprefix("=") for text in (own, theirs)))


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


def _worked(task: str, marker: str, compare: _Writer) -> _Writer:
    def write(prompt: str, text: str) -> tuple[str, bool]:
        own = _clean(task, prompt)
        compared, same = compare(own, text)
        return f"{own}\n{marker}{compared}", same

    return write


def _clean(task: str, prompt: str) -> str:
    return WORLDS[task].demonstrate(prompt, random.Random(0), slips=False)


_KINDS: dict[str, tuple[_Writer, ...]] = {
    chain.NAME: (_worked(chain.NAME, "#", compare_last_lines), _worked(chain.NAME, "<", compare_lists)),
    countdown.NAME: (_countdown,),
    last_letter.NAME: (
        _worked(last_letter.NAME, "#", compare_last_lines),
        _worked(last_letter.NAME, "<", compare_last_letter),
    ),
    word_sort.NAME: (
        _worked(word_sort.NAME, "#", compare_lists),
        _worked(word_sort.NAME, "<", compare_lists_backwards),
    ),
}
