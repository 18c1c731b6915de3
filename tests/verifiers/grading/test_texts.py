"""Texts as models write them: what each reader finds in one, against the gold answer.

`texts.jsonl` has a text a row: its reader, its gold answer, whether the two are equal, and its kind.
"""

import json
from pathlib import Path

import pytest

from verifiers import GSM8K, MATH, Answers

ROWS = [json.loads(line) for line in Path(__file__).with_name("texts.jsonl").read_text(encoding="utf-8").splitlines()]
KINDS = sorted({row["kind"] for row in ROWS})


def test_every_row_stands_once() -> None:
    assert len({(row["reader"], row["text"], row["gold"]) for row in ROWS}) == len(ROWS) > 250


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("reader", "answers"), [("math", MATH), ("gsm8k", GSM8K)])
def test_what_a_reader_finds(kind: str, reader: str, answers: Answers) -> None:
    rows = [row for row in ROWS if (row["kind"], row["reader"]) == (kind, reader)]
    found = [answers.extract(row["text"]) or "" for row in rows]
    verdicts = answers.equal([(answer, row["gold"]) for answer, row in zip(found, rows, strict=True)])
    wrong = [(row, v) for row, v in zip(rows, verdicts, strict=True) if (v is True) != row["equal"]]
    assert wrong == []
