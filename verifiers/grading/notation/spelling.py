"""One spelling for what people and models write in many: Unicode, HTML and LaTeX variants become plain LaTeX."""

import re
import unicodedata
from functools import cache
from typing import Final


def spell(text: str) -> str:
    r"""The text in plain LaTeX; nothing that changes what it means is taken away.

    >>> spell("√2+x²"), spell("2½"), spell(r"0.5\phantom{7}"), spell("2**(1/4)")
    ('\\sqrt{2}+x^2', '2\\frac{1}{2}', '0.5', '2^{1/4}')
    """
    if not text.isascii():
        text = _rewrite(text.translate(_CHARACTERS), _UNICODE)
    if "\\" in text:
        text = _rewrite(_unaligned(text), _LATEX)
    if _WORTH_IT.search(text):
        text = _rewrite(text, _PLAIN)
    return text


_WORTH_IT: Final = re.compile(r"[A-Za-zа-я^{<&*∞]|\.\.\.")
# Rows of: characters that must be there (a cheap test), a pattern, what takes its place.
_Table = tuple[tuple[str, str, str], ...]
_compiled = cache(re.compile)  # when a text first needs a row: all at once would take longer than all other imports


def _rewrite(text: str, table: _Table) -> str:
    for needed, pattern, replacement in table:
        if needed in text:
            text = _compiled(pattern).sub(replacement, text)
    return text


_ALIGNED: Final = r"(?:align(?:ed|at)?|gather(?:ed)?|equation|split|multline|cases|array(?=\}\{[lcr]\}))\*?"
_ALIGNMENT: Final = re.compile(rf"\\begin ?\{{({_ALIGNED})\}}(?:\{{[lcr]\}})?(.*?)\\end ?\{{\1\}}", re.DOTALL)


def _unaligned(text: str) -> str:
    """The rows of an alignment in a line: one that begins with a relation goes on with the row before it."""

    def line(match: re.Match[str]) -> str:
        rows = [row.replace("&", " ").strip() for row in re.split(r"\\\\(?:\[[^\]]*\])?", match[2])]
        if match[1] == "cases" and not all("=" in row for row in rows if row):
            return match[0]  # the pieces of a function
        return re.sub(r", (?==|<|>|\\(?:le|ge|approx|equiv))", " ", ", ".join(row.strip(" ,") for row in rows if row))

    return _ALIGNMENT.sub(line, text) if "\\begin" in text else text


