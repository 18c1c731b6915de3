"""Questions of multiple choice: asked with their options, and graded by a letter."""

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from bench.inputs.choices import LETTERS, Places, option_texts
from bench.inputs.rows import Row
from verifiers.interface.solution import Message

Place: TypeAlias = tuple[str, Row]  # what messages call a row, and the row as it was given
_LETTER = re.compile(r"\s*\(?([A-Za-z])[).:]?\s*")


def with_letters(rows: Iterable[tuple[Place, Row]]) -> Iterator[tuple[Place, Row, str | None]]:
    """Rows with the letter of their gold answer, None where that is neither an option's letter, place nor label.

    Whether whole numbers are places is decided once for all of them, so that all are read where the first such row is;
    where nothing settles it, a warning names its place.

    >>> options = {"text": ["red", "blue"], "label": ["1", "2"]}
    >>> rows = [{"answer": "B", "choices": ["red", "blue"]}, {"answer": "2", "choices": options}, {"answer": "4"}]
    >>> [letter for _, _, letter in with_letters((("mine", row), row) for row in rows)]
    ['B', 'B', None]
    """
    rows, places = iter(rows), Places()
    for first in rows:
        if isinstance(_gold(first[1]), int) and _options(first[1])[0]:
            rows = [first, *rows]
            break
        yield *first, _letter(_gold(first[1]), *_options(first[1]), are_places=False)
    else:
        return
    for _, row in rows:
        texts, labels = _options(row)
        if not _is_label(gold := _gold(row), texts, labels):
            places.add(gold, texts)
    if places.doubt is not None:
        told = "where they are another thing, write letters as the gold answers"
        warnings.warn(f"from {first[0][0]} on: {places.doubt}; {told}", stacklevel=1)
    for where, row in rows:
        yield where, row, _letter(_gold(row), *_options(row), are_places=places.are_meant)


def asked(prompt: str | tuple[Message, ...], row: Row) -> str | tuple[Message, ...]:
    r"""A question with its options behind it, each with its letter, where it does not hold them already.

    >>> asked("Which is a color?", {"choices": ["red", "two"]})
    'Which is a color?\n\nA. red\nB. two'
    >>> asked("Which is a color? (A) red (B) two", {"choices": ["red", "two"]})
    'Which is a color? (A) red (B) two'
    """
    texts = _options(row)[0]
    if isinstance(prompt, str):
        return _listed(prompt, texts)
    last = max((place for place, turn in enumerate(prompt) if turn.role == "user"), default=None)
    return tuple(
        replace(turn, content=_listed(turn.content, texts)) if place == last else turn
        for place, turn in enumerate(prompt)
    )


def _listed(question: str, texts: Sequence[str]) -> str:
    options = list(zip(LETTERS, texts, strict=False))
    if all(re.search(rf"{letter}\s*[).:]\s*{re.escape(text)}", question) for letter, text in options):
        return question
    return "\n".join([f"{question.rstrip()}\n", *(f"{letter}. {text}" for letter, text in options)])


def _options(row: Row) -> tuple[list[str], list[str]]:
    """The options' texts and, where they have them, their labels."""
    given = next((found for name in ("choices", "options") if option_texts(found := row.get(name))), None)
    labels = given.get("label") if isinstance(given, dict) else None
    return option_texts(given), [str(label) for label in labels] if isinstance(labels, list) else []


def _gold(row: Row) -> object:
    found = row.get("answer")
    return found[0] if isinstance(found, list) and len(found) == 1 else found


def _letter(gold: object, texts: list[str], labels: list[str], *, are_places: bool) -> str | None:
    if not texts or isinstance(gold, bool) or not isinstance(gold, str | int):
        return None
    said = str(gold).strip()
    if _is_label(gold, texts, labels):
        return LETTERS[labels.index(said)]
    if isinstance(gold, int):
        return LETTERS[gold] if are_places else None
    letter = _LETTER.fullmatch(said)
    found = letter is not None and letter[1].upper() in LETTERS[: len(texts)] and said not in texts
    return letter[1].upper() if letter and found else None


def _is_label(gold: object, texts: list[str], labels: list[str]) -> bool:
    return len(labels) == len(texts) and str(gold).strip() in labels
