"""Kinds of spelling: what equals what, and what only looks alike. A table a kind: answer, gold, equal."""

import json

import pytest

from tests.shared_data import DATA
from tests.verifiers.grading.spelling_table import SPELLINGS, Row
from verifiers import GSM8K, MATH
from verifiers.grading.notation.numerals import canonical

# signs and dashes, and words for them
SIGNS: list[Row] = [
    ("− 5", "-5", True),
    ("–5", "-5", True),
    ("—5", "-5", True),
    ("－5", "-5", True),
    ("−5", "5", False),
    ("minus 5", "-5", True),
    ("negative 5", "-5", True),
    ("negative $26", "-26", True),
    ("negative $26", "26", False),
    ("- $26", "-26", True),
    ("-$26", "-26", True),
    ("$-26", "-26", True),
    ("+5", "5", True),
    (r"−\frac{1}{2}", "-0.5", True),
    ("x−1", "x-1", True),
    ("−x", "-x", True),
    ("−√2", r"-\sqrt{2}", True),
    ("10^{−3}", "0.001", True),
    ("±3", "3,-3", True),
    ("∓3", "3,-3", True),
    ("-5", "5", False),
    ("(−1, 2)", "(-1,2)", True),
]
# words round an answer, and words that change or deny it
WORDS: list[Row] = [
    ("approximately 8", "8", True),
    ("about 8.5 metres", "8.5", True),
    (r"roughly $2\sqrt{3}$", r"2\sqrt{3}", True),
    ("14 km/h", "14", True),
    ("14 km/h", "15", False),
    ("$90 more per week", "90", True),
    ("9 (rounded up from 8.4)", "9", True),
    ("9 (rounded up from 8.4)", "8.4", False),
    ("Tom has 12 apples", "12", True),
    ("Tom has 12 apples and 3 pears", "12", False),
    ("Tom has 12 apples and 3 pears", "3", False),
    ("The largest $n$ is 34", "34", True),
    ("therefore $310", "310", True),
    ("a total of 14", "14", True),
    ("3 times", "3", True),
    ("3 times x", "3", False),
    (", as shown, 47", "47", True),
    ("7 is wrong", "7", False),
    ("not 7", "7", False),
    ("it is not 7", "7", False),
    ("never 7", "7", False),
    ("at least 7", "7", False),
    ("more than 7", "7", False),
    ("7 or more", "7", False),
    ("5 less than x", "5", False),
    ("5 squared", "5", False),
    ("7 was wrong", "7", False),
    ("the square of 5", "5", False),
    ("half of 10", "10", False),
    ("half of 10", "1/2", False),
    ("The probability is 1/2", "0.5", True),
    ("x is 5", "5", True),
    ("There are 24 ways", "24", True),
    ("She needs 6 more eggs", "6", True),
    ("12 apples in total", "12", True),
    ("exactly 4", "4", True),
    ("4 (four)", "4", True),
    ("5 (mod 7)", "5", True),
    ("5 (mod 7)", "7", False),
    ("12 (in thousands)", "12", False),
    ("The train leaves at 7 am", "7 pm", False),
    ("Day 5", "5", False),
    ("June 20", "20", False),
    ("room 5", "5", False),
    ("only 5", "5", True),
    ("so the answer is 5", "5", True),
    (r"The area is $25\pi$ square units", r"25\pi", True),
    ("equals 5", "5", True),
    ("= 5", "5", True),
    ("It takes 3 hours and 20 minutes", "3", False),
    ("He did not have 5 apples", "5", False),
    ("The slope is -2", "-2", True),
    ("n equals 7", "7", True),
    ("The remainder when divided by 7 is 3", "3", True),
    ("5% more", "5", True),
    ("5 percent", "5", True),
    ("Twice as many is 10", "2", False),
    ("the 5th term", "5", False),
    ("5th", "5", True),
    ("5 factorial", "5", False),
    ("20 more than x", "20", False),
]
# letters of multiple choice, with and without the text of the choice
CHOICES: list[Row] = [
    ("E: a long description", "E", True),
    ("E: a long description", "D", False),
    (r"\textbf{(E)}\ 24", "E", True),
    (r"\textbf{(E)}\ 24", "24", True),
    (r"\textbf{(E)}\ 24", "25", False),
    ("(C) 40 metres", "C", True),
    ("(C) 40 metres", "40", True),
    ("C) 40 metres", "C", True),
    ("b", "B", True),
    ("b", "C", False),
    ("b", "b", True),
    ("B", "b", False),
    ("(b)", "B", True),
    ("e", "E", True),
    ("E", "e", False),
    ("2e", "2E", False),
    ("option B", "B", True),
    ("Option (B)", "B", True),
    ("B is correct", "B", True),
    (r"\text{(D)}", "D", True),
    (r"\text{D}", "D", True),
    ("D.", "D", True),
    ("(A)", "A", True),
    ("x", "X", False),
    ("k", "K", False),
    ("(D) 24", "(E) 24", False),
    ("E", r"\textbf{(E)} 24", True),
    ("24", r"\textbf{(E)} 24", True),
    ("D", r"\textbf{(E)} 24", False),
    ("A: 3, B: 5", "A", False),
    ("AC", "CA", True),
    ("A, C", "C, A", True),
    ("c: 5", "C", True),
    ("(a) 5 cm", "A", True),
    (r"\mathrm{(B)}\ \frac{1}{2}", r"\frac12", True),
    (r"\mathrm{(B)}\ \frac{1}{2}", "B", True),
    (r"(A)\sqrt{2}", r"\sqrt2", True),
    ("B) x^2+1", "x^2+1", True),
    ("(E) none of these", "E", True),
    (r"\textbf{(B)}", "B", True),
    ("The correct answer is B", "B", True),
    ("(a+b)", "B", False),
    ("A", r"\text{A}", True),
    ("choice d", "D", True),
    ("i", "I", True),
]
# answers that differ by a little, and orders that count or do not
UNLIKE: list[Row] = [
    ("f'(x)", "f(x)", False),
    ("f'(x)", "f'(x)", True),
    ("f''(x)", "f'(x)", False),
    (r"f^{\prime}(x)", "f'(x)", True),
    ("x'", "x", False),
    ("y'=2x", "y=2x", False),
    (r"\{7,8\}", "(7,8)", False),
    (r"\{7,8\}", "(8,7)", False),
    (r"\{7,8\}", "7,8", True),
    (r"\{8,7\}", "7,8", True),
    (r"\{7,8\}", "[7,8]", False),
    ("(5,3)", "3,5", False),
    ("(3,5)", "3,5", True),
    ("(5,3)", r"\{3,5\}", False),
    ("3,5", "5,3", True),
    ("3 and 5", "5,3", True),
    ("5,3", "(3,5)", False),
    ("ABC", "CBA", False),
    ("ABC", "ABC", True),
    (r"\triangle ABC", "ABC", True),
    (r"\angle ABC", r"\angle CBA", False),
    (r"\overline{AB}", "BA", True),
    ("ABCD", "DCBA", False),
    (r"\phantom{7}", "7", False),
    (r"5\phantom{7}", "5", True),
    (r"\frac{1}{2010!}", r"\frac{1}{2008!}", False),
    ("10^{-20}", "10^{-21}", False),
    ("2^{-100}", "2^{-101}", False),
    (r"1.5\cdot10^{-8}", r"2.5\cdot10^{-8}", False),
    ("e^{-50}", "e^{-60}", False),
    (r"\{x+1,2\}", r"\{2,1+x\}", True),
    (r"\{\sqrt{2},-\sqrt2\}", r"\{-\sqrt2,\sqrt{2}\}", True),
    (r"\{a,b,c\}", r"\{c,a,b\}", True),
    (r"\{a,b\}", r"\{a,c\}", False),
    (r"\{(1,2),(3,4)\}", r"\{(3,4),(1,2)\}", True),
    (r"\{(1,2),(3,4)\}", r"\{(2,1),(3,4)\}", False),
    ("(1,2),(3,4)", "(3,4),(1,2)", True),
    ("(1,2,3)", "(3,2,1)", False),
    ("(1,2,3)", r"\{1,2,3\}", False),
    ("(0,1]", "(0,1)", False),
    ("[0,1]", "[0,1)", False),
    ("1,2,3", "1,2", False),
    ("1,2,2", "1,2", False),
    ("(x+1, 2)", "(1+x, 2)", True),
    (r"(\sqrt{3},1)", r"(1,\sqrt3)", False),
    ("(x,y)=(1,2)", "(1,2)", True),
    ("(x,y)=(1,2)", "(2,1)", False),
    (r"\overline{z}", "z", False),
    (r"\bar{x}", "x", False),
    (r"\hat{x}", "x", False),
    ("x_1", "x_2", False),
    ("x_1", "x", False),
    ("-x", "x", False),
    ("n!", "n", False),
    (r"\ln x", r"\log x", False),
    ("2^{10}", "2_{10}", False),
    ("x=5", "x=6", False),
    ("x=5", "y=5", False),
    ("x>5", r"x\ge5", False),
    ("x>5", "x<5", False),
    (r"\dot{x}", "x", False),
    ("|x|", "x", False),
    (r"\lfloor x\rfloor", "x", False),
    (r"\lceil 3.2\rceil", "3", False),
    (r"\vec{v}", "v", False),
    ("ab", "ba", True),
    ("abc", "cba", True),
]

