"""One spelling for many."""

import pytest

from verifiers.grading.notation.spelling import spell


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("√2+x²", r"\sqrt{2}+x^2"),
        ("2½", r"2\frac{1}{2}"),
        (r"\frac\pi6", r"\frac{\pi}{6}"),
        (r"\frac{a}b", r"\frac{a}{b}"),
        (r"\frac ab", r"\frac{a}{b}"),
        (r"\frac12", r"\frac12"),
        (r"\binom62", r"\binom{6}{2}"),
        ("x^-1", "x^{-1}"),
        ("x^-n", "x^{-n}"),
        ("90∘", r"90^\circ "),
        (r"f\circ g", r"f\circ g"),
        ("१२", "12"),
        ("٣٫٥", "3.5"),
        ("1 in 5", "1/5"),
        ("1 in", "1 in"),
        (r"\begin{array}{l} 3 \end{array}", "3"),
        (r"\begin{array}{cc}1&2\end{array}", r"\begin{array}{cc}1&2\end{array}"),
        (r"0.5\phantom{7}", "0.5"),
        ("x2", "x2"),
    ],
)
def test_a_spelling(text: str, plain: str) -> None:
    assert spell(text) == plain
    assert spell(plain) == plain
