"""Where a text states its answer: small extractors, and `first_of` to chain them."""

import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeAlias

from verifiers.grading.notation.choices import CALLED

Extractor: TypeAlias = Callable[[str], str | None]

LONGEST: Final = 1_000_000  # characters; the end of a longer text is searched

_BRACES = re.compile(r"(?P<box>\\(?:boxed|fbox|framebox)\s*\{)|\\.|[{}]", re.DOTALL)
_BOX = re.compile(r"\\(?:boxed|fbox|framebox)\b")
_BARE_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?:\{([^\n]*)|([^\s{}$\\]+))")
# A box that lost its backslash: \b is a control character to whoever unescapes the text.
_LAMED = re.compile(r"(?:\x08|(?<![\\A-Za-z])b)oxed(?=\s*\{)")
_ESCAPED = re.compile(r"(?<!\\)\\\\(?=boxed|fbox)")
# Between boxes that are one answer, as in "2 and 5".
ALSO: Final = r"(?:(?:and|or|und|oder|et|ou|y|o|e|и|или)\b|[和或と])"
_JOINED = re.compile(rf"[\s$*,;]*(?:{ALSO}|\\text\{{,? ?(?:and|or) ?\}})?[\s$*]*(?:[A-Za-z]\w?\s*=\s*)?")
_HASHES = re.compile(r"(?<!#)####(?!#)[ \t]*([^\n]*)")
_HEADING = re.compile(r".*:\W*|[A-Za-z]{2,}[:,]?\s+\S.*|(?:Answer|Conclusion|Result|Solution|Summary)\W*")
_TAG = re.compile(r"<answer>", re.IGNORECASE)
_JSON = re.compile(r'answer\\?"\s*:\s*("(?:[^"\\]|\\.)*"|\\".*?(?<!\\)\\"|[^\s,{}"]+)', re.IGNORECASE)
_ANSWER_IS = re.compile(
    r"(?:\banswer|\bthe answers(?=\s+are)|\b(?:correct|right|best) (?:option|choice|letter|one|statement)"
    r"|\bfinal result|\b(?:réponse|respuesta|resposta|risposta|antwort)(?: final[e]?| corr?e(?:ct|tt|t)[ae])?"
    r"|\b(?:opción|opção|opzione|option|alternativa) corr?e(?:ct|tt|t)[ae])"
    r"(?:\s+(?:is|are|was|equals|would be|est|es|é|è|ist|lautet)\b\s*:?"
    r"|\s*\*{0,2}\s*[:：]|\*{0,2}\s+[-–—](?=\s))(?:[\s*_}]|(?<=\n)>)*"
    r"|(?:答案|答え|正解|정답|답|ответ|选项|選項)(?:\s*(?:是|为|為|は|은|는|应?选)|\s*[:：])[\s*:：]*"
    r"(?:(?:选项|選項)(?=[A-J]))?"
    r"|[选選](?:择|擇)?\s*[:：]?[\s*]*(?=\(?[A-J]\b)"
    r"|(?:\b(?:cevap|đáp án|đáp số|उत्तर|الجواب|odpowiedź|jibu)|উত্তর|సమాధానం|คำตอบ)"
    r"(?: là| هو| ni| হল|คือ)?\s*[:：]?\s+(?=[$\\(]*[-\d])"
    r"|^(?:[\W_]*final (?:answers?|results?)[^\w\n]*|[#*_ \t]*answers?[#*_ \t]*)$(?:[\s*_]|-{3,}|={3,})*",  # a heading
    re.IGNORECASE | re.MULTILINE,
)
# In small letters what a match of the pattern above begins with, or "answer" or "final result" in a heading: to try it
# there alone is many times faster than to try it everywhere.
_CUES: Final = (
    "answer", "correct ", "right ", "best ", "final result", "réponse", "respuesta", "resposta", "risposta", "antwort",
    "cevap", "đáp ", "odpowied", "jibu", "opción", "opção", "opzione", "option corr",
    "alternativa", *"答正정답о选選उاউసค",
)  # fmt: skip
_FOLDED = re.compile(r"[İıſ\u1c80-\u1c88]")  # letters that equal others where case does not count
# A full stop ends the answer unless something follows it at once, as in "1.5" and "p.m.".
_SENTENCE_END = re.compile(
    r"[.?](?=[*)\"'`]*(?:\s|$))|!(?=\s+[A-Z][a-z])|[。！？।]|(?<=[\d})$]) [–—] (?=[A-Za-z]{3})"
    r"|; (?=check|verif|since|because)|(?:です|でした|である|입니다|이다)(?!\w)"
    r"|,?\s(?:because|since|which|weil|porque|perché|car(?= ?[$\\]))\b"
)
_FORMULA = r"(?:\$\$.+?\$\$|\$[^$]+\$(?!\d)|\\\(.+?\\\)|\\\[.+?\\\]|\\begin\{(?P<of>\w+\*?)\}.+?\\end\{(?P=of)\})"
_FORMULA_FIRST = re.compile(_FORMULA, re.DOTALL)
_NAME_LONG: Final = 5  # characters: $n$ or \(n\) is the name of what a sentence goes on to tell
_SAYS_MORE = re.compile(r"\s*(?:[,;=]\s*[$\\\d-]|(?!because|since|which)[a-z])")
_GOES_ON = re.compile(rf"\s*(?:[,;=]|{ALSO}|(?:is|are|equals)\b)\s*[$\\\d-]")
_OPTION = re.compile(
    r"(?:\b(?:[Oo]ption|[Cc]hoice)\s*\**\(?\**|(?<![\w)$\\])\((?=[A-J]\)(?! is (?:wrong|incorrect|false|not)))"
    r"|(?<![\w$\\])(?=[A-J]\)? is (?:the )?(?:correct|(?:right |best )?(?:answer|option|choice))\b))([A-J])\b"
)
_FACED = r"\\text(?:bf|rm|sf)?\{ ?\([A-J]\)"
_LONE_OPTION = re.compile(
    r"(?:^|\n)[\s*_]*(?:\(([A-J])\)|([A-J])[.)]?)[\s*_.]*$"
    r"|(?:^|\n)\*\*(\(?[A-J][.)] [^\n*]{1,150})\*\*$|^(\(?[A-Ja-j][.)] (?!is )[^\n]{1,150})$"  # with its text
    r"|^[*_]*(?:(?:[Tt]he )?[Aa]nswer:? )?((?:[Oo]ption:? |[Cc]hoice:? )?\(?[a-j][.)]?)[*_]*$|\[\[([A-J])\]\]$"
    r"|^[\s*_]*((?:\([A-J]\)|[A-J])(?:(?:, ?|,? and | ?& ?)(?:\([A-J]\)|[A-J]))+)[\s*_.]*$"
    rf"|(?:^|\n|[=→] ?|\\Rightarrow ?)[\s*$]*({_FACED}(?:(?!{_FACED})[^\n]){{1,150}})$"  # \textbf{{(C)}} 15
)
CITATION: Final = re.compile(
    r"(?<=[\w.%)*$])(?<!\bis)(?<!\bare)(?<!\bin)(?<!\bbe)(?<!\bby)(?<!interval)(?<!range)(?<!domain)"
    r"(?:\s*(?:\[\^?\d{1,3}(?:\s*[,–-]\s*\d{1,3})*\^?\]|【[^【】]*】|\((?:see|cf\.?|from) \[\d{1,3}\]\)))+"
    r"(?=[\s.,;:]|$)"
)
# Solutions one below the other.
_ROW = re.compile(
    r"(?:[-•*]|\d\.)[ \t]+(?:\$|\\\()?((?:[A-Za-z]\w?[ \t]*=|[(\[]|-?\d)[^\n$]*?)(?:\$|\\\))?[.,;]?[ \t]*(?:\n|$)"
)
_ROWS = re.compile(rf"\s*(?:{_ROW.pattern}){{2,12}}(?!\S)")
_LISTED = re.compile(
    rf"^[#*_ \t]*(?:the )?(?:answers|solutions|roots|zeros|values)(?: are)?:[*_ \t]*\n(?P<rows>{_ROWS.pattern})\s*\Z",
    re.IGNORECASE | re.MULTILINE,
)
_SAYS_SO = re.compile(
    r"(?:(?:^|\n)[\s*_#`$]*|\b(?:statement|claim|assertion|proposition|conjecture) is (?:therefore |indeed )?\**)"
    r"(?:\\text\{)?(?P<word>yes|no|true|false)\}?[\s*_`$.]*$"
    r"|\b(?:it's|it is|it must be|would be|choose|chose|pick|select|go with) \**\(?(?-i:(?P<letter>[A-J]))\)?\**[.!]?$"
    r"|\b(?:is|was|matches|gives|with|corresponds to|points to|namely) (?:answer |the )?"
    r"(?:choice|option|letter) \**\(?(?-i:(?P<matched>[A-J]))\)?\**[.!]?$"
    r"|(?:^|(?<=[.!\n] )|(?<=\n))\**\(?(?-i:(?P<right>[A-J]))\)?\** is (?:the )?"
    r"(?:correct(?: answer| option| choice)?|(?:right|best) (?:answer|option|choice))"
    r"(?:,? (?:because|since|as) [^\n]*|[.!]?)$",
    re.IGNORECASE,
)
_IS_NOT = re.compile(r"\b(is|are|was)n['’]t\b")
# not 5; not (A) but (B)
_DENIED = re.compile(r"not \**(?:\(?[A-J]\b|[-$\\\d])[^,]*?(?:,? but (?:rather )?(\**(?:\(?[A-J]\b|[-$\\\d]).*))?")
_BULLET = re.compile(r"\n[-•] ")
# What leads up to an answer and is no part of it.
_LEAD = re.compile(
    r"(?:,[^,\n]{1,40},|[–—] [a-z][^–—\n]{1,40} [–—] "
    r"|(?:therefore|thus|hence|then|so|simply|just|clearly|indeed|also|now|exactly|donc|alors|somit|daher"
    r"|por (?:lo )?tanto|entonces|quindi|portanto)\b,?"
    r"|(?:la|el|le|the) (?=\(?[A-J]\b))\s*",
    re.IGNORECASE,
)
# A small letter is a choice where it is called one: the correct option is e.
_OF_CHOICES = re.compile(rf"(?:{CALLED}|alternativa)\b", re.IGNORECASE)


