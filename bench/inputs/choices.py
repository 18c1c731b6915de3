"""Questions with options: their texts, and what a gold answer beside them is."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from verifiers.grading import numbers

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LABEL = re.compile(r"\s*\(?([A-Z])\s*[).:]\s*")


def option_texts(options: object) -> list[str]:
    """The texts of options, without the letters that all of them begin with; none of what is no list of texts.

    >>> option_texts(["A) red", "B) blue"]), option_texts({"text": ["A. Smith", "red"], "label": ["1", "2"]})
    (['red', 'blue'], ['A. Smith', 'red'])
    """
    given = options.get("text") if isinstance(options, dict) else options
    if not isinstance(given, list):
        return []
    texts = [text.strip() for text in given if isinstance(text, str)]
    if not 2 <= len(given) == len(texts) <= len(LETTERS):
        return []
    labels = [_LABEL.match(text) for text in texts]
    if all(label and label[1] == LETTERS[i] for i, label in enumerate(labels)):
        texts = [text[label.end() :] for text, label in zip(texts, labels, strict=True) if label]
    return texts


@dataclass(slots=True)
class Places:
    """What a source's whole numbers beside options can be: places from 0 of the options, or the answers themselves.

    >>> places = Places()
    >>> places.add(1, ["1", "2"]), places.are_meant, places.are_doubtful
    ((('B', '2'), False), False, True)
    >>> places.add(0, ["red", "blue"]), places.are_meant, places.are_doubtful
    ((('A', 'red'), False), True, False)
    """

    inside: bool = True  # whether each is below the number of options
    equal: bool = True  # whether each is what an option says
    from_0: bool = False  # whether any is 0
    in_words: bool = True  # whether no option has a digit, so that a number can be no answer
    differ: bool = False  # whether the two readings differ in any row

    def add(self, gold: object, texts: list[str]) -> tuple[tuple[str, ...], bool]:
        """Count a row; its gold answers if places are meant, nothing for no place, and whether they are so anyway.

        These are the option's letter and its text. They are so anyway where the option at the place says the number.
        """
        if not isinstance(gold, int) or isinstance(gold, bool) or not texts:
            return (), False
        inside = 0 <= gold < len(texts)
        same = numbers.equal([(text, str(gold)) for text in texts])
        self.inside &= inside
        self.equal &= True in same
        self.from_0 |= gold == 0
        self.in_words &= not any(char.isdigit() for text in texts for char in text)
        is_same = inside and same[gold] is True
        self.differ |= not is_same
        return (tuple(_golds(gold, texts)) if inside else ()), is_same

    @property
    def are_meant(self) -> bool:
        """Whether places are meant: all can be, and not all can be answers, or one is 0."""
        return self.inside and (self.from_0 or (self.in_words and not self.equal))

    @property
    def are_doubtful(self) -> bool:
        """Whether it makes a difference, and nothing in the source settles it."""
        is_settled = self.equal != self.inside and (self.equal or self.are_meant)
        return self.differ and not is_settled

    @property
    def doubt(self) -> str | None:
        """What a reader should know of the numbers, None where they are settled."""
        if not self.are_doubtful:
            return None
        taken = "places of their options, from 0" if self.are_meant else "answers"
        return f"whole numbers as gold answers beside options are taken for {taken}, and may not be"


def _golds(place: int, texts: list[str]) -> Iterator[str]:
    """An option's letter, and its text where that is no other option's letter."""
    yield LETTERS[place]
    text = texts[place]
    if text and text.strip("().").upper() not in LETTERS[: len(texts)]:
        yield text
