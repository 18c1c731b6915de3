"""The shared cases of answers: what each reader finds in a text, or is given, and whether it is the gold answer."""

import json

import pytest

from tests.shared_data import DATA, needs_data
from verifiers import GSM8K, MATH, Answers


@needs_data("../cases/answers.jsonl")
@pytest.mark.parametrize(("reader", "answers"), [("math", MATH), ("gsm8k", GSM8K)])
def test_every_shared_case(reader: str, answers: Answers) -> None:
    lines = (DATA.parent / "cases" / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    cases = [case for case in map(json.loads, lines) if case["reader"] == reader]
    said = [case["answer"] if "answer" in case else answers.extract(case["text"]) or "" for case in cases]
    verdicts = answers.equal([(answer, case["gold"]) for answer, case in zip(said, cases, strict=True)])
    wrong = [case for case, verdict in zip(cases, verdicts, strict=True) if (verdict is True) != case["equal"]]
    assert len(cases) > 30
    assert wrong == []
