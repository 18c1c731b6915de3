"""Against plain Math-Verify, on every source of pairs that the tests hold: ours is right at least as often on each.

Where ours is right on all of a source, nothing can be right more often, and Math-Verify is asked only for the table:
`pytest -m slow -n 0 -s tests/verifiers/grading/test_against_math_verify.py` prints that of docs/grading.md, and the
pairs that only Math-Verify has right.
"""

import functools
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from math_verify import parse, verify

from tests.shared_data import DATA
from tests.verifiers.grading import test_answers, test_texts
from tests.verifiers.grading.notation import test_pairs, test_verdicts
from verifiers import MATH

Row = tuple[str, str, bool]
# What its readers wrap an answer in; the best of them counts on each source.
WRAPPINGS = ("${}$", "{}", r"\boxed{{{}}}")


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def shared_cases() -> list[Row]:
    rows = [row for row in rows_of(CASES) if row["reader"] == "math" and "answer" in row]
    return [(row["answer"], row["gold"], row["equal"]) for row in rows]


def math500() -> list[str]:
    return [row["answer"] for row in rows_of(MATH500)]


def pairs(kind: str) -> list[Row]:
    return [(row["answer"], row["gold"], row["equal"]) for row in test_pairs.rows_of(kind)]


def in_texts(rows: Iterable[Row]) -> list[Row]:
    return [(MATH.extract(text) or "", gold, equal) for text, gold, equal in rows]


CASES, MATH500 = DATA.parent / "cases" / "answers.jsonl", DATA / "math500.jsonl"
SOURCES: dict[str, Callable[[], list[Row]]] = {
    **{f"pairs: {kind}": functools.partial(pairs, kind) for kind in test_pairs.KINDS},
    "answers found in texts": lambda: in_texts(
        (row["text"], row["gold"], row["equal"]) for row in test_texts.ROWS if row["reader"] == "math"
    ),
    "plain numbers": lambda: [
        (answer, gold, equal) for answer, gold, equal in test_verdicts.rows_of("decide") if equal is not None
    ],
    "from text to verdict": lambda: in_texts(test_answers.test_math_from_text_to_verdict.pytestmark[0].args[1]),
}
if CASES.exists():
    SOURCES["shared cases"] = shared_cases
if MATH500.exists():
    SOURCES["MATH-500 against itself"] = lambda: [(gold, gold, True) for gold in math500()]
    SOURCES["MATH-500 against the next"] = lambda: [(a, b, False) for a, b in pairwise(math500()) if a != b]

read = functools.cache(parse)  # a gold answer stands in many pairs


def plain(answer: str, gold: str, wrapping: str) -> bool:
    return bool(verify(read(wrapping.format(gold)), read(wrapping.format(answer))))


@pytest.fixture
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)  # it logs each text that it cannot read
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.slow
@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("source", SOURCES)
def test_ours_is_right_at_least_as_often_as_plain_math_verify(source: str, request: pytest.FixtureRequest) -> None:
    rows, table = SOURCES[source](), request.config.getoption("capture") == "no"
    ours = [verdict is True for verdict in MATH.equal([(answer, gold) for answer, gold, _ in rows])]
    if ours == [equal for *_, equal in rows] and not table:
        return
    tried = [[plain(answer, gold, wrapping) for answer, gold, _ in rows] for wrapping in WRAPPINGS]
    right = [[said == equal for said, (_, _, equal) in zip(verdicts, rows, strict=True)] for verdicts in (ours, *tried)]
    theirs = max(right[1:], key=sum)
    only = [row for row, mine, other in zip(rows, right[0], theirs, strict=True) if other and not mine]
    print(f"| {source} | {len(rows)} | {sum(right[0])} | {sum(theirs)} |", *only, sep="\n  ")  # noqa: T201
    assert sum(right[0]) >= sum(theirs)
