"""Currencies and units: what stands round a number and only says what was counted."""

import re
from functools import cache
from typing import Final

from verifiers.grading.notation.number_words import NUMBER_WORDS, SCALES

_SYMBOLS: Final = (
    "cm|mm|km|ms|fl oz|dm|nm|kg|mg|ml|mL|cL|dL|kL|lbs?|oz|ft|yds?|in|mi|hrs?|secs?|mins?|mph|kmh|kph|km/?h|mol"
    "|kJ|kW|kWh|MB|GB|KB|TB|Hz|kHz|MHz|Pa|kPa|atm|cc|sq|gal|rad|[kMG]?eV|[mk]V|mA|dB"
)
_WORDS: Final = (
    "miles?|met(?:er|re)s?|kilomet(?:er|re)s?|centimet(?:er|re)s?|feet|foot|inch(?:es)?|yards?|grams?|kilograms?|pounds?"
    "|lit(?:er|re)s?|gallons?|hours?|seconds?|minutes?|days?|weeks?|months?|years?|dollars?|cents?|euros?|people|persons?"
    "|units?|revolutions?|rotations?|radians?"
)
_UNITS: Final = f"{_SYMBOLS}|{_WORDS}"
_POWER: Final = r"(?:\^\{?-?\d\}?)?"
_JOIN: Final = r" ?(?:/|\\cdot|\*|⋅) ?"
# One letter is a unit in a quotient that everyone knows; alone it is a variable.
_QUOTIENTS: Final = r"m/s|m/h|g/L|g/l|g/mol|J/K|J/g|N/m|N/C|V/m|L/s|L/h|l/s|l/h|W/m|C/s|N ?\\cdot ?m"
# Alone, and spaced, it is a unit: 10 L; a small letter only beside a bare number (250 g, 3 m), and no other (3 t, 5 x).
_MEASURED: Final = re.compile(r"(.*\d) [LNJWVKCFAMT]|([-+]?\d[\d., /]*) (?:[ghls]|m(?:\^\{?[23]\}?)?)")
# A symbol may stand right behind its number, a word does not: "6weeks" may be a product of letters.
_ATOM: Final = rf"(?:{_UNITS}|\\mu ?m|[kM]?\\Omega|[mgsLlhdKJNVWAC]){_POWER}"
_MANY: Final = rf"{_ATOM}(?:(?:{_JOIN}| ){_ATOM})*"
_COMPOUND: Final = (
    rf"(.*(?:[\d.}})]|\\pi))(?:(?: ?(?:{_SYMBOLS}|\\mu ?m|[kM]?\\Omega)| (?:{_WORDS})){_POWER}(?:(?:{_JOIN}| ){_ATOM})*"
    rf"| ?/ ?(?:{_WORDS}|hr)| ?(?:[mgLlJ]/(?:{_UNITS})|{_QUOTIENTS}){_POWER}"
    # Among letters a negative power or a bracket shows that they are units: m s^{-1}, J/(kg K).
    rf"| ?(?=.*\^\{{?-\d){_ATOM}(?:(?:{_JOIN}| |(?<=\}})){_ATOM})+| ?{_ATOM}/\({_MANY}\))"
)


@cache
def _compound() -> re.Pattern[str]:
    """Compiled when it is first needed: that takes longer than to import all else of this file."""
    return re.compile(_COMPOUND)


_FACE: Final = r"\\(?:text|textrm|textbf|textit|mbox|mathrm|mathit)"
_FACED: Final = re.compile(
    rf"(.*[\d.}})]) ?(?:{_FACE}\{{(?:[^{{}}]|\^\{{-?\d\}})*\}}{_POWER} ?(?:/|\\cdot)? ?)+"
    rf"|(.*[\d.}})]) ?\\frac\{{{_FACE}\{{[^{{}}]*\}}\}}\{{{_FACE}\{{[^{{}}]*\}}{_POWER}\}}"
)

