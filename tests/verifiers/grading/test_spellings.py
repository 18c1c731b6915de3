"""Answers as people and models write them: pairs of each kind that are equal, and pairs that are not."""

import json

import pytest

from tests.shared_data import DATA, needs_data
from verifiers.grading.answers import GSM8K, MATH

PAIRS = {
    "signs": [("−7", "-7", True), ("–7", "-7", True), ("-7", "7", False), ("+7", "7", True)],
    "words round an answer": [
        ("roughly 8", "8", True),
        ("almost 8 hours", "8", True),
        ("$45 more per month", "45", True),
        ("60 mph", "60", True),
        ("15 kg/m^3", "15", True),
        ("12 (rounded down from 12.4)", "12", True),
        ("Anna has 7 pencils", "7", True),
        ("Anna has 7 pencils", "8", False),
        ("a total of 90 dollars", "90", True),
        ("less than 8", "8", False),
        ("7 is wrong", "7", False),
        ("not 7", "7", False),
        ("4 times", "4", True),
    ],
    "choices": [
        ("C: forty metres", "C", True),
        ("(C) 40 metres", "C", True),
        (r"\textbf{(B)}\ 12", "B", True),
        (r"\textbf{(B)}\ 12", "12", True),
        ("option D", "D", True),
        ("c", "C", True),
        ("C", "D", False),
        ("E", "e", False),
    ],
    "spellings": [
        ("√3", r"\sqrt{3}", True),
        ("y³", "y^3", True),
        ("¾", "3/4", True),
        ("4·10^3", "4000", True),
        ("2×3", "6", True),
        ("１２", "12", True),
        (r"0.\overline{6}", "2/3", True),
        (r"0.1\overline{6}", "1/6", True),
        (r"\sqrt[4]2", r"\sqrt[4]{2}", True),
        (r"\varnothing", r"\emptyset", True),
        (r"\cos 60^\circ", "1/2", True),
        (r"\approx 2.72", "2.72", True),
        ("¥500", "500", True),
        ("500 EUR", "500", True),
        ("£7.50", "7.5", True),
        ("3{,}5", "3.5", True),
        ("thirteen", "13", True),
        ("twenty-five", "25", True),
        ("9 tenths", "0.9", True),
        ("two thirds", "2/3", True),
        ("3:15 PM", r"3:15\text{ p.m.}", True),
        ("3 pm", "3 am", False),
        ("15:15", "3:15 pm", True),
        ("3:15", "3", False),
        (r"\text{all reals}", r"\mathbb{R}", True),
        (r"(-\infty,1) or (2,\infty)", r"(-\infty,1)\cup(2,\infty)", True),
        ("(2+i)(2-i)", "5", True),
        ("3i", "3", False),
        ("1,234,567", "1234567", True),
        ("5 million", "5000000", True),
        ("5 million", "5", False),
        ("2 dozen", "2", False),
        ("90 degrees", "90", True),
        ("50%", "0.5", True),
        ("12 cm^2", "12", True),
        ("∞", r"\infty", True),
        ("π/2", r"\frac{\pi}{2}", True),
        ("x ≤ 3", r"x \le 3", True),
        ("2x + 1", "1+2x", True),
    ],
    "not equal": [
        ("g'(x)", "g(x)", False),
        (r"\{3,4\}", "(3,4)", False),
        ("(4,3)", "3,4", False),
        ("4,3", "3,4", True),
        (r"\{4,3\}", r"\{3,4\}", True),
        ("(4,3)", "(3,4)", False),
        ("XYZ", "ZYX", False),
        ("1/2011!", "1/2009!", False),
        (r"\phantom{7}", "7", False),
        ("[1,2)", "(1,2)", False),
        ("10^{-20}", "10^{-21}", False),
        ("2^{100}", "2^{100}+1", False),
        ("0.333", "1/3", False),
        ("52_8", "52_9", False),
    ],
}


@pytest.mark.parametrize("kind", PAIRS)
def test_pairs_of_a_kind(kind: str) -> None:
    pairs = [(answer, gold) for answer, gold, _ in PAIRS[kind]]
    verdicts = MATH.equal(pairs)
    wrong = [row for row, verdict in zip(PAIRS[kind], verdicts, strict=True) if (verdict is True) != row[2]]
    assert wrong == []


@needs_data("../cases/answers.jsonl")
@pytest.mark.parametrize("reader", ["math", "gsm8k"])
def test_every_shared_case(reader: str) -> None:
    rows = [
        json.loads(line) for line in (DATA.parent / "cases" / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    cases = [row for row in rows if row["reader"] == reader]
    answers = MATH if reader == "math" else GSM8K
    said = [case["answer"] if "answer" in case else answers.extract(case["text"]) or "" for case in cases]
    verdicts = answers.equal([(answer, case["gold"]) for answer, case in zip(said, cases, strict=True)])
    wrong = [case for case, verdict in zip(cases, verdicts, strict=True) if (verdict is True) != case["equal"]]
    assert len(cases) > 30
    assert wrong == []
