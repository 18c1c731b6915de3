"""What a text comes to that states no answer: a formula counts whole."""

import pytest

from verifiers.grading.answers import GSM8K, MATH
from verifiers.grading.last_value import last_number, last_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"So it is $3\sqrt{2}$.", r"3\sqrt{2}"),
        (r"There are $10^{5}$ of them.", "10^{5}"),
        (r"There are \(\binom{7}{3}\) ways.", r"\binom{7}{3}"),
        (r"The area is \[ 8\pi \]", r"8\pi"),
        ("$$\nx = \\sqrt{5}\n$$", r"x = \sqrt{5}"),
        ("the point is $(4,-7)$", "(4,-7)"),
        (r"\begin{align*} x &= 3 \\ &= 7 \end{align*}", "7"),
        ("Therefore $x = 2$ or $x = -3$.", "2, -3"),
        ("They are $1$, $2$, and $3$.", "1, 2, 3"),
        ("We know $x=1$. Hence $y=2$.", "y=2"),
        ("From $x=3$ we get 12 apples.", "12"),
        ("There are 34 values of $n$.", "34"),
        ("The largest $n$ is 34.", "34"),
        ("It costs $5 and he pays $6.", "$6"),
        ("He pays $5 for $2 worth of it.", "$2"),
        ("The total is 45 [1].", "45"),
        ("The total is 45 apples [1, 2].", "45"),
        ("The list is [1]", "1"),
        ("no value of $n$", None),
        ("The point is (3, 5).", "(3, 5)"),
        ("So there are 2^5 of them.", "2^5"),
        ("So it is 3√2.", "3√2"),
        ("So it is 2x+1", "2x+1"),
        ("The set is {1,2,3}.", "{1,2,3}"),
        ("5+3=8", "8"),
        ("It is 5m long.", "5"),
        ("So **17** left", "17"),
        ("It has 12 apples (2 bags)", "2"),
        ("none", None),
    ],
)
def test_the_last_formula_or_number(text: str, value: str | None) -> None:
    assert last_value(text) == value


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("It dropped to −7 degrees.", "-7"),
        ("It dropped to –7 degrees.", "-7"),
        ("Final answer - 5", "5"),
        ("Final answer – 5", "5"),
        ("a = - 3", "- 3"),
        ("from 10 to -3", "-3"),
        ("10 - 3", "3"),
        ("小明一共有12个苹果。", "12"),
        ("合計は１２個", "12"),
    ],
)
def test_signs_dashes_and_digits(text: str, number: str) -> None:
    assert last_number(text) == number


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        (r"So it is $3\sqrt{2}$.", "2"),
        (r"There are $10^{5}$ of them.", "5"),
        ("the point is $(4,-7)$", "-7"),
        (r"There are $\binom{7}{3}$ ways.", "3"),
        ("So it is $2x+1$.", "2"),
        ("#### 2^5", "2"),
        ("#### 2 1/2", "2"),
        (r"#### 1\,234", "1"),
        ("#### $1.2 million", "1.2"),
        ("The answer is 2:30", "2"),
        ("The answer is 5 or 6.", "5"),
        ("The answer is 5 to 6 hours.", "5"),
        ("The answer is 3 times 4.", "3"),
        (r"\boxed{\{1,2\}}", "1"),
    ],
)
def test_a_part_of_an_answer_is_not_the_answer(text: str, gold: str) -> None:
    for answers in (MATH, GSM8K):
        answer = answers.extract(text)
        assert answer is not None
        assert answers.equal([(answer, gold)])[0] is not True