def boxed(text: str) -> str | None:
    r"""The content of the last `\boxed{...}` that is closed and not blank; braces may be nested.

    >>> boxed(r"so \boxed{1}, no: \boxed{\frac{1}{2}}"), boxed(r"\boxed{2} and \boxed{5}")
    ('\\frac{1}{2}', '2, 5')
    >>> boxed("no box") is None
    True

    Boxes that a comma or an "and" joins are one answer. Without a closed box one without braces counts, or one that
    the end of its line cuts off.
    """
    text = text[-LONGEST:]
    if "box" not in text and "oxed" not in text:
        return None
    if "\\boxed" not in text:
        text = _LAMED.sub(r"\\boxed", text)
    if _ESCAPED.search(text):  # a text within a text, whose backslashes are all written twice
        text = text.replace("\\\\", "\\")
    groups: list[tuple[int, int] | None] = []  # where a box and its content start; None for another group
    boxes: list[tuple[int, int, int]] = []
    for mark in _BRACES.finditer(text):
        if mark["box"]:
            groups.append((mark.start(), mark.end()))
        elif mark[0] == "{":
            groups.append(None)
        elif mark[0] == "}" and groups and (box := groups.pop()):
            inner = boxes and boxes[-1][0] > box[0]
            if not inner and text[box[1] : mark.start()].strip():
                boxes.append((*box, mark.start()))
    return _last_boxes(text, boxes) if boxes else _bare_box(text)


