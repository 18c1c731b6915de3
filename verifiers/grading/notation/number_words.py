"""Numbers in English words become digits: "twenty-one" is 21, "two thirds" 2/3, "7 tenths" 7/10."""

import re
from fractions import Fraction
from typing import Final

SMALL: Final = {
    word: value
    for value, word in enumerate(
        re.findall(
            r"\w+",
            """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
            seventeen eighteen nineteen""",
        )
    )
}
_TENS: Final = {
    word: 10 * value
    for value, word in enumerate(re.findall(r"\w+", "twenty thirty forty fifty sixty seventy eighty ninety"), start=2)
}
SCALES: Final = {
    "hundred": 10**2,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "lakh": 10**5,
    "lakhs": 10**5,
    "crore": 10**7,
    "crores": 10**7,
    "dozen": 12,
}
_ORDINALS: Final = re.findall(
    r"\w+",
    """third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth
    seventeenth eighteenth nineteenth""",
)
PARTS: Final = {
    "half": 2,
    "halves": 2,
    "quarter": 4,
    "quarters": 4,
    **{word + end: value for value, word in enumerate(_ORDINALS, start=3) for end in ("", "s")},
    **{word + end: value for word, value in (("twentieth", 20), ("hundredth", 100)) for end in ("", "s")},
    **{word + end: value for word, value in (("thousandth", 1000), ("millionth", 10**6)) for end in ("", "s")},
}
NUMBER_WORDS: Final = frozenset([*SMALL, *_TENS, *SCALES, *PARTS])

_WORD: Final = re.compile(r"[\s-]*([A-Za-z]+|\d+(?![\d.,/^]))")
_LETTERS: Final = re.compile(r"[a-z]+", re.IGNORECASE)
_SUM: Final = re.compile(r" (?:plus|minus|times(?! ?$)|less|over|by|to|or|and|squared|cubed)\b")
_SHARE: Final = re.compile(
    r"(?:an? )?([a-z-]{3,20}) (?:(?:chance )?(?:in|out of) (?:every )?|(over|divided by) )([a-z -]{3,30})"
)
_LONGEST: Final = 200  # characters that are looked at


def digits_for_words(text: str) -> str:
    """The text with the number that it begins with in digits; as it is where it begins with no number in words.

    >>> digits_for_words("twenty-one apples"), digits_for_words("3 sixths"), digits_for_words("minus one half")
    ('21 apples', '1/2', '-1/2')
    >>> digits_for_words("two and a half cups"), digits_for_words("one of them"), digits_for_words("half of 10")
    ('5/2 cups', 'one of them', 'half of 10')
    >>> digits_for_words("one in four"), digits_for_words("two out of every five")
    ('1/4', '2/5')
    """
    if share := _SHARE.fullmatch(text.lower()):
        parts = [digits_for_words(part) for part in share.group(1, 3)]
        found = all(map(str.isdecimal, parts)) and (share[2] or int(parts[0]) < int(parts[1]))
        return "/".join(parts) if found else text
    sign, rest = "", text
    if opening := re.match(r"(?:minus|negative) ", text, re.IGNORECASE):
        sign, rest = "-", text[opening.end() :]
        if re.match(r"\\?[$€£¥]?\d", rest):
            return sign + rest
    words = [(match[1].lower(), match.end()) for match in _words(rest)]
    found = _mixed([word for word, _ in words])
    if not found:
        return text
    value, used = found
    after = rest[words[used - 1][1] :]
    # "one of them" names a thing; "half of 10", "two plus two" and "one x" are sums.
    if re.search(r"\d|[\\=+*/^]", after) or _SUM.match(after) or not NUMBER_WORDS.isdisjoint(_LETTERS.findall(after)):
        return text
    if words[0][0] == "one" and re.match(r" (?:of|that|who|which|is|can|must)\b", after):
        return text
    if after and not re.match(r"[ .,;:!)%$]|\\", after):
        return text
    return sign + str(value) + after


def _words(text: str) -> list[re.Match[str]]:
    found, at = [], 0
    while at < min(len(text), _LONGEST) and (match := _WORD.match(text, at)):
        found.append(match)
        at = match.end()
    return found


def _mixed(words: list[str]) -> tuple[Fraction, int] | None:
    """A number in words and how many words it takes: a whole number, a fraction, or both."""
    if words and words[0] in ("a", "an") and len(words) > 1 and words[1] in NUMBER_WORDS and words[1] not in SMALL:
        return _mixed(["one", *words[1:]])
    if words and words[0] == "half":
        return Fraction(1, 2), 1
    whole, used = _whole(words)
    if not used:
        return None
    in_words = any(not word.isdigit() for word in words[:used])
    if used < len(words) and words[used] in PARTS and (whole == 1 or words[used].endswith("s")):  # no "twenty-fifth"
        return Fraction(whole, PARTS[words[used]]), used + 1
    for between in (["and", "a"], ["and", "an"], ["and"]):
        after = words[used + len(between) :]
        if words[used : used + len(between)] != between:
            continue
        top, taken = (1, 0) if between[-1] != "and" else _whole(after)
        if (taken or between[-1] != "and") and len(after) > taken and after[taken] in PARTS:
            return whole + Fraction(top, PARTS[after[taken]]), used + len(between) + taken + 1
    if used + 1 < len(words) and words[used] == "point" and in_words:
        decimals = ""
        while used + 1 + len(decimals) < len(words) and words[used + 1 + len(decimals)] in list(SMALL)[:10]:
            decimals += str(SMALL[words[used + 1 + len(decimals)]])
        return (whole + Fraction(int(decimals), 10 ** len(decimals)), used + 1 + len(decimals)) if decimals else None
    return (Fraction(whole), used) if in_words else None


def _whole(words: list[str]) -> tuple[int, int]:
    """A whole number, and how many words it takes (0: there is none)."""
    if words and words[0].isdigit():
        return int(words[0][:30]), 1
    total, group, used, last = 0, 0, 0, 10**15
    for at, word in enumerate(words):
        if (
            word == "and"
            and (group or total)
            and group % 100 == 0
            and at + 1 < len(words)
            and words[at + 1] in {**SMALL, **_TENS}
        ):
            continue
        if word in SMALL and (group % 100 == 0 or (group % 10 == 0 and 0 < SMALL[word] < 10 and group % 100 >= 20)):
            group += SMALL[word]
        elif word in _TENS and group % 100 == 0:
            group += _TENS[word]
        elif word == "hundred" and 0 < group < 100:
            group *= 100
        elif word in SCALES and word != "hundred" and group and SCALES[word] < last:
            last = SCALES[word]
            total, group = total + group * last, 0
        else:
            break
        used = at + 1
    return total + group, used
