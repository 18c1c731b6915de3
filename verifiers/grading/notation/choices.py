"""Multiple choice: an answer that is a letter from A to J, alone or before the text of the choice."""

import re
from dataclasses import dataclass
from typing import Final

_FACE: Final = r"\\(?:text|textbf|textrm|textit|textsf|mathrm|mathbf|bm|boldsymbol|mbox)"
# \textbf{(E)} 24, \text{E: } 24, \textbf{(E) }24
_FACED: Final = re.compile(rf"{_FACE}\{{ ?(\(?[A-J](?:\)|[.:)](?=[ }}])|(?=\}})) ?)\}}(?: |\\ )*")
_FACED_IN_BRACKETS: Final = re.compile(rf"\( ?{_FACE}\{{ ?([A-J]) ?\}} ?\)")
_MARKED: Final = re.compile(
    r"(?:\(([A-Ja-j])\) ?[.:]?|\[([A-J])\] ?|([A-Ja-j])\.? ?\)|([A-J])[.:]|([a-j])[.:](?= )) ?(?!\))(.*)"
)
# What a choice is called, in the languages of which an answer's statement is read.
CALLED: Final = (
    r"(?:(?:the|la|el|le|l['’]|die|das|der|o|a) ?)?(?:option|choice|alternative|letter|opción|opção|opzione|lettre"
    r"|letra|lettera|Buchstabe|вариант|буква)"
)
_NAMED: Final = re.compile(
    rf"(?:the )?(?:correct |right |final |best )?(?:answer|{CALLED})(?: is)?:?(?: |(?=\())"
    r"\(?([A-Ja-j])\)?(?: is (?:correct|right|the answer)|[.:] (.*))?",
    re.IGNORECASE,
)
_IS_RIGHT: Final = re.compile(r"\(?([A-J])\)? is (?:correct|right|the (?:correct |right )?(?:answer|option|choice))")
_EXPLAINED: Final = re.compile(r"([A-J]) ?\(([^()\\]*[A-Za-z]{4}[^()\\]*)\)")
_SEVERAL: Final = re.compile(r"(?:both )?\(?[A-J]\)?(?:(?:, ?(?:and )?| and | ?[;&/] ?)?\(?[A-J]\)?)+")
_LETTER: Final = re.compile(r"\(?([A-Za-z])\)?")
_OTHER: Final = re.compile(r"(?:^|[ ,;(])[A-Ja-j](?:\)|[.:](?= |$))")


@dataclass(frozen=True, slots=True)
class Choice:
    """A letter, as written, and the text of the choice ("" where the letter stands alone)."""

    letter: str
    text: str


def choice(text: str) -> Choice | None:
    r"""The letter and the text of a choice; None for an answer that names none.

    >>> choice(r"\textbf{(E)} 24"), choice("b) 40 metres"), choice("Option C")
    (Choice(letter='E', text='24'), Choice(letter='b', text='40 metres'), Choice(letter='C', text=''))
    >>> choice("(a+b)"), choice("A: 3, B: 5"), choice("x")
    (None, None, None)
    """
    if len(text) > 1_000:
        return None
    text = _FACED_IN_BRACKETS.sub(r"(\1)", text, count=1)
    text = _FACED.sub(r"\1 ", text, count=1).strip()
    if match := _IS_RIGHT.fullmatch(text):
        return Choice(match[1], "")
    if match := (_NAMED.fullmatch(text) or _EXPLAINED.fullmatch(text)):
        return Choice(match[1], match[2] or "")
    match = _MARKED.fullmatch(text)
    if not match or _OTHER.search(match[6]):  # a list of several
        return None
    letter = next(found for found in match.groups()[:5] if found)
    rest = match[6].strip()
    if re.match(r"is (?:wrong|incorrect|false|not)\b", rest):
        return None
    # (a)b and (a)^2 are products; a capital in brackets names a choice where a text follows, and not an operator.
    if rest and (re.match(r"[-+*/^=_!,(]", rest) or (letter.islower() and match[1] and not re.match(r".+? ", rest))):
        return None
    return Choice(letter, rest)


def letter(text: str) -> str | None:
    """The letter that is the whole answer, in brackets or not.

    >>> letter("(C)"), letter("e"), letter("AB")
    ('C', 'e', None)
    """
    match = _LETTER.fullmatch(text)
    return match[1] if match else None


def letters(text: str) -> frozenset[str] | None:
    """The letters of an answer that is several choices; more than two with nothing between them stand in order.

    >>> sorted(letters("A, C") or ()), letters("A, C") == letters("CA"), letters("C, A, B") == letters("ABC")
    (['A', 'C'], True, True)
    >>> letters("AA"), letters("CBA"), letters("x")
    (None, None, None)
    """
    found = re.findall("[A-J]", text) if len(text) < 60 and _SEVERAL.fullmatch(text) else []
    named = len(found) > 2 and "".join(found) == text and found != sorted(found)  # a triangle CBA
    return frozenset(found) if 1 < len(found) == len(set(found)) and not named else None


def same_letter(answer: str, gold: str) -> bool:
    """Whether an answer of one letter is the gold one: "b" is choice B, and "E" is not the number e."""
    return answer == gold or (gold in "ABCDEFGHIJ" and answer.upper() == gold)