_SIGNS: Final = "€£¥₹₽₩฿₫₺₪₦₱¢"
_CODES: Final = "USD|EUR|GBP|INR|RMB|CNY|JPY|CAD|AUD|NZD|HKD|SGD|CHF|MXN|BRL|US|AU|CA|HK|NZ|Rs|RM|kr|S|R|C|A"
_BEFORE: Final = re.compile(
    rf"([-+]?) ?(?:(?:{_CODES})\.? ?(?=[\d.])|[{_SIGNS}]|\\(?:pounds?|euros?|texteuro|textsterling|yen|rupees?|EUR)"
    rf"(?![A-Za-z])(?:\{{\}})?|\\text\{{ ?(?:{_CODES})\.? ?\}}) ?(?=[-+]?[\d.])"
)
_BEHIND: Final = re.compile(
    rf"(?<=[\d.}}]) ?(?:[{_SIGNS}]|\\(?:euros?|texteuro|pounds?|textsterling|yen|rupees?|EUR)(?![A-Za-z])"
    r"|(?:USD|EUR|GBP|INR|RMB|CNY|JPY|CAD|AUD|CHF|Rs|zł|kr|Kč|Ft|руб|р)\.?)$"
)
COINS: Final = r"(?:dollars|euros|pounds|cents)\b"
_COMMA_COINS: Final = r"(?:€|EUR|[Ee]uros?|R(?![A-Za-z])|reais|zł|kr|Kč|руб)"
_COMMA_MONEY: Final = re.compile(
    rf"(?=.*{_COMMA_COINS})(?:{_COMMA_COINS} ?)?(-?[1-9]\d{{0,2}}(?:\.\d{{3}})+|-?\d+(?=,))(?:,(\d{{1,2}}))?"
    rf"(?: ?{_COMMA_COINS}\.?)?$"
)
_AND_CENTS: Final = re.compile(r"\$?(\d[\d,]*)(?: dollars?)? and (\d{1,2}) cents?", re.IGNORECASE)
_MANY_DOTS: Final = re.compile(r"-?[1-9]\d{0,2}(?:\.\d{3}){2,}(?:,\d+)?|-?[1-9]\d{0,2}\.\d{3},\d+")

# Chinese, Japanese and Korean count words stand right behind the number; some are factors, or make it another number.
EAST: Final = r"\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af"
_COUNTED: Final = re.compile(rf"(.*\d) ?([{EAST}]+)")
# Words before it lead up to it unless they compare, deny, or take part of a number in words.
_LED: Final = re.compile(rf"[{EAST}：:，, ]+(?=[-\d\\])")
_EAST_LEAVES: Final = frozenset("不没沒未非无無除过過超至比百千万萬亿億만억")
EAST_TIMES: Final = {mark: 10**power for mark, power in zip("百千万萬亿億만억", (2, 3, 4, 4, 8, 8, 4, 8), strict=True)}
EAST_CHANGES: Final = frozenset("分半倍折成多余几和或负不第点时月日号年十割負")

# After a number these are mathematics, or change its value: "5 or 6", "2 pi", "3 score"; or deny it: "7 is wrong".
_NOT_UNITS: Final = NUMBER_WORDS | frozenset(
    re.findall(
        r"\w+",
        """and by choose cos cot csc cubed exp factorial for if inf infinity ln log minus mod modulo or over permille
        mille pi plus power root roots score sin sqrt squared tan tau than to when where am pm not wrong false
        incorrect is was were isn wasn impossible never no nor but except instead base bmod cross dot divided multiplied
        raised about approximately through until x twice double triple
        mil mila millones millón milione milioni milhões milhão milliard milliards millionen milliarden tausend hundert
        тысяч тысяча тысячи миллион миллиона миллионов миллиард миллиарда миллиардов""",
    )
)
_SHORT_UNITS: Final = frozenset(
    re.findall(
        r"\w+",
        """a am an as cm cu dm each fl ft hr hrs in kg km kmh kph lb lbs mg mi min ml mm mph ms of oz per pt qt sec sq
        the us yd г кг км м мл мм см ч""",
    )
)
# Letters of the words for what was counted; those of East Asia are counters.
LETTERS: Final = r"[A-Za-z\u00c0-\u024f\u0400-\u04ff]"
# "12 more than Tom" says what it is compared with; "12 more than a number" is a sum.
_COMPARED: Final = re.compile(
    rf"(.*\b(?:more|less|fewer|higher|lower|greater|longer|older|younger|taller)(?: {LETTERS}{{3,}}){{0,3}}) than "
    rf"(?:on |in |at )?((?:{LETTERS}{{3,}} )*{LETTERS}{{3,}})"
)
_SUMS: Final = frozenset(["number", "sum", "product", "difference", "quotient", "twice", "half", "value", "square"])
_REPEATED: Final = frozenset(re.findall(r"\w+", "a an per as each in total daily weekly more faster larger bigger"))


