"""The part of a generated text that its answer can stand in: thoughts, end marks, other questions and code left out."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Final

from verifiers.grading.extraction import LONGEST, Extractor, first_stated
from verifiers.grading.thinking import THINKING, Marks, said
from verifiers.interface.arguments import check_kind

# What engines leave in a text where a model has ended its turn.
_END = (
    r"(?:<\|(?:im_end|im_start|eot_id|eom_id|end_of_text|endoftext|end_of_turn|end|eot|return|eos|user|assistant"
    r"|begin_of_solution|end_of_solution|START_RESPONSE|END_RESPONSE|endofassistant|pad|finetune_right_pad_id)\|>"
    r"|<(?:end_of_turn|start_of_turn|eos|pad|/s|s|end_of_utterance)>|<｜end▁of▁sentence｜>|\[/?INST\])"
)
_LEADING = re.compile(rf"(?:\s|{_END})+")
_AN_END = re.compile(_END)
# A base model goes on with the next example of its prompt.
_NEXT = re.compile(
    r"\n[ \t]*(?:[#*]+ ?)?(?:Q|Question|Problem|Exercise|Example|Human|User|Instruction|Input)(?: ?\d+)?\**:"
    r"|\n[ \t]*#+ ?(?:Question|Problem|Exercise|Example) \d+[ \t]*(?=\n)"
    r"|\n[ \t]*(?:Question|Problem|Exercise) \d+\.[ \t]",
    re.IGNORECASE,
)
_NEXT_TURN = re.compile(r"\S\s*\n\s*\**(?:Human|User)\**:\**\s", re.IGNORECASE)
# Two spaces: one may part the thousands of a number.
_CHEERS: Final = str.maketrans(
    {**dict.fromkeys([*"✅✔✓☑⭐✨", *map(chr, range(0x1F300, 0x1FB00))], "  "), "\ufe0f": None, "\u20e3": None}
)
_BOX: Final = re.compile(r"<\|begin_of_box\|>(.*?)<\|end_of_box\|>", re.DOTALL)
_ANSWERED = re.compile(r"\s*A: ?\S.*?(?=\n[ \t]*Q:)", re.DOTALL)
# GSM8K's calculator: <<6*2=12>>12
_CALCULATED = re.compile(r"<<[^<>\n]{0,200}?([^<>=\n]{0,40})>>(?=(\s*[-$€£]?[\d.])?)")
_HTML = re.compile(r"</?(?:b|br|center|div|em|h[1-6]|i|p|span|strong|u)(?: [^<>]*)?/?>", re.IGNORECASE)
# Markdown's emphasis with underscores, which programs and formulas use otherwise: __12__
_UNDERSCORED = re.compile(r"(?<![\w\\)}\]$])(_{1,3})(?=[^\s_])([^_\n]{1,80})(?<!\s)\1(?!\w)")
# A number by itself: 3,5 or 1.234,5, not the point (3,5) nor the list 3,5,7.
_DECIMAL_COMMA = re.compile(
    r"(?<![\d.,;(\[])(?<!\\\{)(\d{1,3}(?:\.\d{3})+|\d+)(?:,|\{,\})(\d+)(?![\d,;)\]]|\.\d|\\\})", re.ASCII
)
_POINTED = re.compile(r"\d(?:[.,]|\{,\})\d", re.ASCII)  # what the two patterns round it need
# Nobody writes 1.5 as 1.500.
_THOUSANDS = re.compile(r"(?<![\d.,])[1-9]\d{0,2}\.\d\d0(?![\d.]|,\d)", re.ASCII)
_WORDS = re.compile(r"[^\W\d_]+")
_SAMPLE: Final = 4_000  # characters
_COMMA_LANGUAGES: Final = frozenset(
    re.findall(
        r"\w+",
        """antwort das der dies el es est et il ist la le les los lautet mit para por questo
        resposta respuesta risposta réponse sind sono sont também und une uma um è é""",
    )
)
_ENGLISH: Final = frozenset(
    re.findall(
        r"\w+",
        """and answer are at by day each every for from has have he his how is it many more month number of she that
        the their there they this to we week with year""",
    )
)
# A block with one of these words, or none, is no program.
_NO_CODE: Final = frozenset(
    ["", "json", "latex", "markdown", "math", "md", "output", "plaintext", "tex", "text", "txt"]
)


def final_text(text: str, thinking: Sequence[Marks] = THINKING) -> str:
    r"""What a text says in the end: behind its thoughts, before an end mark and the next question, without programs.

    >>> final_text("<think>2+2 is 5?</think>The answer is 4.<|im_end|>")
    'The answer is 4.'
    >>> final_text("#### 18\n\nQ: How many cars?\nA: 10\n#### 10")
    '#### 18'
    """
    check_kind("text", text, str, "give the text of a solution")
    text = text[-LONGEST:]
    text = text if text.isascii() else text.translate(_CHEERS)
    text = _BOX.sub(r"\\boxed{\1}", text) if "of_box" in text else text
    start, end = said(text, thinking)
    if leading := _LEADING.match(text, start, end):
        start = leading.end()
    if mark := _AN_END.search(text, start, end):
        end = mark.start()
    text = _CALCULATED.sub(lambda shown: "" if shown[2] else shown[1], text[start:end])
    text = _HTML.sub("", _without_code(_before_the_next_question(text.rstrip())))
    text = _UNDERSCORED.sub(r"\2", text) if "_" in text else text
    return _with_points(text) if _has_decimal_commas(text) else text


def final(extract: Extractor, *, thinking: Sequence[Marks] = THINKING) -> Extractor:
    r"""An extractor that reads the `final_text` alone, with other marks of thinking where they are given.

    >>> from verifiers.grading.extraction import last_line
    >>> final(last_line)("<think>a\nb</think>\nc</s>"), final(last_line, thinking=[("(", ")")])("(hm) d")
    ('c', 'd')
    """
    return partial(_extract_final, extract, tuple(thinking))


def _extract_final(extract: Extractor, thinking: tuple[Marks, ...], text: str) -> str | None:
    return extract(final_text(text, thinking))


def _has_decimal_commas(text: str) -> bool:
    """Whether a text is in one of the languages that write 3,5 for 3.5."""
    if not _POINTED.search(text):
        return False  # there would be nothing to change
    words = _WORDS.findall(text[-_SAMPLE:].lower())
    foreign = sum(1 for word in words if word in _COMMA_LANGUAGES or "а" <= word[0] <= "я")  # all in Cyrillic write so
    return foreign > sum(map(_ENGLISH.__contains__, words))


def _with_points(text: str) -> str:
    text = _THOUSANDS.sub(lambda number: number[0].replace(".", ""), text)
    return _DECIMAL_COMMA.sub(lambda number: f"{number[1].replace('.', '')}.{number[2]}", text)


def _before_the_next_question(text: str) -> str:
    """Up to the first question behind a stated answer; before one it may be the text's own."""
    if not _NEXT.search(text):
        return text
    stated = first_stated(text)
    if stated is None and (turn := _NEXT_TURN.search(text)) and re.search(r"\d", text[: turn.start() + 1]):
        return text[: turn.start() + 1]  # a question is in one turn
    if stated is None and (answered := _ANSWERED.match(text)):
        stated = answered.end()
    following = None if stated is None else _NEXT.search(text, stated)
    return text[: following.start()].rstrip() if following else text


def _without_code(text: str) -> str:
    """The text without blocks of programs, unless there is nothing else."""
    prose, *blocks = text.split("```")
    parts = [prose]
    for i, block in enumerate(blocks):
        word, _, rest = block.partition("\n")
        if i % 2:
            parts.append(block)  # behind a block
        elif word.strip().lower() in _NO_CODE:
            parts.append(f"\n{rest}\n")
        elif "\n" not in block:
            parts.append(f"```{block}```")  # within a line, and so no block
    said_beside = "".join(parts)
    return said_beside if said_beside.strip() else text