KINDS = {"signs": SIGNS, "words": WORDS, "choices": CHOICES, "spellings": SPELLINGS, "unlike": UNLIKE}


@pytest.mark.parametrize("rows", KINDS.values(), ids=KINDS)
def test_a_kind_is_told_apart_from_its_neighbours(rows: list[Row]) -> None:
    verdicts = MATH.equal([(answer, gold) for answer, gold, _ in rows])
    wrong = [(row, verdict) for row, verdict in zip(rows, verdicts, strict=True) if (verdict is True) != row[2]]
    assert wrong == []


@pytest.mark.parametrize("rows", KINDS.values(), ids=KINDS)
def test_a_canonical_form_stays_as_it_is_and_equals_its_answer(rows: list[Row]) -> None:
    answers = [text for answer, gold, _ in rows for text in (answer, gold) if canonical(text)]
    forms = [canonical(answer) for answer in answers]
    assert [canonical(form) for form in forms] == forms
    assert MATH.equal(list(zip(answers, forms, strict=True))) == [True] * len(answers)


def test_a_kind_has_the_same_classes_in_any_order() -> None:
    votes = [answer for rows in (SIGNS, CHOICES) for answer, _, _ in rows]
    together = {frozenset(i for i, c in enumerate(MATH.classes(votes)) if c == n) for n in range(len(votes))}
    backwards = MATH.classes(votes[::-1])[::-1]
    assert {frozenset(i for i, c in enumerate(backwards) if c == n) for n in range(len(votes))} == together