def _last_boxes(text: str, boxes: list[tuple[int, int, int]]) -> str:
    answers: list[str] = []
    following = None
    for start, content, end in reversed(boxes):
        if following is not None and not (following - end < 40 and _JOINED.fullmatch(text, end + 1, following)):
            break
        answers.append(text[content:end].strip())
        following = start
    return ", ".join(reversed(dict.fromkeys(answers)))


def _bare_box(text: str) -> str | None:
    answer = None
    for box in _BARE_BOX.finditer(text):
        answer = (box[1] or box[2] or "").strip(" $.,;") or answer
    return answer


def after_hashes(text: str) -> str | None:
    """What follows the last `####` on its line, as GSM8K writes answers; a Markdown heading is passed over.

    >>> after_hashes("6*3=18\\n#### 18"), after_hashes("#### Step 1: add")
    ('18', None)
    """
    text = text[-LONGEST:]
    found = [line.strip() for line in _HASHES.findall(text)] if "####" in text else []
    return next((line for line in reversed(found) if line and not _HEADING.fullmatch(line)), None)


def in_tags(text: str) -> str | None:
    r"""The answer in the last `<answer>...</answer>`, whole or as stated there; the end of the text closes it too.

    >>> in_tags("<answer> 1 </answer> <answer>\n\\sqrt{3}\n</answer>")
    '\\sqrt{3}'
    """
    parts = _TAG.split(text[-LONGEST:])
    found = (re.split("</answer>", part, maxsplit=1, flags=re.IGNORECASE)[0].strip() for part in reversed(parts[1:]))
    content = next(filter(None, found), None)
    return content and (after_answer_is(content) or content)