_FRACTIONS: Final = {sign: unicodedata.normalize("NFKC", sign).split("⁄") for sign in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒"}
_GREEK: Final = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho"
_GREEK_REST: Final = "sigma tau upsilon phi chi psi omega"
_NAMES: Final = {
    "∞": "infty",
    "≤": "le",
    "⩽": "le",
    "≥": "ge",
    "⩾": "ge",
    "≠": "ne",
    "≈": "approx",
    "≅": "cong",
    "×": "times",
    "·": "cdot",
    "⋅": "cdot",
    "∙": "cdot",
    "∘": "circ",
    "÷": "div",
    "±": "pm",
    "∓": "mp",
    "∪": "cup",
    "∩": "cap",
    "∈": "in",
    "∅": "emptyset",
    "⌀": "emptyset",
    "∖": "setminus",
    "⌊": "lfloor",
    "⌋": "rfloor",
    "⌈": "lceil",
    "⌉": "rceil",
    "∠": "angle",
    "△": "triangle",
    **dict(
        zip(
            "ΓΔΘΛΞΠΣΦΨΩ", ["Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega"], strict=True
        )
    ),
    "µ": "mu",
    **dict(zip("αβγδεζηθικλμνξοπρ", _GREEK.split(), strict=True)),
    **dict(zip("στυφχψω", _GREEK_REST.split(), strict=True)),
}
# 0 to 9 of other scripts, one character each.
_DIGITS: Final = [code for code in range(0x660, 0xABFA) if unicodedata.decimal(chr(code), None) is not None]
# What is another form of one character; full-width forms are ASCII, shifted.
_FORMS: Final = {
    **{chr(code + 0xFEE0): chr(code) for code in range(0x21, 0x7F)},
    **{chr(code): str(unicodedata.decimal(chr(code))) for code in _DIGITS},
    "٫": ".",
    "٬": ",",
    **dict.fromkeys("−–—‐‑‒―﹣－➖", "-"),
    **dict.fromkeys("\u00a0\u202f", " "),
}
ONE_FOR_ONE: Final = str.maketrans(_FORMS)
_CHARACTERS: Final = str.maketrans(
    {
        **_FORMS,
        # The signs of Chinese text.
        "。": ".",
        "、": ",",
        "￡": "£",
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", None),
        **dict.fromkeys("′’‘ʹ＇", "'"),
        **dict.fromkeys("“”″„", '"'),
        "⟨": "(",
        "⟩": ")",
        "〈": "(",
        "〉": ")",
        "°": r"^\circ ",
        "º": r"^\circ ",
        "℃": r"^\circ C",
        "℉": r"^\circ F",
        "ℝ": r"\mathbb{R}",
        "ℤ": r"\mathbb{Z}",
        "ℚ": r"\mathbb{Q}",
        "ℕ": r"\mathbb{N}",
        "ℂ": r"\mathbb{C}",
        "∛": r"\sqrt[3]√",
        "∜": r"\sqrt[4]√",
        "⁄": "/",
        "∕": "/",
        "∗": "*",
        **dict.fromkeys("∎■□", None),
        "…": r"\ldots ",
        **{sign: rf"\{name} " for sign, name in _NAMES.items()},
        **{sign: rf"\frac{{{top}}}{{{bottom}}}" for sign, (top, bottom) in _FRACTIONS.items()},
        **{raised: f"⟦{plain}⟧" for raised, plain in zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ⁽⁾", "0123456789+-ni()", strict=True)},
        **{lowered: f"⟪{plain}⟫" for lowered, plain in zip("₀₁₂₃₄₅₆₇₈₉₊₋ₙ", "0123456789+-n", strict=True)},
    }
)
_ROOT: Final = r"(?:\\sqrt(\[\d\]))?√ ?"
_UNICODE: Final[_Table] = (
    ("⟧", "⟧⟦", ""),  # a run of raised characters is one exponent
    ("⟧", "⟦([^⟦⟧]*)⟧", r"^{\1}"),
    ("⟫", "⟫⟪", ""),
    ("⟫", "⟪([^⟪⟫]*)⟫", r"_{\1}"),
    ("√", r"(?<![\w)}\]])\^\{(\d)\}√", r"\\sqrt[\1]√"),
    ("√", _ROOT + r"(?:\(([^()√]*)\)|\{([^{}√]*)\})", r"\\sqrt\1{\2\3}"),
    ("√", _ROOT + r"(\d+(?:\.\d+)?|[A-Za-z])", r"\\sqrt\1{\2}"),
    ("√", _ROOT + r"\(([^()√]*)\)", r"\\sqrt\1{\2}"),  # what stood round the inner ones
)

_FACES: Final = "text|textnormal|textrm|textbf|textit|textsf|mbox|mathrm|mathbf|bm|boldsymbol|mathit|mathsf|emph"
_LATEX: Final[_Table] = (
    ("phantom", r"\\[hv]?phantom ?\{[^{}]*\}", ""),
    ("space", r"\\[hv]space\*? ?\{[^{}]*\}", " "),
    ("color", r"\\(?:text)?color ?\{[^{}]*\}", ""),
    ("tag", r"\\tag\*? ?\{[^{}]*\}", ""),
    ("label", r"\\label ?\{[^{}]*\}", ""),
    ("line", r"\\underline ?\{([^{}]*)\}", r"\1"),
    ("ig", r"\\[bB]igg?[lrm]?(?![a-zA-Z])", ""),
    ("style", r"\\(?:display|text|script)style(?![a-zA-Z])", " "),
    # Faces and sizes for all that follows, and marks at the end of a proof.
    ("", r"\\(?:bf(?:series)?|rm|it|sf|tt|small|normalsize|[lL]arge|LARGE|[hH]uge)(?![a-zA-Z]) ?", ""),
    ("", r"(?<=.)\\(?:checkmark|square|Box|blacksquare|qed(?:symbol)?)(?![a-zA-Z])[$\s.]*$", ""),
    ("{", r"\\(?:mathrm|text|textrm|mathit) ?\{ ?([ie]) ?\}(?=[x^]|$|[+\-)}, ])", r"\1"),  # constants in roman
    ("{", r"\\(?:mathrm|text|textrm|mathit) ?\{ ?d ?\}(?=[a-z])", "d"),
    ("limits", r"\\(?:no)?limits(?![a-zA-Z])", ""),
    ("operatorname", r"\\operatorname\*? ?\{(arc(?:sin|cos|tan)|lcm|gcd|log|ln|sin|cos|tan|cot)\}", r"\\\1 "),
    ("{", r"\\(?:text|mathrm) ?\{ ?((?:arc)?(?:sin|cos|tan)|cot|sec|csc|log|ln|exp|gcd|lcm) ?\}", r"\\\1 "),
    ("mod", r"\\(?:text|mbox) ?\{ ?(\(?) ?mod ?\}", r" \1mod "),
    ("cis", r"\\(?:text|operatorname|mathrm) ?\{ ?cis ?\}|\\cis(?![a-z])", "cis"),
    ("cis", r"(?<![A-Za-z\\])cis ?(?:\\left)?\(([^()]*?)(?:\\right)?\)", r"(\\cos(\1)+i\\sin(\1))"),
    ("cis", r"(?<![A-Za-z\\])cis ?(\d+(?:\^\{?\\circ\}?)?)", r"(\\cos(\1)+i\\sin(\1))"),
    ("{", r"\\(?:hat|vec|mathbf|bm|boldsymbol) ?\{ ?\\?([ijk])(?:math)? ?\}", r"\\mathbf{\1}"),
    ("\\lg", r"\\lg(?![a-zA-Z]) ?", r"\\log_{10} "),
    ("textnormal", r"\\text(?:normal|sf)(?= ?\{)", r"\\text"),
    # Other names of the same.
    ("var", r"\\varnothing(?![a-zA-Z])", r"\\emptyset"),
    ("var", r"\\var(?=(?:epsilon|theta|phi|rho|sigma)(?![a-zA-Z]))", r"\\"),
    ("\\le", r"\\leq(?:slant|q)?(?![a-zA-Z])", r"\\le"),
    ("\\ge", r"\\geq(?:slant|q)?(?![a-zA-Z])", r"\\ge"),
    ("\\neq", r"\\neq(?![a-zA-Z])", r"\\ne"),
    ("\\bmod", r"\\bmod(?![a-zA-Z])", r"\\mod"),
    (
        "^",
        r"\^ ?(\{ ?)?\\(?:top(?![a-zA-Z])|intercal(?![a-zA-Z])|(?:math(?:sf|rm|bf|it)|text) ?\{ ?T ?\}) ?(?(1)\})",
        "^T",
    ),
    ("\\colon", r" ?\\colon(?![a-zA-Z]) ?", ":"),
    ("prime", r"\^(?:\\prime(?![a-zA-Z]) ?|\{\\prime\})", "'"),
    ("prime", r"\^\{((?:\\prime ?){2,3})\}", "''"),
    ("langle", r"\\langle(?![a-zA-Z])", "("),
    ("rangle", r"\\rangle(?![a-zA-Z])", ")"),
    ("brace", r"\\lbrace(?![a-zA-Z])", r"\\{"),
    ("brace", r"\\rbrace(?![a-zA-Z])", r"\\}"),
    ("vert", r"\\[lr]?vert(?![a-zA-Z])", "|"),
    ("real", r"\\mathbf\{R\}|\\real(?:s)?(?![a-zA-Z])", r"\\mathbb{R}"),
    ("mathbb", r"\\mathbb ([A-Z])", r"\\mathbb{\1}"),
    ("circ", r"\^ ?(?:\{ ?\\circ ?\}|\\circ(?![a-zA-Z]) ?)", r"^\\circ "),
    ("circ", r"(?<=\d) ?\\circ(?![a-zA-Z]) ?", r"^\\circ "),
    ("degree", r"\\(?:text)?degrees?(?![a-zA-Z])", r"^\\circ "),
    ("\\circ", r"(?<=\\circ )(?:\\(?:text|mathrm) ?)?\{? ?[CF]\}?(?![A-Za-z])", ""),
    ("\\ast", r"\\ast(?![a-zA-Z])", "*"),
    ("infin", r"\\infin(?![a-zA-Z])", r"\\infty"),
    ("over", r"\{([^{}\\]*)\\over(?![a-zA-Z])([^{}]*)\}", r"\\frac{\1}{\2}"),
    # A fraction's, too.
    ("frac", r"(\\[dtc]?frac) ?(\\[a-z]+|[A-Za-z])(?=[\\{ \w]) ?", r"\1{\2}"),
    ("frac", r"(\\[dtc]?frac\{[^{}]*\}) ?(\\[a-z]+|\w)", r"\1{\2}"),
    ("\\frac", r"\^\\frac(\{[^{}]*\}\{[^{}]*\})", r"^{\\frac\1}"),
    ("binom", r"\\[dt]?binom ?(\d) ?(\d)", r"\\binom{\1}{\2}"),
    # A root's sign takes one letter or number where there are no braces.
    ("sqrt", r"\\sqrt ?(\[[^\[\]]*\])? ?([A-Za-z]|\d+)", r"\\sqrt\1{\2}"),
    ("sqrt", r"\\sqrt ?(\[[^\[\]]*\])? ?\(([^()]*)\)", r"\\sqrt\1{\2}"),
    # Names of points, lines and angles.
    ("line", r"\\overline ?\{ ?([A-Z]{2,}) ?\}", r"\1"),
    ("angle", r"\\(?:measured)?angle(?![a-zA-Z]) ?(?=\{?[A-Z])", ""),
    ("triangle", r"\\triangle(?![a-zA-Z]) ?(?=\{?[A-Z])", ""),
    # Words that say what an operator says.
    ("(", r"\\(?:text|mbox|textrm) ?\{ ?(\([a-z][^(){}]{2,}\)) ?\}", r" \1"),
    ("\\mu", rf"\\mu ?\\(?:{_FACES}) ?\{{ ?m ?\}}", r"\\mu m"),
    ("text", rf"\\(?:{_FACES}) ?\{{ ?(and|or) ?\}}", r" \1 "),
    ("text", rf"\\(?:{_FACES}) ?\{{ ?(?:per ?cents?|percentage|pct) ?\}}", r"\\%"),
    ("text", r"\^ ?\{ ?\\text ?\{ ?(st|nd|rd|th) ?\} ?\}", r"\1"),
)

# Behind a number in a formula a letter without a face is a variable, and no unit.
IN_FORMULA: Final = r"(\d) ([ghlms](?:\^\{?\d\}?)?) ?"
_MEASURES: Final = "year|month|week|day|hour|minute|second|mile|foot|inch|meter|metre|dollar|cent|digit"
# What stands behind a decimal comma: 3,5 Liter, 2,5 kg; in 10,000 km there is none. Behind a lone 0 any word.
_SPACE: Final = r"(?: |~|\\[,; ]|\\(?:text|textrm|mathrm|mbox) ?\{)+"
_OF_COMMAS: Final = (
    r"(?i:[a-zà-ú]*(?:meter|liter|gramm|metros?|gramos?|gramas?|litros?|metri|litri|mètres?|litres?)|stunden?|minuten?"
    r"|sekunden?|tagen?|jahren?|prozent|grad|horas?|minutos?|segundos?|d[ií]as|a[ñn]os|heures?|jours?|ans|ore|giorni|anni"
    r"|литр\w*|метр\w*|час\w*|минут\w*|рубл\w*|кг|см|км|мл|м|г|ч)|[kcdm]?m|[km]?g|[cdm]?[lL]|h|km/h"
)
_OF_LISTS: Final = r"(?:and|or|und|oder|et|ou|y|o|e|и|или|are|is|only|both|inclusive)\b"
_PLAIN: Final[_Table] = (
    (",", rf"(?<![\d.,])(-?\d+),(\d{{1,2}})(?={_SPACE}(?:{_OF_COMMAS})\}}?(?:\^\{{?[23]\}}?)?\}}?$)", r"\1.\2"),
    (",", rf"^ *(-?0),(\d+)(?={_SPACE}(?!{_OF_LISTS})(?i:[a-zа-я])[^,]*$)", r"\1.\2"),
    ("<", r"</?(?:b|i|u|p|em|strong|span|div|br|sub)\s*/?>", ""),
    ("<", r"^ *<([^<>=]+,[^<>=]+)> *$", r"(\1)"),  # a vector
    ("<=", r"<=(?![=>])", r"\\le "),
    (">=", r"(?<![=<])>=(?!=)", r"\\ge "),
    ("<", r"<sup>([^<>]*)</sup>", r"^{\1}"),
    ("&", r"&nbsp;", " "),
    ("&", r"&lt;", "<"),
    ("&", r"&gt;", ">"),
    ("**", r"(?<=[\w)}])\*\*\(([^()]*)\)", r"^{\1}"),  # Python's power, and no emphasis
    ("**", r"(?<=[\w)}])\*\*(-?\d+|[a-z])(?!\w)", r"^{\1}"),
    ("**", r"\*\*(?=[\s.,:;)]|$)|(?:^|(?<=\s))\*\*", ""),  # and this is emphasis
    ("^", r"\^\((-?\d+(?:/\d+)?)\)", r"^{\1}"),
    ("^", r"(?<=\d)\^(?:o|\{o\})(?![A-Za-z])", r"^\\circ "),
    ("^-", r"\^-(\d+|[A-Za-z])(?!\w)", r"^{-\1}"),
    ("^{", r"\^\{(\w)\}(?!\w)", r"^\1"),
    ("}", r"(?<![\^_A-Za-z])\{([-+=:/])\}", r"\1"),  # spaced as a sign
    ("...", r"(?<![\d.])(\d*\.\d*?)(\d{1,3}?)\2{2,}\.{3}", r"\1\\overline{\2}"),  # 0.1666...
    ("...", r"(?<![\d.])(\d*\.\d*?)(\d{2,3})\2+\.{3}", r"\1\\overline{\2}"),
    ("...", r", ?\.{3}", r", \\ldots "),
    (" ", r"^ *(\d+)[ -](?:out of|in)[ -](?:every )?(\d+)[ .]*$", r"\1/\2"),
    (" ", r"^ *(-?(?:\d+|\d*(?:\\?pi|\\sqrt\{\d+\}|[a-z]))) (?:over|divided by) (\d+|[a-z])[ .]*$", r"\\frac{\1}{\2}"),
    # A choice with its text behind a dash or in brackets; "A - B", "A - 2" and "A - 2x" are differences.
    ("-", r"^ *([A-J]) +- +(?=[A-Za-z]{3}|\$?\d[\d.,/]*(?: [a-z]{2,})+\$? *$)", r"\1: "),
    ("(", r"^ *([A-J]) +\((\d[\d.,/]*)\) *$", r"\1: \2"),
    ("i", r"(?<=/)(\d+) i(?![A-Za-z])", r"\1\\cdot i"),
    ("dots", r"(?<![\d.])(\d*\.\d*?)(\d{1,3}?)\2{2,}\\[lc]?dots(?![a-z])", r"\1\\overline{\2}"),
    ("$", rf"{IN_FORMULA}(?=\$ *$)", r"\1\2"),
    ("\\)", rf"{IN_FORMULA}(?=\\\) *$)", r"\1\2"),
    # An amount of money: K after a plain number is a letter.
    ("", r"(?<=[€£₹])(\d[\d.,]*) ?[kK](?![\w$])", r"\1 thousand"),
    ("$", r"((?:^|\\)\$\d[\d.,]*) ?[kK](?=[.,;]?(?:$| [a-z][^$]*$))", r"\1 thousand"),
    ("$", r"((?:^|\\)\$\d[\d.,]*) ?[Mm](?=[.,;]?(?:$| [a-z][^$]*$))", r"\1 million"),
    ("-", rf"(?<=\d)-(?=(?:{_MEASURES})(?![a-z]))", " "),
    # Combinations.
    ("C", r"(?<![\w.])(?:\{\})?[\^_]?\{?(\d+)\}? ?C_?\{?(\d+)\}?(?![\w{])", r"\\binom{\1}{\2}"),
    ("{,}", r"(?<=\d)\{,\}(?=\d{3}(?!\d))", ","),
    ("{,}", r"(?<=\d)\{,\}(?=\d)", "."),  # a decimal comma, spaced as one
    ("cbrt", r"(?<![A-Za-z\\])cbrt ?\(([^()]*)\)", r"\\sqrt[3]{\1}"),
    ("sqrt", r"(?<![A-Za-z\\])sqrt ?(?:\(([^()]*)\)|\{([^{}]*)\}|(\d+|[a-z](?![a-z])))", r"\\sqrt{\1\2\3}"),
    ("inf", r"(?<![A-Za-z\\])(?:infinity|inf)(?![A-Za-z])", r"\\infty"),
)