def is_unit(words: str, *, short: bool = False) -> bool:
    """Whether these words only say what was counted, so that the number before them is the answer.

    >>> is_unit("square inches"), is_unit("more per week"), is_unit("more than x"), is_unit("tenths"), is_unit("times")
    (True, True, False, False, True)
    """
    words = words.lower()
    if (compared := _COMPARED.fullmatch(words)) and _SUMS.isdisjoint(compared[2].split()):
        words = compared[1].removesuffix("less").removesuffix("fewer") + " " + compared[2]
    names = re.findall(LETTERS + "+", words)
    if names and names[-1] in ("a", "an", "as"):
        return False  # a variable, or the beginning of what was counted
    if names and names[0] == "times":
        if len(names) > 1 and names[1] not in _REPEATED:
            return False
        names = names[1:]
    if len(names) > 1 and names[-1] in ("squared", "cubed"):
        names.pop()
    if names and names[0] in ("less", "fewer") and len(names) == 1:
        return False
    return not any(
        name in _NOT_UNITS
        or name in SCALES
        or name == "times"
        or (len(name) < 3 and not short and name not in _SHORT_UNITS)
        for name in names
    )


def without_currency(text: str) -> str:
    """The number without a currency before or behind it, and with a point for a decimal comma that is plainly one.

    >>> without_currency("-€20"), without_currency("Rs. 500"), without_currency("12,50 €"), without_currency("1.234,5")
    ('-20', '500', '12.50', '1234.5')
    >>> without_currency("25 dollars and 5 cents")
    '25.05'
    """
    if coins := _AND_CENTS.fullmatch(text):
        return f"{coins[1]}.{int(coins[2]):02}"
    if money := _COMMA_MONEY.fullmatch(text):
        return money[1].replace(".", "") + "." + (money[2] or "0")
    text = _BEHIND.sub("", _BEFORE.sub(r"\1", text, count=1) if _BEFORE.match(text) else text)
    return text.replace(".", "").replace(",", ".") if _MANY_DOTS.fullmatch(text) else text


def without_unit(text: str) -> str:
    r"""The number without the symbols of a unit behind it, or the text as it is.

    >>> without_unit("9.8 m/s^2"), without_unit(r"5\text{ kg}\cdot\text{m}"), without_unit("3 m")
    ('9.8', '5', '3 m')
    """
    if faced := _FACED.fullmatch(text):
        number, unit = faced[1] or faced[2], text[len(faced[1] or faced[2]) :]
        names = re.sub(r"\\[a-z]+|\d", " ", unit)
        return number if is_unit(names, short=True) else text
    compound = _compound().fullmatch(text)
    return compound[1] if compound else text


def without_letter(text: str) -> str:
    """The text without one letter behind its number that may be a unit; beside a bare number it is one.

    >>> without_letter("250 g"), without_letter("3 m^2"), without_letter("3m"), without_letter("m=3 m")
    ('250', '3', '3m', 'm=3 m')
    """
    measured = _MEASURED.fullmatch(text)
    return measured[1] or measured[2] if measured else text


def without_counter(text: str) -> tuple[str, int]:
    """The number without an East Asian word for what was counted, and the factor that the word stands for.

    >>> without_counter("5个"), without_counter("共3万元"), without_counter("5分之1")
    (('5', 1), ('3', 10000), ('5分之1', 1))
    """
    leading = _LED.match(text)
    led = text[leading.end() :] if leading and (_EAST_LEAVES | EAST_CHANGES).isdisjoint(leading[0]) else text
    counted = _COUNTED.fullmatch(led)
    if not counted:
        return led, 1
    factor = EAST_TIMES.get(counted[2][0], 1)
    rest = counted[2][1:] if factor > 1 else counted[2]
    if any(mark in EAST_CHANGES or mark in EAST_TIMES for mark in rest):
        return text, 1
    return counted[1], factor
