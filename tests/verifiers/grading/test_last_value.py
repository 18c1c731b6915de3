"""What a text comes to that states no answer: a formula counts whole."""

import pytest

from verifiers.grading.answers import GSM8K, MATH


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
