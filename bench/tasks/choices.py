"""Questions of multiple choice: asked with their options, and graded by a letter."""

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from bench.inputs.choices import LETTERS, OPTIONS, Options, Places, options_of, place_in
from bench.inputs.rows import Row, check_text
from verifiers.interface.solution import Message

Place: TypeAlias = tuple[str, Row]  # what messages call a row, and the row as it was given
_FORMS = 'give 2 to 26 texts or numbers as a list, as {"A": ..., "B": ...} or as {"text": [...], "label": [...]}'
_LETTER = re.compile(r"\s*\(?([A-Za-z])[).:]?\s*")


def with_letters(rows: Iterable[tuple[Place, Row]]) -> Iterator[tuple[Place, Row, str | None]]:
    """Rows with the letter of their gold answer, None where that is neither an option's letter, place nor label.

    Whether whole numbers are places is decided once for all of them, so that all are read where the first such row is;
    where nothing settles it, a warning names its place. So it does where something that is no options has their name.

    >>> options = {"text": ["red", "blue"], "label": ["1", "2"]}
    >>> rows = [{"answer": "B", "choices": ["red", "blue"]}, {"answer": "2", "choices": options}, {"answer": "4"}]
    >>> [letter for _, _, letter in with_letters((("mine", row), row) for row in rows)]
    ['B', 'B', None]
    """
    rows, places, unread = iter(rows), Places(), False
    before: list[tuple[Place, Row, Options]] = []  # rows that wait until it is decided
    for where, row in rows:
        options = options_of(row)
        for text in options.texts:
            check_text(where[0], "an option", text)
        if not options.texts and not unread and (named := next((n for n in OPTIONS if row.get(n)), None)):
            unread = True
            warnings.warn(f"{where[0]}: {named!r} is not read as options of the question; {_FORMS}", stacklevel=1)
        if before or (place_in(_gold(row)) is not None and options.texts):
            before.append((where, row, options))
            if options.labelled(gold := _gold(row)) is None:
                places.add(gold, options)
        else:
            yield where, row, _letter(_gold(row), options, are_places=False)
    if places.doubt is not None:
        told = "where they are another thing, write letters as the gold answers"
        warnings.warn(f"from {before[0][0][0]} on: {places.doubt}; {told}", stacklevel=1)
    for where, row, options in before:
        yield where, row, _letter(_gold(row), options, are_places=places.are_meant)


def asked(prompt: str | tuple[Message, ...], row: Row) -> str | tuple[Message, ...]:
    r"""A question with its options behind it, each with its letter, where it does not hold them already.

    >>> asked("Which is a color?", {"choices": ["red", "two"]})
    'Which is a color?\n\nA. red\nB. two'
    >>> asked("Which is a color? (A) red (B) two", {"choices": ["red", "two"]})
    'Which is a color? (A) red (B) two'
    """
    texts = options_of(row).texts
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


def _gold(row: Row) -> object:
    found = row.get("answer")
    return found[0] if isinstance(found, list) and len(found) == 1 else found


def _letter(gold: object, options: Options, *, are_places: bool) -> str | None:
    if not options.texts or isinstance(gold, bool) or not isinstance(gold, str | int | float):
        return None
    if (labelled := options.labelled(gold)) is not None:
        return LETTERS[labelled]
    if are_places and (place := place_in(gold)) is not None:
        return LETTERS[place]
    said = str(gold).strip()
    letter = _LETTER.fullmatch(said)
    found = letter is not None and letter[1].upper() in LETTERS[: len(options.texts)] and said not in options.texts
    return letter[1].upper() if letter and found else None
