"""Verdicts that need no algebra, and what holds for all of them."""

import string
from fractions import Fraction
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers import MATH
from verifiers.grading.notation.deciding import decide
from verifiers.grading.notation.numerals import canonical

_PARTS = st.lists(st.sampled_from(["1", "-2", "1/2", "x", "(1,2)", "30^\\circ", "5\\%", "2y"]), min_size=2, max_size=5)


def _verdict(answer: str, gold: str) -> bool | None:
    decided = decide(answer, gold)
    return MATH.equal([(answer, gold)])[0] if decided is None else decided


@settings(max_examples=60, deadline=None)
@given(_PARTS, _PARTS, st.randoms(use_true_random=False), st.sampled_from([r"\{%s\}", "%s"]))
def test_a_verdict_does_not_depend_on_the_order_a_set_is_written_in(
    answer: list[str], gold: list[str], random: Random, form: str
) -> None:
    shuffled, others = (",".join(random.sample(parts, len(parts))) for parts in (answer, gold))
    written = _verdict(form % ",".join(answer), form % ",".join(gold))
    assert written == _verdict(form % shuffled, form % others)
    assert _verdict(form % ",".join(answer), form % shuffled) is True


_DECORATIONS = st.lists(
    st.sampled_from(
        ["$%s$", r"\(%s\)", "**%s**", " %s ", "%s.", r"\text{%s}", r"\left(%s\right)", "%s cm", r"\boxed{%s}"]
    ),
    max_size=3,
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["7", "-3", r"\frac{1}{2}", "0.25", "1,000", "3/4", "2:30 pm", "B", r"1\frac{1}{2}"]), _DECORATIONS
)
def test_harmless_decoration_changes_nothing(answer: str, decorations: list[str]) -> None:
    plain = canonical(answer)
    value = plain.lstrip("-").replace("/", "").isdigit()
    for decoration in decorations:
        if "cm" in decoration and not (value and answer[-1].isdigit()):
            continue
        if decoration == r"\text{%s}" and any(mark in answer for mark in "\\{}$*("):
            continue
        if decoration == r"\left(%s\right)" and answer != "B":
            continue
        if "boxed" in decoration and "boxed" in answer:
            continue
        answer = decoration % answer
    assert decide(answer, plain) is True


def _spellings(value: Fraction) -> list[str]:
    top, bottom, sign = abs(value.numerator), value.denominator, "-" if value < 0 else ""
    found = [f"{sign}{top}/{bottom}", rf"{sign}\frac{{{top}}}{{{bottom}}}", rf"${sign}\dfrac{{{top}}}{{{bottom}}}$"]
    if bottom == 1:
        found += [
            f"{sign}{top}",
            f"{sign}{top:,}",
            f"{sign}{top}.0",
            f"{sign}{top} cm",
            f"−{top}" if sign else f"+{top}",
        ]
        found.append((sign + str(top)).translate(dict(zip(map(ord, string.digits), "٠١٢٣٤٥٦٧٨٩", strict=True))))
    elif top > bottom:
        found += [
            f"{sign}{top // bottom} {top % bottom}/{bottom}",
            rf"{sign}{top // bottom}\frac{{{top % bottom}}}{{{bottom}}}",
        ]
    if bottom in (2, 4, 5, 8, 10, 25):
        found.append(f"{float(value)}")
    return found


_VALUES = st.fractions(min_value=-3000, max_value=3000, max_denominator=10)


@settings(max_examples=200, deadline=None)
@given(_VALUES, _VALUES, st.data())
def test_numbers_are_equal_in_any_spelling_exactly_where_their_values_are(
    one: Fraction, other: Fraction, data: st.DataObject
) -> None:
    mine, again, another = (data.draw(st.sampled_from(_spellings(value))) for value in (one, one, other))
    assert decide(mine, again) is True
    assert decide(mine, another) is (one == other)