def in_json(text: str) -> str | None:
    r"""The last value of a JSON field whose name ends in "answer", a text or a number.

    >>> in_json('{"steps": 3, "final_answer": "3/8"}'), in_json(r'{"answer": "\\sqrt{2}"}')
    ('3/8', '\\sqrt{2}')
    """
    text = text[-LONGEST:]
    if '"' not in text or not (found := _JSON.findall(text)):
        return None
    value = found[-1].replace('\\"', '"')
    try:
        return str(json.loads(value)).strip() or None
    except ValueError:  # half a text, or LaTeX that JSON would escape
        return value.strip("\"' ") or None


def after_answer_is(text: str) -> str | None:
    r"""What follows the last "answer is", "answer:" or heading "Final answer", to the end of the sentence.

    >>> after_answer_is("The answer is $600."), after_answer_is("Final answer: **1.5** metres. Done.")
    ('$600', '1.5** metres')
    >>> after_answer_is("## Final Answer\n\n$$\nx = 2\n$$")
    '$$\nx = 2\n$$'

    It is read in English and in the words of eight other languages.
    """
    text = text[-LONGEST:]
    if listed := _LISTED.search(text, max(0, len(text) - 500)):
        return ", ".join(_ROW.findall(listed["rows"]))
    if "n't" in text or "n’t" in text:
        text = _IS_NOT.sub(r"\1 not", text)
    for mark in reversed(_statements(text)):
        start = mark.end()
        if rows := _ROWS.match(text, max(mark.start(), text.rfind("\n", 0, start))):
            return ", ".join(_ROW.findall(rows[0]))
        if bullet := _BULLET.match(text, start - 1):
            start = bullet.end()
        while lead := _LEAD.match(text, start):
            start = lead.end()
        formula = _FORMULA_FIRST.match(text, start)
        if formula and not (_GOES_ON if len(formula[0]) > _NAME_LONG else _SAYS_MORE).match(text, formula.end()):
            return formula[0]
        line, _, below = text[start:].partition("\n")
        line = CITATION.sub("", line)
        if stated := _in_its_group(_SENTENCE_END.split(line, maxsplit=1)[0]).strip(" \t*_"):
            if not (denied := _DENIED.fullmatch(stated)):
                small = len(stated) == 1 and stated.islower() and _OF_CHOICES.search(mark[0])
                return f"({stated})" if small else stated
            if denied[1] or not re.search(r"\w", line.partition(stated)[2] + below):
                return denied[1] or stated  # else the text goes on to say what the answer is
    return None


