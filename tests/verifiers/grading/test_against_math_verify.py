"""Against plain Math-Verify, on every source of pairs that the tests hold: ours is right at least as often on each.

`pytest -m slow -n 0 tests/verifiers/grading/test_against_math_verify.py` prints the table of docs/grading.md, and the
pairs that only Math-Verify has right.
"""

import json
import logging
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from math_verify import parse, verify

from tests.shared_data import DATA
from tests.verifiers.grading import test_answers, test_texts
from tests.verifiers.grading.notation import test_numerals, test_pairs
from verifiers import MATH

Row = tuple[str, str, bool]
# What its readers wrap an answer in; the best of them counts on each source.
WRAPPINGS = ("${}$", "{}", r"\boxed{{{}}}")


def parametrized(*tests: object) -> Iterable[Row]:
    for test in tests:
        for answer, gold, equal in test.pytestmark[0].args[1]:  # type: ignore[attr-defined]
            if equal is not None:
                yield answer, gold, equal


def sources() -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {
        f"pairs: {kind}": [(row["answer"], row["gold"], row["equal"]) for row in test_pairs.rows_of(kind)]
        for kind in test_pairs.KINDS
    }
    found["answers found in texts"] = [
        (MATH.extract(row["text"]) or "", row["gold"], row["equal"])
        for row in test_texts.ROWS
        if row["reader"] == "math"
    ]
    found["plain numbers"] = list(parametrized(test_numerals.test_what_is_plain_to_see_is_decided))
    found["from text to verdict"] = [
        (MATH.extract(text) or "", gold, equal)
        for text, gold, equal in parametrized(test_answers.test_math_from_text_to_verdict)
    ]
    cases = DATA.parent / "cases" / "answers.jsonl"
    if cases.exists():
        rows = [json.loads(line) for line in cases.read_text(encoding="utf-8").splitlines()]
        found["shared cases"] = [
            (row["answer"], row["gold"], row["equal"]) for row in rows if row["reader"] == "math" and "answer" in row
        ]
    math500 = DATA / "math500.jsonl"
    if math500.exists():
        golds = [json.loads(line)["answer"] for line in Path(math500).read_text(encoding="utf-8").splitlines()]
        found["MATH-500 against itself"] = [(gold, gold, True) for gold in golds]
        found["MATH-500 against the next"] = [(one, other, False) for one, other in pairwise(golds) if one != other]
    return found


def plain(answer: str, gold: str, wrapping: str) -> bool:
    return bool(verify(parse(wrapping.format(gold)), parse(wrapping.format(answer))))


@pytest.mark.slow
def test_ours_is_right_at_least_as_often_as_plain_math_verify(capsys: pytest.CaptureFixture[str]) -> None:
    logging.disable(logging.CRITICAL)  # it logs each text that it cannot read
    worse = []
    for source, rows in sources().items():
        ours = [verdict is True for verdict in MATH.equal([(answer, gold) for answer, gold, _ in rows])]
        tried = [[plain(answer, gold, wrapping) for answer, gold, _ in rows] for wrapping in WRAPPINGS]
        right = [
            [said == equal for said, (_, _, equal) in zip(verdicts, rows, strict=True)] for verdicts in (ours, *tried)
        ]
        theirs = max(right[1:], key=sum)
        only = [row for row, mine, other in zip(rows, right[0], theirs, strict=True) if other and not mine]
        with capsys.disabled():
            print(f"| {source} | {len(rows)} | {sum(right[0])} | {sum(theirs)} |", *only, sep="\n  ")  # noqa: T201
        if sum(right[0]) < sum(theirs):
            worse.append(source)
    logging.disable(logging.NOTSET)
    assert worse == []
