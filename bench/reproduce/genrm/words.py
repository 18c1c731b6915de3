r"""The two word tasks in words, for a pretrained LM: its tokenizer would swallow the marks of the tiny one.

    Last letters of: cat dog              the problem
    cat: t
    dog: o
    Answer: t o                           the solution
    Let's verify step by step.
    Lines:
    cat: t, written t
    dog: g, written o, wrong              the rationale: one's own letter, then the solution's
    Is the answer correct (Yes/No)? No

Of each task there are two kinds of rationales. Longer problems need more of the same lines.
"""

import random
from collections.abc import Callable, Sequence
from itertools import chain, repeat

from bench.tiny.worlds import last_letter, word_sort
from verifiers.genrm.format import GenRMFormat

_ASK = "Is the answer correct (Yes/No)?"
FORMAT = GenRMFormat(
    direct=f"{{problem}}\n{{solution}}\n{_ASK}",
    cot="{problem}\n{solution}\nLet's verify step by step.\n",
    solver="{problem}\n",
    verdict=_ASK,
    yes=" Yes",
    no=" No",
)
_NONE, _END = "nothing", "end"


def problem_in_words(prompt: str) -> str:
    r"""A prompt of either task.

    >>> problem_in_words("L cat dog\n"), problem_in_words("W dog cat\n")
    ('Last letters of: cat dog', 'In alphabetical order: dog cat')
    """
    title = "Last letters of" if prompt.startswith(last_letter.LETTER) else "In alphabetical order"
    return f"{title}: {prompt[2:].strip()}"


def solution_in_words(prompt: str, text: str) -> str:
    r"""A solution of either task, its letters apart from each other.

    >>> solution_in_words("L cat dog\n", "cat t\ndog o\n=to")
    'cat: t\ndog: o\nAnswer: t o'
    >>> solution_in_words("W dog cat\n", "cat\ndog")
    'cat\ndog'
    """
    if prompt.startswith(word_sort.LETTER):
        return text
    *lines, last = text.split("\n")
    worked = [line.replace(" ", ": ", 1) for line in lines]
    return "\n".join([*worked, f"Answer: {' '.join(last.removeprefix('='))}"])


def rationales_in_words(prompt: str, text: str, *, right: bool, seed: int = 0) -> tuple[str, ...]:
    r"""The rationales that come to the right verdict, in an order drawn from the seed.

    >>> print(max(rationales_in_words("W dog cat\n", "cat\nfox", right=False)))
    In order: cat dog
    cat, written cat
    dog, written fox, wrong
    Is the answer correct (Yes/No)? No
    """
    if prompt.startswith(last_letter.LETTER):
        kinds: tuple[Callable[[str, str], tuple[str, bool]], ...] = (_letters_by_word, _letters_of_answer)
    else:
        kinds = (_words_from_first, _words_from_last)
    written = []
    for write in random.Random(f"{prompt}{text}{seed}").sample(kinds, len(kinds)):
        lines, same = write(prompt, text)
        if same == right:
            written.append(f"{lines}\n{_ASK}{FORMAT.yes if same else FORMAT.no}")
    return tuple(written)


def _letters_by_word(prompt: str, text: str) -> tuple[str, bool]:
    """Each word's letter beside the one on the solution's line, then the answers."""
    *worked, _ = text.split("\n")
    given = dict(reversed([(line[:-2], line[-1]) for line in worked if line[-2:-1] == " "]))
    lines, same = _compared([(f"{word}: {word[-1]}", word[-1], given.get(word, _NONE)) for word in prompt[2:].split()])
    if not same:
        return f"Lines:\n{lines}", False
    more, same = _letters_of_answer(prompt, text)
    return f"Lines:\n{lines}\n{more}", same


def _letters_of_answer(prompt: str, text: str) -> tuple[str, bool]:
    """Each word's letter beside the answer's."""
    words, answer = prompt[2:].split(), text.rpartition("\n")[2].removeprefix("=")
    lines, same = _compared_to_end([(f"{word}: {word[-1]}", word[-1]) for word in words], answer)
    return f"Answer:\n{lines}", same


def _words_from_first(prompt: str, text: str) -> tuple[str, bool]:
    return _sorted_beside("In order", sorted(prompt[2:].split()), text.split("\n"))


def _words_from_last(prompt: str, text: str) -> tuple[str, bool]:
    return _sorted_beside("From the last", sorted(prompt[2:].split())[::-1], text.split("\n")[::-1])


def _sorted_beside(title: str, own: Sequence[str], theirs: Sequence[str]) -> tuple[str, bool]:
    lines, same = _compared_to_end([(word, word) for word in own], theirs)
    return f"{title}: {' '.join(own)}\n{lines}", same


def _compared_to_end(expected: Sequence[tuple[str, str]], theirs: Sequence[str]) -> tuple[str, bool]:
    beside = zip([*expected, (_END, _END)], chain(theirs, repeat(_END)), strict=False)
    return _compared([(line, item, written) for (line, item), written in beside])


def _compared(pairs: Sequence[tuple[str, str, str]]) -> tuple[str, bool]:
    """A line for each (own line, own item, item of the solution), up to the first that differs."""
    lines = []
    for line, own, theirs in pairs:
        lines.append(f"{line}, written {theirs}")
        if own != theirs:
            return "\n".join(lines) + ", wrong", False
    return "\n".join(lines), True
