"""What of a text is thinking, and what is said: the one place that knows the marks round thoughts."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from verifiers.interface.errors import BadArgument

Marks: TypeAlias = tuple[str, str]

THINKING: Final[tuple[Marks, ...]] = (
    ("<think>", "</think>"),  # DeepSeek-R1, Qwen3 and most others
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<analysis>", "</analysis>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),  # Magistral
    ("◁think▷", "◁/think▷"),  # Kimi
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<unused94>thought", "<unused95>"),  # MedGemma
    ("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),  # gpt-oss
    ("<|channel|>commentary", "<|channel|>final<|message|>"),
    ("assistantanalysis", "assistantfinal"),  # gpt-oss, decoded without its special tokens
)


def marks_in(texts: Sequence[str]) -> tuple[Marks, ...]:
    """The marks that are written as "BEGIN,END", and all that are known.

    >>> marks_in(["<cot>,</cot>"])[0], len(marks_in([])) == len(THINKING)
    (('<cot>', '</cot>'), True)

    Raises BadArgument for a text that is not so.
    """
    for text in texts:
        begin, _, end = text.partition(",")
        if not begin.strip() or not end.strip() or "," in end:
            raise BadArgument("thinking", text, "write BEGIN,END, such as '<cot>,</cot>'; a mark holds no comma")
    return (*((begin, end) for begin, _, end in (text.partition(",") for text in texts)), *THINKING)


def said(text: str, marks: Sequence[Marks] = THINKING) -> tuple[int, int]:
    """Where what a text says begins and ends: behind its last thought, and before one that never ends.

    >>> for text in ("<think>2?</think> 3", "2? </think> 3", "<think> 2", "So 3. <think> 2", "3"):
    ...     start, end = said(text)
    ...     print(repr(text[start:end]))
    ' 3'
    ' 3'
    ''
    'So 3. '
    '3'

    A text that begins inside a thought, as templates let it, has only the mark of its end.
    """
    if not any(first in text for first in _beginnings(tuple(marks))):  # many times faster, and true of most texts
        return 0, len(text)
    start = max((at + len(end) for _, end in marks if (at := text.rfind(end)) >= 0), default=0)
    opened = [at for begin, _ in marks if (at := text.find(begin, start)) >= 0]
    return start, min(opened, default=len(text))


@lru_cache(maxsize=16)
def _beginnings(marks: tuple[Marks, ...]) -> frozenset[str]:
    """What a text with a mark holds: its first character, or all of it where that is a letter, which any text holds.

    >>> sorted(_beginnings((("<think>", "</think>"), ("assistantanalysis", "assistantfinal"))))
    ['<', 'assistantanalysis', 'assistantfinal']
    """
    return frozenset(mark if mark[0].isalnum() else mark[0] for pair in marks for mark in pair)


def thought_steps(steps: Sequence[str], marks: Sequence[Marks] = THINKING) -> int:
    r"""How many of a solution's steps, from the first, hold nothing but thinking.

    >>> thought_steps(["<think>\n", "2?\n", "</think>\n", "So 3."]), thought_steps(["2?\n", "</think> 3"])
    (3, 1)
    """
    text = "".join(steps)
    start, end = said(text, marks)
    while start < end and text[start].isspace():
        start += 1
    if start == end:
        return len(steps)
    count = length = 0
    for step in steps:
        length += len(step)
        if length > start:
            break
        count += 1
    return count
