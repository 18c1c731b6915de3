"""What stands round the last value of a text and is not it: checks, rejected values, where a minimum lies."""

import re

from verifiers.grading.notation.units import COINS

# The minimum is -4 at x = 2. But "f is 0 when x = 3" may tell of x.
_AT_A_POINT = re.compile(
    r"(\b(?:(?:min|max)(?:imum)?|value|least|greatest|largest|smallest)\b[^.\n]{0,80}? "
    r"(?:is|are|equals|be) \S{0,40}\d\S{0,40}?),? "
    r"(?:(?:attained|achieved|reached|occurring) )?(?:at|when|where) [$\\(]*[A-Za-z] ?= ?[^.\n]{1,40}\.?$"
)
# A last sentence that only tries the value out, and finds nothing wrong.
_DOUBTS = (
    r"\b(?:so|thus|therefore|hence|instead|wait|but|not|must|should|total|too|left|final|answer|wrong|incorrect|fail\w*"
    r"|exceed\w*|remain\w*)\b|≠|\\ne|[<>]"
)
_CHECK = re.compile(
    r"(?:(?<=[.!?\n])|(?<=[.!?$]\s))[\s*_#]*(?:(?:to |let's |let us |we )?(?:double[- ]?check|check|verify)"
    r"|checking|verification)(?: (?:the |our |this )?(?:answer|result|solution|it|this))?[*_]*:"
    rf"(?=[^\n]*=)(?![^\n]*(?:{_DOUBTS}))(?:[^\n.]|\.(?=\d)){{0,200}}\.?\s*\Z",
    re.IGNORECASE,
)
# x = 5 (not 7); x = 5, since x = -5 is extraneous. A longer clause may lead to a value of its own.
_REJECTED = re.compile(
    r"(?<=[\d})$*%])(?:,? \((?:rejecting|discarding|since|because|not)\b[^().\n]{1,80}\)"
    r"|, (?:since|because) [^\s.,]+(?: ?= ?[^\s.,]+)? is (?:extraneous|negative|impossible|invalid))[.!]?$"
)
# A value of which the end says that it is none.
_DENIED = re.compile(
    r"\$?-?[\d.,/]*\d\$? is (?:wrong|incorrect|false|not (?:correct|right|the (?:[a-z]+ )?answer)"
    r"|(impossible|not possible))"
    r"[.!]?\s*\Z"
)
# There are 12 ways to choose 3 people from 5. With a verb or a further value it would go on to the answer.
_SOME = r"(?:(?:the|these|any|exactly|up|out) ){0,2}\$?\d+\$?(?: (?!and|so|but|then|are|is|giv|each|if|with)[a-z]+)?"
_THERE_ARE = re.compile(
    r"(?:(?:\A|[.:\n]\s*|\b)(?:so|thus|therefore|hence),? |(?:\A|[.:\n]\s*))"
    r"there (?:are|is)(?: (?:exactly|only|a total of|in total))? \**"
    r"(\$[^$\n]+\$|\\\((?:(?!\\\)).)+\\\)|\d[\d,]*)\** "
    r"(?:[a-z]+ )?(?:ways?|choices|possibilities|arrangements|combinations|permutations|outcomes) "
    rf"to [a-z]+ {_SOME}(?: (?:from|out of|among|of) {_SOME})?\.?$",
    re.IGNORECASE,
)

