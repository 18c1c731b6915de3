"""Steps are lossless, and a solution says honestly whether it is finished."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifiers import Solution, Step, Stop, failed, split_steps

SEPARATORS = st.sampled_from(["\n", "\n\n", "ab", "aa", " ", "<sep>"])
TEXTS = st.text(alphabet="ab \n<sep>", max_size=40) | st.text(max_size=40)


@given(TEXTS, SEPARATORS)
def test_steps_lose_no_character_and_none_is_empty(text: str, separator: str) -> None:
    steps = [step.text for step in split_steps(text, separator)]
    assert "".join(steps) == text
    assert all(steps)


@given(TEXTS, SEPARATORS)
def test_a_separator_belongs_to_the_step_it_ends(text: str, separator: str) -> None:
    steps = [step.text for step in split_steps(text, separator)]
    for step in steps[:-1]:
        assert step.endswith(separator)
    # A step of separators alone is never a filler between steps or a phantom at the end.
    if len(steps) > 1:
        assert all(step.replace(separator, "") for step in steps)


@given(st.lists(st.text(alphabet="xyz ", min_size=1), min_size=1, max_size=6), st.booleans())
def test_each_line_is_a_step(lines: list[str], ends: bool) -> None:
    text = "\n".join(lines) + "\n" * ends
    assert [step.text.rstrip("\n") for step in split_steps(text)] == lines


@pytest.mark.parametrize(
    ("text", "separator", "steps"),
    [
        ("", "\n", []),
        ("a", "\n", ["a"]),
        ("a\n", "\n", ["a\n"]),
        ("a\n\n\nb", "\n", ["a\n\n\n", "b"]),
        ("\n\na\nb", "\n", ["\n\na\n", "b"]),
        ("\n\n", "\n", ["\n\n"]),
        ("a\n\nb\nc\n\n", "\n\n", ["a\n\n", "b\nc\n\n"]),
        ("a\n\n\nb", "\n\n", ["a\n\n", "\nb"]),
    ],
)
def test_runs_of_separators(text: str, separator: str, steps: list[str]) -> None:
    assert [step.text for step in split_steps(text, separator)] == steps


def test_an_empty_separator_is_refused() -> None:
    with pytest.raises(ValueError, match="separator is empty"):
        split_steps("a", "")


@pytest.mark.parametrize(("stop", "finished"), [(Stop.EOS, True), (Stop.LENGTH, False), (Stop.OPEN, False)])
def test_only_the_policy_finishes_a_solution(stop: Stop, finished: bool) -> None:
    assert Solution((Step("a"),), stop).finished is finished


def test_a_failure_carries_its_reason_and_what_there_was() -> None:
    solution = failed("HTTP 500", [Step("a", (1, 2), (-0.5, -0.1)), Step("b")])
    assert (solution.text, solution.reason, solution.finished, solution.token_count) == ("ab", "HTTP 500", False, 2)
    with pytest.raises(ValueError, match="a failed solution needs a reason"):
        Solution(stop=Stop.FAILED)
