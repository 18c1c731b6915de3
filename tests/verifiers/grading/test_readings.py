"""What each reader of a text finds in it.

`readings.jsonl` has a text a row, with what a reader of that name finds: null where there is nothing of its kind.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from verifiers import GSM8K, MATH
from verifiers.grading.extraction import after_answer_is, after_hashes, boxed, in_json, in_tags, last_option
from verifiers.grading.last_value import first_number, last_number, last_value
from verifiers.grading.notation.choices import choice, letters
from verifiers.grading.notation.clock import clock, date
from verifiers.grading.notation.intervals import as_intervals, named_set
from verifiers.grading.notation.number_words import digits_for_words
from verifiers.grading.notation.units import without_currency, without_unit


def letter_and_text(text: str) -> list[str] | None:
    found = choice(text)
    return found and [found.letter, found.text]


def sorted_letters(text: str) -> str | None:
    found = letters(text)
    return found and "".join(sorted(found))


READERS: dict[str, Callable[[str], object]] = {
    "after_answer_is": after_answer_is,
    "after_hashes": after_hashes,
    "as_intervals": as_intervals,
    "boxed": boxed,
    "choice": letter_and_text,
    "clock": clock,
    "date": date,
    "digits_for_words": digits_for_words,
    "first_number": first_number,
    "gsm8k": GSM8K.extract,
    "in_json": in_json,
    "in_tags": in_tags,
    "last_number": last_number,
    "last_option": last_option,
    "last_value": last_value,
    "letters": sorted_letters,
    "math": MATH.extract,
    "named_set": named_set,
    "without_currency": without_currency,
    "without_unit": without_unit,
}
ROWS = [json.loads(line) for line in Path(__file__).with_name("readings.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize(("reader", "text", "found"), [(row["reader"], row["text"], row["found"]) for row in ROWS])
def test_what_a_reader_finds(reader: str, text: str, found: object) -> None:
    assert READERS[reader](text) == found


def test_every_reader_is_asked_and_every_row_stands_once() -> None:
    assert {row["reader"] for row in ROWS} == set(READERS)
    assert len({(row["reader"], row["text"]) for row in ROWS}) == len(ROWS)
