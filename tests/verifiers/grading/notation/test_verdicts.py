"""What each rule says of two texts.

`verdicts.jsonl` has a pair a row, with the verdict of a rule of that name: null where it leaves the pair open.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from verifiers import GSM8K, MATH
from verifiers.grading.notation.arithmetic import differ
from verifiers.grading.notation.deciding import decide
from verifiers.grading.notation.shapes import compare, shape


def both_ways(rule: Callable[[str, str], bool | None]) -> Callable[[str, str], bool | None]:
    def asked(one: str, other: str) -> bool | None:
        verdict = rule(one, other)
        assert rule(other, one) is verdict
        return verdict

    return asked


def parts(one: str, other: str) -> bool | None:
    left, right = shape(one), shape(other)
    assert left is not None
    assert right is not None
    return compare(left, right, lambda a, b: a == b)


def mathematics(one: str, other: str) -> bool | None:
    decided = [decide(one, other), decide(other, one)]
    forwards, backwards = decided if None not in decided else MATH.equal([(one, other), (other, one)])
    assert forwards is backwards
    return forwards


RULES: dict[str, Callable[[str, str], bool | None]] = {
    "decide": decide,
    "differ": both_ways(differ),
    "parts": both_ways(parts),
    "either way": mathematics,
    "gsm8k": lambda answer, gold: GSM8K.equal([(answer, gold)]) == [True],
}
ROWS = [json.loads(line) for line in Path(__file__).with_name("verdicts.jsonl").read_text("utf-8").splitlines()]


def rows_of(rule: str) -> list[tuple[str, str, bool | None]]:
    return [(row["one"], row["other"], row["verdict"]) for row in ROWS if row["rule"] == rule]


@pytest.mark.parametrize(("rule", "one", "other", "verdict"), [(rule, *row) for rule in RULES for row in rows_of(rule)])
def test_what_a_rule_says(rule: str, one: str, other: str, verdict: bool | None) -> None:
    assert RULES[rule](one, other) is verdict


def test_every_row_has_a_rule_and_stands_once() -> None:
    assert {row["rule"] for row in ROWS} == set(RULES)
    assert len({(row["rule"], row["one"], row["other"]) for row in ROWS}) == len(ROWS)