@pytest.mark.parametrize(
    ("answer", "gold", "equal"),
    [
        ("−18", "-18", True),
        ("eighteen", "18", True),
        ("2 1/2", "2.5", True),
        ("$1.2 million", "1200000", True),
        ("1\\,234", "1234", True),
        ("2:30", "2", False),
        ("18 (3 a day)", "18", True),
        ("18 (3 per day for 6 days)", "18", True),
        ("twenty", "18", False),
    ],
)
def test_gsm8k_reads_numbers_as_people_write_them(answer: str, gold: str, equal: bool) -> None:
    assert (GSM8K.equal([(answer, gold)]) == [True]) is equal


CASES = DATA.parent / "cases" / "answers.jsonl"


@pytest.mark.skipif(not CASES.exists(), reason="../shared/cases lacks answers.jsonl")
@pytest.mark.parametrize(("reader", "answers"), [("math", MATH), ("gsm8k", GSM8K)])
def test_the_shared_cases_that_are_bare_answers_have_the_right_verdict(reader: str, answers) -> None:
    cases = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    bare = [case for case in cases if case["reader"] == reader and "answer" in case]
    verdicts = answers.equal([(case["answer"], case["gold"]) for case in bare])
    assert [case for case, verdict in zip(bare, verdicts, strict=True) if (verdict is True) != case["equal"]] == []
