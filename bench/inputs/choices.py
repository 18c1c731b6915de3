"""Questions with options: their texts and labels, and what a gold answer beside them is."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.inputs.rows import Row, decoded
from verifiers.grading import numbers

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
OPTIONS = ("choices", "options", "endings")  # where a row has them
_LABEL = re.compile(r"\s*\(?([A-Z])\s*[).:]\s*")
_NUMBERS = tuple(map(str, range(len(LETTERS) + 1)))
_FIRST = (LETTERS, LETTERS.lower(), _NUMBERS, _NUMBERS[1:])  # labels of options: {"n": 8} holds other things
_WHOLE = re.compile(r"\s*(\d{1,4000})(?:\.0+)?\s*")  # of more digits Python makes no number


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a question, at most 26: their texts and, where the row has them, their labels."""

    texts: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    def labelled(self, gold: object) -> int | None:
        """The place of the option whose label a gold answer is; None for no label.

        >>> options_in({"text": ["red", "blue"], "label": ["1", "2"]}).labelled(2.0), options_in(["1"]).labelled("1")
        (1, None)
        """
        place = place_in(gold)
        said = str(gold).strip() if place is None else str(place)
        return self.labels.index(said) if said in self.labels else None


def options_of(row: Row) -> Options:
    """The options of a row's question, wherever it has them; none where it has none, or what is no list of options."""
    return next((options for name in OPTIONS if (options := options_in(row.get(name))).texts), Options())


def options_in(given: Any) -> Options:
    """Options as data sets have them: a list, texts under their labels or beside them, or any of these as JSON text.

    The letters that all texts begin with are no part of them.

    >>> options_in(["A) red", "B) blue"]).texts, options_in({"A": "red", "B": "blue"})
    (('red', 'blue'), Options(texts=('red', 'blue'), labels=('A', 'B')))
    >>> options_in('{"text": ["A. Smith", 4], "label": ["1", "2"]}')
    Options(texts=('A. Smith', '4'), labels=('1', '2'))
    >>> options_in([{"label": "A", "text": "red"}, {"label": "B", "text": "blue"}]).labels, options_in("red, blue")
    (('A', 'B'), Options(texts=(), labels=()))
    """
    given = decoded(given)
    labels: Any = None
    if isinstance(given, dict) and "text" in given:
        given, labels = given["text"], given.get("label")
    elif isinstance(given, dict) and any(set(map(str, given)) == set(first[: len(given)]) for first in _FIRST):
        given, labels = list(given.values()), list(given)
    elif isinstance(given, list) and all(isinstance(option, dict) and "label" in option for option in given):
        given, labels = [option.get("text") for option in given], [option["label"] for option in given]
    if not isinstance(given, list) or not 2 <= len(given) <= len(LETTERS):
        return Options()
    if not all(isinstance(text, str | int | float) and not isinstance(text, bool) for text in given):
        return Options()
    texts = [str(text).strip() for text in given]
    found = [_LABEL.match(text) for text in texts]
    if all(label and label[1] == LETTERS[i] for i, label in enumerate(found)):
        texts = [text[label.end() :] for text, label in zip(texts, found, strict=True) if label]
    fit = isinstance(labels, list) and len(labels) == len(texts)
    return Options(tuple(texts), tuple(str(label).strip() for label in labels) if fit else ())


def place_in(gold: object) -> int | None:
    """The whole number that a gold answer is, as a number or as a table has it; None for another answer.

    >>> [place_in(gold) for gold in (2, 2.0, "2", "2.0", "B", -1, 2.5, True, "9" * 5000)]
    [2, 2, 2, 2, None, None, None, None, None]
    """
    if isinstance(gold, bool) or not isinstance(gold, int | float | str):
        return None
    whole = _WHOLE.fullmatch(str(gold))
    return int(whole[1]) if whole else None


@dataclass(slots=True)
class Places:
    """What a source's whole numbers beside options can be: places from 0 of the options, or the answers themselves.

    A 0 among them says that places count from 0 (MMLU, HellaSwag); without one they may count from 1, as in MedMCQA's
    first release, Social IQa and WinoGrande.

    >>> places = Places()
    >>> places.add(1, options_in(["red", "blue"])), places.are_meant, places.are_doubtful
    ((('B', 'blue'), False), True, True)
    >>> places.add("0", options_in(["red", "blue"])), places.are_meant, places.are_doubtful
    ((('A', 'red'), False), True, False)
    """

    inside: bool = True  # whether each is below the number of options
    equal: bool = True  # whether each is what an option says
    written: bool = True  # whether each is written as an option is, so that nothing but the answer is likely
    from_0: bool = False  # whether any is 0
    in_words: bool = True  # whether no option has a digit, so that a number can be no answer
    differ: bool = False  # whether the two readings differ in any row

    def add(self, gold: object, options: Options) -> tuple[tuple[str, ...], bool]:
        """Count a row; its gold answers if places are meant, nothing for no place, and whether they are so anyway.

        These are the option's letter and its text. They are so anyway where the option at the place says the number.
        """
        place, texts = place_in(gold), options.texts
        if place is None or not texts or options.labelled(gold) is not None:
            return (), False
        inside = place < len(texts)
        same = numbers.equal([(text, str(place)) for text in texts])
        self.inside &= inside
        self.equal &= True in same
        self.written &= isinstance(gold, str) and gold.strip() in texts
        self.from_0 |= place == 0
        self.in_words &= not any(char.isdigit() for text in texts for char in text)
        is_same = inside and same[place] is True
        self.differ |= not is_same
        return (tuple(_golds(place, texts)) if inside else ()), is_same

    @property
    def are_meant(self) -> bool:
        """Whether places are meant: all can be, and not all can be answers, or one is 0."""
        return self.inside and not self.written and (self.from_0 or (self.in_words and not self.equal))

    @property
    def are_doubtful(self) -> bool:
        """Whether it makes a difference, and nothing in the source settles it."""
        is_settled = self.written or (self.equal != self.inside and (self.equal or (self.are_meant and self.from_0)))
        return self.differ and not is_settled

    @property
    def doubt(self) -> str | None:
        """What a reader should know of the numbers, None where they are settled."""
        if not self.are_doubtful:
            return None
        taken = "places of their options, from 0" if self.are_meant else "answers"
        from_1 = "" if self.from_0 else " (none is 0, so that they may be places from 1)"
        return f"whole numbers as gold answers beside options are taken for {taken}, and may not be{from_1}"


def _golds(place: int, texts: tuple[str, ...]) -> Iterator[str]:
    """An option's letter, and its text where that is no other option's letter."""
    yield LETTERS[place]
    text = texts[place]
    if text and text.strip("().").upper() not in LETTERS[: len(texts)]:
        yield text
