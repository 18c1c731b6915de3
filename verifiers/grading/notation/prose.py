"""Words round a bare answer: "approximately 8", "Tom has 12 apples", "9 (rounded up from 8.4)"."""

import re
from typing import Final

from verifiers.grading.notation.number_words import NUMBER_WORDS, PARTS, digits_for_words
from verifiers.grading.notation.units import is_unit, without_unit


def _any_of(phrases: str) -> str:
    """A pattern for any of these phrases, of which commas stand between."""
    return "|".join(phrase.strip() for phrase in re.sub(r"\s+", " ", phrases).split(","))


# What an answer may begin with; a letter alone may be a variable.
_IS_VALUE: Final = re.compile(r"[-+]?\\?[$€£₹]?[-+]?[\d.({\[]|[-+]?\\(?!text|mbox|mathrm)|[-+]?[A-Za-z](?![A-Za-z])")
_SOON_WORDS: Final = _any_of(
    r"""approximately, approx\.?, about, around, roughly, nearly, almost, exactly, precisely, only, just, therefore,
    thus, hence, so, then, also, simply, indeed, now, finally, equal to, equals, is, it is, it's, we get, we
    have, there are, there is, they are, the total is, the total of, the total
    amount is, in total, altogether, as shown, as shown above, as stated, as computed, the answer, the answer
    is, the final answer is, answer, close to, circa, ca\.?, the number, the value,
    given by, found to be, seen to be, computed as, calculated (?:as|to be), determined to be,
    an? (?:loss|profit|gain|discount|speed|rate|distance|height|length|width|cost|price|raise|tip|balance|saving) of,
    an? (?:value|average|mean|median|sum|product|remainder|(?:grand )?total|maximum|minimum|area|perimeter) of,
    an? (?:volume|radius|angle|weight|score|probability|ratio|slope) of,
    the (?=\d+(?:st|nd|rd|th)$), (?:an? )?(?:in|de)crease of, an? (?=[\d.]+ ?\\?% ?[a-z])"""
)
_SOON: Final = re.compile(
    rf"(?:(?:{_SOON_WORDS})(?![A-Za-z])[,:]* ?|\\(?:approx|sim|simeq|therefore|thickapprox)(?![A-Za-z]) ?|[~,:=] ?)+",
    re.IGNORECASE,
)
_VERBS: Final = _any_of(
    """is, are, was, were, be, equals?, has, have, had, costs?, pays?, paid, earns?, earned, gets?, got, makes?,
    made, needs?, needed, takes?, took, uses?, used, sells?, sold, eats?, ate, buys?, bought, saves?, saved,
    spends?, spent, walks?, walked, runs?, ran, drives?, drove, reads?, contains?, holds?, weighs?, gives?,
    gave, receives?, received, collects?, collected, becomes?, remains?, totals?, travels?, travel+ed,
    beträgt, betragen, ist, sind, hat, haben, kostet, braucht, est, sont, vaut, mesure, coûte, es, son, tiene, cuesta,
    mide, vale, è, sono, ha, costa, tem, são, é, равен, равна, равно, равны, составляет,
    requires?, produces?, owns?, owes?, charges?, scores?, scored, finds?, found, plants?, planted, bakes?,
    baked, (?:will|would|must|should|can|could) [a-z]+"""
)
_OBJECTS: Final = r"(?: (?:her|him|them|us|you|me|it|after|in|for|at|by|(?-i:[A-Z][a-z]+)))*"
# A subject may have numbers in it where nothing but its value follows.
_SUBJECT: Final = (
    rf"[^\W\d_](?:(?:[^\W\d_]|[' ,$\\{{}}])*(?: (?:{_VERBS})){_OBJECTS}|[\w' ,$\\{{}}+*/^-]* (?:is|are|equals))"
)
_CLAUSE: Final = re.compile(rf"{_SUBJECT}(?: equal to)?(?: (?=\S)|(?=[-+(\[\\]))", re.IGNORECASE)
_OPPOSITE: Final = frozenset(
    re.findall(
        r"\w+",
        """no not never none cannot isn wasn aren hasn doesn don t than least most less fewer between if when or nor
    neither without except minus negative wrong false incorrect base mod modulo one first second other another
    every twice double triple over under sin cos tan log ln nicht kein keine mindestens höchstens weniger mehr als pas
    moins que menos más mayor menor non meno più não не меньше больше""",
    )
)
# A label: "Total = 12", "Tom: 12". Letters that may be a product are none.
_LABEL: Final = re.compile(
    r"((?:[A-Za-z']+ )*(?:[A-Za-z]{4,}|[A-Z][a-z]{2,})) ?[=:] ?(?=[-+$]?[\d.]|[-+]?\\(?!text)|[(\[][-\d\\])"
)
_YES_OR_NO: Final = re.compile(
    r"(yes|no|true|false)[,.;:] [A-Za-z]|(?:it is|it's|that is|this is|the (?:statement|claim) is) (true|false)$",
    re.IGNORECASE,
)
_IN_TEXT: Final = re.compile(
    r"\\(?:text|textbf|textrm|mbox|mathrm)\{ ?((?:[A-Za-z][^{}]*)?(?:\b(?:is|are|be|equals|about|around|approximately"
    r"|roughly)|(?<=\w)[=:]) ?)\} ?(?=.)"
)
# \text{Sarah has } 14 \text{ pencils}
_ANY_TEXT: Final = re.compile(r"\\(?:text|textbf|textrm|mbox|mathrm)\{([^{}]*)\}")
_SENTENCE_IN_TEXT: Final = re.compile(r"\\(?:text|textbf|textrm|mbox|mathrm)\{[A-Za-z]{2,} [^{}]*\} ?(?=[^ ])")
_REMARK: Final = re.compile(
    r"(.*[\d%}$]) ?\((?=[A-Za-z]{4}|[A-Za-z]+ |\d+ [a-z]+ |\d+ ?(?:d\.?p|s\.?f))([^()]*(?:\([^()]*\)[^()]*)*)(?:\)|$)"
)
# What may follow a value, and leaves it as it is.
_AFTERTHOUGHT: Final = re.compile(
    r"(.*?[\w)}%$])(?:"
    r",? ?(?:(?:when |if )?rounded(?: (?:up|down|off))?(?: to .+)?|(?:correct |accurate )?to (?:the nearest [a-z -]+"
    r"|\w+ (?:decimals?(?: places?)?|significant (?:figures?|digits?)|d\.?p|s\.?f)))"
    r"|,? with \d+(?: [a-z]+)? (?:left(?: over)?|remaining|to spare)"
    r"| left ?over(?: from [a-z ]+)?| only| or so| is (?:the |our )?(?:final |correct |right )*(?:answer|correct|right)"
    r"| is the (?:smallest|largest|least|greatest|minimum|maximum|only)(?:(?! (?:wrong|incorrect|false|not)\b)[a-z ])*"
    r"|, ?(?:\d+ of whom|i\.e|that is|namely|attained|achieved|reached|which|because|since|(?:but )?not|where|assuming)"
    r"\b.*)"
)
_RANGE: Final = re.compile(r"[<>]|\\(?:le|ge|in|ne|mathbb)(?![a-z])")  # "x > 2, but not 5" is not x > 2
_BY_CASES: Final = r"(?:at|when|where|if|for|or)"
_AT_A_POINT: Final = re.compile(
    rf"((?:(?! {_BY_CASES} ).)*?[\w)}}%$]),? (?:(?:attained|achieved|reached|occurring) )?(?:at|when|where) "
    rf"[A-Za-z] ?=(?:(?! {_BY_CASES} )[^,;])*"
)
_CHANGES: Final = frozenset(
    re.findall(
        r"\w+",
        """not or mod modulo base thousand thousands hundred hundreds million millions billion billions dozen dozens
    lakh crore negative minus percent percentage wrong incorrect false times sin cos tan log sqrt pi squared
    cubed cent half am pm""",
    )
)
# 4 hours and not 5; 45 minutes to walk home; 30 square feet (5 × 6). Behind a relation "not" takes from what is said.
_COUNTED_FIRST: Final = r"([-+]?\\?[$€£]?\d[\d.,/]*(?: [A-Za-z]{2,})*"
_OF_A_COUNT: Final = re.compile(
    rf"{_COUNTED_FIRST},?)(?: |(?<=,) ?)(?:and|but) not \S*\d\S*(?: [A-Za-z]+)*"
    rf"|(?:{_COUNTED_FIRST} (?:[A-Za-z]+s|people|feet))|(\d[\d.,]*))"
    r" to (?!(?:the|pi|noon|midnight)\b|inf)[a-z]{2,}(?: [A-Za-z ]+)?"
    rf"|{_COUNTED_FIRST} [A-Za-z]{{3,}}) ?\("
    r"(?:\d[\d.,]*(?: [a-z]+)? (?:per|each|for each) [a-z ]+"
    r"|(?=[\d.]+ ?(?:[-+*/=]|\\times|\\cdot))(?:[-+*/=\d., ]|\\(?:times|cdot|div))+)\)"
)
_UNIT_REMARK: Final = re.compile(r"(.*\d) ?\((?:km|cm|mm|kg|mg|lbs?|hrs?|min|units?)\)")
# 25\\pi square units
_COUNTED: Final = re.compile(r"(.*(?:[\d}]|\\pi)) ((?:[A-Za-z]{2,}[ -]){0,5}[A-Za-z]{2,}[ -]?)")


