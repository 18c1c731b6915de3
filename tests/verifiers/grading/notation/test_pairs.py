"""Answers as people and models write them: what equals what, and what only looks alike.

`pairs.jsonl` has a pair a row: an answer, a gold one, whether they are equal, and its kind. "neighbours" are what a
rule of another kind could take too far, or stop short of.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from verifiers import MATH
from verifiers.grading.notation.numerals import canonical

ROWS = [json.loads(line) for line in Path(__file__).with_name("pairs.jsonl").read_text(encoding="utf-8").splitlines()]
KINDS = ("signs", "words", "choices", "spellings", "unlike", "neighbours")


def rows_of(*kinds: str) -> list[dict[str, Any]]:
    return [row for row in ROWS if row["kind"] in kinds]


def test_every_row_has_a_kind_and_stands_once() -> None:
    assert {row["kind"] for row in ROWS} == set(KINDS)
    assert len({(row["answer"], row["gold"]) for row in ROWS}) == len(ROWS) > 500


# Many rows take a worker: by default every fourth is asked, and all of them in the slow tier.
SHARES = [4, pytest.param(1, marks=pytest.mark.slow)]


@pytest.mark.parametrize("every", SHARES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_told_apart_from_its_neighbours(kind: str, every: int) -> None:
    rows = rows_of(kind)[::every]
    verdicts = MATH.equal([(row["answer"], row["gold"]) for row in rows])
    wrong = [(row, v) for row, v in zip(rows, verdicts, strict=True) if (v is True) != row["equal"]]
    assert wrong == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_canonical_form_stays_as_it_is_and_equals_its_answer(kind: str) -> None:
    answers = [text for row in rows_of(kind) for text in (row["answer"], row["gold"]) if canonical(text)]
    forms = [canonical(answer) for answer in answers]
    assert [canonical(form) for form in forms] == forms
    assert MATH.equal(list(zip(answers, forms, strict=True))) == [True] * len(answers)


@pytest.mark.parametrize("every", SHARES)
def test_a_kind_has_the_same_classes_in_any_order(every: int) -> None:
    votes = [row["answer"] for row in rows_of("signs", "choices")][::every]
    forwards, backwards = MATH.classes(votes), MATH.classes(votes[::-1])[::-1]
    assert len(set(zip(forwards, backwards, strict=True))) == len(set(forwards)) == len(set(backwards))