# A value of which the rest of its sentence only says what for: "= 160 minutes to wash 64 windows", "there are 8
# students in Period 2". A further clause or an operator may lead to a value of its own; "3 hours 20 minutes" is one.
_COIN = r"\\?[$€£]\d[\d,]*(?:\.\d+)?"
_VALUE = r"\\?[$€£]?\d[\d,]*(?:\.\d+)?%?"
_GOES_ON = (
    r"\b(?:so|then|and|but|is|are|was|were|give[sn]?|means?|ha[sd]|have|which|leaving|leaves|left|or|therefore|thus|hence"
    r"|mak(?:es|ing)|will|would|equals?|remain\w*|each|not|if|because|since|total|rounds?|divide\w*|base|mod|sin|cos"
    r"|tan|log|ln|sqrt|pi|times|plus|minus|power|choose"
    r"|(?:to|by|through|(?<!class )(?<!group )(?<!team )of)(?= [$\d]))\b"
)
_WORD = rf" (?!{_GOES_ON})[A-Za-z][A-Za-z'’-]+"
_REST = rf"(?:(?!{_GOES_ON})(?:[\w %'’]|(?<=\w)[-/](?=[A-Za-z])|[.,](?=\d)|\\?\$(?=\d)))*"
_WHERE = r" (?:after|among|at|before|between|by|during|for|from|in|on|over|than|to|until|when|with|within)(?= )"
_TO_THE_END = rf"\**(?: (?:more|less|fewer))?(?:{_WORD}){{0,8}}?{_WHERE}{_REST}\d{_REST}[.!]?\s*\Z"
_MORE_OF = rf"\** (?:more|less|fewer) \$\d+{_REST}[.!]?\s*\Z"
# What a number is of that only says when, or of whom, before the value comes: "after 3 days", "the 3 boxes".
_NOT_YET = "".join(
    rf"(?<!\b{word})"
    for word in (
        "after", "all", "at", "before", "both", "during", "each", "every", "for", "from", "his", "in", "its", "on",
        "the", "their", "these", "those", "when", "with",
    )
)  # fmt: skip
_SO = (
    r"(?:^|[.!?\n]\s*)(?:so|therefore|thus|hence|then|in total|altogether|together"
    rf"|this means(?: that)?),? [^\n.,;:=?\d]*?{_NOT_YET}(?<!['’]s) \**"
)
_WITH_THE_REST = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"= ?({_VALUE})(?={_TO_THE_END}|{_MORE_OF})",
        rf"\bthere (?:are|is|will be|were|must be) (?:exactly |only )?\**({_VALUE})(?={_TO_THE_END})",
        rf"(?<!\bof )(?<!\bfrom )(?<!\bamong )(?<!\bwith )\ba (?:grand )?total of \**({_VALUE})(?={_TO_THE_END})",
        rf"\bit (?:will |would |should )?takes? (?:[a-z]+ ){{0,2}}\**({_VALUE})(?={_TO_THE_END})",
        # Of two further numbers one may be the value: "5 cakes at 4 dollars for 20 dollars".
        rf"{_SO}({_VALUE})(?=\**{_WORD}{_TO_THE_END})(?=\D*\d[\d.,]*\D*\Z)",
        rf"{_SO}({_VALUE})(?=(?: [a-z]+){{1,4}} to [a-z]+{_REST}\d{_REST}[.!]?\s*\Z)",
        rf"{_SO}({_COIN})(?=\** (?:for|on)(?!{_REST}\$)(?= ){_REST}\d{_REST}[.!]?\s*\Z)",
        rf"{_NOT_YET}(?<!\bof) \**({_COIN}|\d[\d,]*(?:\.\d+)?(?= {COINS}))(?=\**(?: {COINS})?"
        rf"(?: (?:for|on|in|over) (?:all |the |these )?\d+{_WORD}(?:{_WORD})?){{1,2}}[.!]?\s*\Z)",
    )
)
# What a value in brackets behind another is about: 1/17 (≈ 0.0588).
_ABOUT = re.compile(
    r"(?<=[\w})$*%]) ?\((?:or )?(?:≈|\\approx|~|approximately|approx\.?|about|roughly|around)[^()\n]{1,40}\)[.!]?$"
)


def without_denied(text: str) -> str:
    """The text without a value at its end that it denies; which one is impossible may be what is asked.

    >>> without_denied("It is 4, and 5 is wrong."), without_denied("So 7 is impossible.")
    ('It is 4, and ', 'So 7 is impossible.')
    """
    denied = _DENIED.search(text, max(0, len(text) - 100))
    alone = denied and denied[1] and not re.search(r"\d", text[: denied.start()])
    return text[: denied.start()] if denied and not alone else text


def without_remarks(text: str) -> str:
    r"""The text up to what its end only remarks on the value before it.

    >>> without_remarks("So x = 5. Check: 2 + 5 = 7."), without_remarks("So $x=5$ (rejecting $x=-5$).")
    ('So x = 5.', 'So $x=5$')
    >>> without_remarks("The minimum is -4 at x = 2."), without_remarks("There are 12 ways to choose 3 people.")
    ('The minimum is -4', '12')
    """
    checked = _CHECK.search(text, max(0, len(text) - 500))
    if checked and re.search(r"\d", text[: checked.start()]):
        text = text[: checked.start()]
    end = _AT_A_POINT.sub(r"\1", text[-300:].rstrip())
    end = _REJECTED.sub("", _ABOUT.sub("", end))
    if counted := _THERE_ARE.search(end):
        return counted[1]
    if told := next(filter(None, (pattern.search(end) for pattern in _WITH_THE_REST)), None):
        end = end[: told.end(1)]
    return text[:-300] + end