def bare(text: str) -> str:
    r"""The answer without the words that only lead up to it or comment on it, with number words in digits.

    >>> bare("approximately 8"), bare("Tom has twelve apples"), bare("The largest n is 34")
    ('8', '12 apples', '34')
    >>> bare("9 (rounded up from 8.4)"), bare("a total of 14"), bare("7 is wrong"), bare("it is not 7")
    ('9', '14', '7 is wrong', 'it is not 7')
    """
    if len(text) > 1_000:
        return text
    if (remark := (_REMARK.fullmatch(text) or _UNIT_REMARK.fullmatch(text))) and (
        remark.re is _UNIT_REMARK
        or (
            _CHANGES.isdisjoint(re.findall(r"[a-z]+", remark[2].lower()))
            and not re.fullmatch(r"-?\d+(?:/\d+)?", digits_for_words(remark[2]))  # numbers.number compares the two
        )
    ):
        text = remark[1].strip()
    if said := _YES_OR_NO.match(text):
        return said[1] or said[2]
    after = _AFTERTHOUGHT.fullmatch(text) or _AT_A_POINT.fullmatch(text)
    if after and _has_value(after[1]) and not (_RANGE.search(after[1]) and " not " in text[after.end(1) :]):
        return bare(after[1].strip())
    if counted := _OF_A_COUNT.fullmatch(text):
        value = str(counted[counted.lastindex or 0])
        if NUMBER_WORDS.isdisjoint(counted[0].split()) and is_unit(" ".join(re.findall(r"[A-Za-z]+", value))):
            return bare(value.rstrip(","))
    if _SENTENCE_IN_TEXT.match(text):
        plain = " ".join(_ANY_TEXT.sub(r" \1 ", text).split())
        if (value := bare(plain)) != plain:
            return value
    text = _IN_TEXT.sub(r"\1 ", text, count=1) if _IN_TEXT.match(text) else text
    if (soon := _SOON.match(text)) and _is_value(text[soon.end() :]):
        return bare(text[soon.end() :])
    if (label := _LABEL.match(text)) and _OPPOSITE.isdisjoint(re.findall(r"[a-z]+", label[1].lower())):
        return bare(text[label.end() :])
    if clause := _CLAUSE.match(text):
        words = set(re.findall(r"[^\W\d_]+", clause[0].lower().replace("when divided by", "")))
        rest = text[clause.end() :]
        rest = rest[soon.end() :] if (soon := _SOON.match(rest)) else rest
        if words.isdisjoint(_OPPOSITE) and words.isdisjoint(PARTS) and _is_value(rest):
            return bare(rest)
    if "\\" in text and (counted := _COUNTED.fullmatch(text)) and is_unit(counted[2]):
        return counted[1]
    if "\\" in text and (measured := without_unit(text)) != text:
        return measured
    return digits_for_words(text)


def _has_value(text: str) -> bool:
    """Whether there is a value in a text: a number, a formula, or a letter."""
    return bool(re.search(r"\d|\\|(?<![A-Za-z])[A-Za-z](?![A-Za-z])", text)) or digits_for_words(text) != text


def _is_value(text: str) -> bool:
    return bool(_IS_VALUE.match(text) or digits_for_words(text) != text)