def _in_its_group(text: str) -> str:
    r"""The text without the brace that closes a group which began before it, as in \textbf{Answer: 5}."""
    depth = 0
    for at, mark in enumerate(text):
        depth += (mark == "{") - (mark == "}")
        if depth < 0:
            return text[:at] + text[at + 1 :]
    return text


def _statements(text: str) -> list[re.Match[str]]:
    """What `_ANSWER_IS.finditer` finds."""
    if not text.isascii() and _FOLDED.search(text):
        return list(_ANSWER_IS.finditer(text))
    marks: list[re.Match[str]] = []
    end = 0
    for at in _places(_CUES, text.lower()):
        start = at
        if at < end:
            continue
        if text[max(end, at - 6) : at].lower() == "final ":
            start = at - 6
        line = text.rfind("\n", end, start) + 1 or end
        while start > end and not text[start - 1].isalnum():
            start -= 1
        if start:  # a heading begins with a line
            start = text.find("\n", start - 1, at) + 1 or at
        places = sorted({start, line, max(end, at - 4), at})
        if mark := next(filter(None, (_ANSWER_IS.match(text, place) for place in places)), None):
            marks.append(mark)
            end = mark.end()
    return marks


def _places(words: Sequence[str], text: str) -> list[int]:
    """Where any of the words begins."""
    found: list[int] = []
    for word in words:
        at = text.find(word)
        while at >= 0:
            found.append(at)
            at = text.find(word, at + 1)
    return sorted(found)


def first_stated(text: str) -> int | None:
    """Where the first statement of an answer begins: a box, hashes, or "answer is"."""
    found = (pattern.search(text) for pattern in (_BOX, _HASHES, _ANSWER_IS))
    return min((mark.start() for mark in found if mark), default=None)


def lone_option(text: str) -> str | None:
    r"""The letter that is all that the last line says; with its text where the line is bold or the only one.

    >>> lone_option("40 is right.\n\n**(C)**"), lone_option("B. 40"), lone_option("So it is C")
    ('C', 'B. 40', None)
    """
    text = text[-LONGEST:].strip()
    bare, longer = text, text + " "
    while len(bare) < len(longer):
        bare, longer = bare.rstrip("*_.").rstrip(), bare
    # It begins with the line that holds the last word: to try it there alone is several times faster.
    found = _LONE_OPTION.search(text, max(0, len(text) - 160, bare.rfind("\n")))
    return found and next(filter(None, found.groups()))


def last_word(text: str) -> str | None:
    r"""The Yes, No, True or False that is all that the last line says, or says of a statement; or the B of "it's B".

    >>> last_word("7 is a prime.\n\n**True**"), last_word("No"), last_word("2 + 2 = 4 is true"), last_word("I pick C")
    ('True', 'No', None, 'C')
    """
    text = text[-LONGEST:].rstrip()
    found = _SAYS_SO.search(text, max(0, len(text) - 160))
    return found and (found["word"] or found["letter"] or found["matched"] or found["right"])


def last_option(text: str) -> str | None:
    """The letter of the last "option" or "choice" that is named, of the last "(C)", or of "C is correct".

    >>> last_option("Option A is too small, so I choose option (B).")
    'B'
    """
    found = _OPTION.findall(text[-LONGEST:])
    return found[-1] if found else None


def last_line(text: str) -> str | None:
    r"""The last line that is not blank.

    >>> last_line("thinking\n yes \n\n")
    'yes'
    """
    return next((line.strip() for line in reversed(text[-LONGEST:].splitlines()) if line.strip()), None)


def first_of(*extractors: Extractor) -> Extractor:
    r"""An extractor that asks these in turn and takes the first answer found.

    >>> from verifiers.grading.last_value import last_number
    >>> first_of(boxed, last_number)(r"5 apples in \boxed{3} boxes of 2")
    '3'
    """
    return partial(_first_of, extractors)


def _first_of(extractors: tuple[Extractor, ...], text: str) -> str | None:
    answers = (extractor(text) for extractor in extractors)
    return next((answer for answer in answers if answer is not None), None)
