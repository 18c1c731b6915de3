"""Questions of multiple choice in a task's rows: asked with their options, graded by a letter."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.inputs.choices import Options, options_in
from bench.tasks.tasks import load_task

COLORS = ["red", "loud", "blue", "tall"]


def problems(tmp_path: Path, *rows: dict[str, Any], **options: Any) -> list[tuple[Any, str | None]]:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"question": "Which is a color?", **row}) + "\n" for row in rows))
    return [(problem.prompt, problem.answer) for problem in load_task(str(file), **options).problems]


ASKED = "Which is a color?\n\nA. red\nB. loud\nC. blue\nD. tall"


@pytest.mark.parametrize(
    "row",
    [
        {"choices": COLORS, "answer": "C"},
        {"options": COLORS, "answer": "(C)"},
        {"options": ["A) red", "B) loud", "C) blue", "D) tall"], "answer": ["C"]},
        {"choices": {"text": COLORS, "label": ["1", "2", "3", "4"]}, "answer": "3"},
        {"choices": {"text": COLORS, "label": ["A", "B", "C", "D"]}, "answer": "C"},
        {"choices": {"text": COLORS, "label": [1, 2, 3, 4]}, "answer": 3},
        {"choices": {"text": COLORS, "label": [1, 2, 3, 4]}, "answer": 3.0},
        {"choices": dict(zip("ABCD", COLORS, strict=True)), "answer": "C"},
        {"options": dict(zip("1234", COLORS, strict=True)), "answer": "3"},
        {"options": [{"label": k, "text": text} for k, text in zip("ABCD", COLORS, strict=True)], "answer": "C"},
        {"choices": json.dumps(COLORS), "answer": "C"},
        {"choices": str(COLORS), "answer": "C"},
    ],
)
def test_a_question_is_asked_with_its_options(tmp_path: Path, row: dict[str, Any]) -> None:
    assert problems(tmp_path, row) == [(ASKED, "C")]


@pytest.mark.parametrize("place", [2, 2.0, "2", "2.0", [2]])
@pytest.mark.parametrize("name", ["choices", "options", "endings"])
def test_places_count_from_0_where_one_is_0(tmp_path: Path, place: Any, name: str) -> None:
    rows = [{name: COLORS, "answer": gold} for gold in (place, type(place)(0) if place != [2] else 0)]
    assert problems(tmp_path, *rows) == [(ASKED, "C"), (ASKED, "A")]


def test_options_may_be_numbers(tmp_path: Path) -> None:
    [(prompt, answer)] = problems(tmp_path, {"choices": [1, 2.5], "answer": "B"})
    assert (prompt, answer) == ("Which is a color?\n\nA. 1\nB. 2.5", "B")


@pytest.mark.parametrize("gold", [2, 2.0, "2"])
def test_places_without_a_0_are_told_of(tmp_path: Path, gold: Any) -> None:
    message = r"rows.jsonl:1 on: .*places of their options, from 0, .*none is 0, so that they may be places from 1"
    with pytest.warns(UserWarning, match=message):
        assert problems(tmp_path, {"choices": COLORS, "answer": gold}) == [(ASKED, "C")]


@pytest.mark.parametrize("given", ["red, loud", ["red"], [["red"], ["loud"]], {"first": "red", "second": "loud"}])
def test_what_is_not_read_as_options_is_told_of_once(tmp_path: Path, given: Any) -> None:
    with pytest.warns(
        UserWarning, match="rows.jsonl:1: 'choices' is not read as options .*; give 2 to 26 texts"
    ) as told:
        assert problems(tmp_path, *[{"choices": given, "answer": "A"}] * 2)[0] == ("Which is a color?", "A")
    assert len(told) == 1


@pytest.mark.parametrize("question", [ASKED, "Which is a color? (A) red (B) loud (C) blue (D) tall"])
def test_options_that_the_question_holds_are_not_asked_twice(tmp_path: Path, question: str) -> None:
    assert problems(tmp_path, {"question": question, "choices": COLORS, "answer": "C"}) == [(question, "C")]


@pytest.mark.parametrize(
    "row",
    [
        {"choices": COLORS, "answer": "blue"},  # the answer itself, which is asked for without options
        {"choices": COLORS, "answer": "E"},
        {"choices": ["B", "A"], "answer": "A"},  # an option's text, or its letter
        {"choices": ["1", "2", "3"], "answer": "2"},  # written as the option is
        {"choices": [], "answer": "A"},
        {"answer": "A"},
    ],
)
def test_what_is_no_place_of_options_stays_as_it_is(tmp_path: Path, row: dict[str, Any]) -> None:
    assert problems(tmp_path, row) == [("Which is a color?", row["answer"])]


def test_whether_whole_numbers_are_places_is_decided_for_all_rows(tmp_path: Path) -> None:
    numbers = [{"choices": ["1", "2", "3"], "answer": gold} for gold in (2, 0)]
    assert [answer for _, answer in problems(tmp_path, *numbers)] == ["C", "A"]
    assert [answer for _, answer in problems(tmp_path, *numbers, limit=1)] == ["C"]
    assert [answer for _, answer in problems(tmp_path, numbers[0], {"choices": ["1", "3"], "answer": 3})] == ["2", "3"]


def test_a_conversation_has_them_behind_its_last_question_and_the_instruction_behind_both(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Which is a color?"}]
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"messages": turns, "choices": COLORS, "answerKey": "C"}))
    [problem] = load_task(str(file), columns={"answer": "answerKey"}, instruction="Give the letter.").problems
    assert [turn.content for turn in problem.prompt] == ["Be brief.", f"{ASKED}\n\nGive the letter."]  # type: ignore[union-attr]
    assert problem.fields["choices"] == COLORS


@pytest.mark.parametrize("gold", ["c", "(c)", "c."])
def test_a_letter_may_be_small(tmp_path: Path, gold: str) -> None:
    assert problems(tmp_path, {"choices": COLORS, "answer": gold}) == [(ASKED, "C")]
    assert problems(tmp_path, {"choices": ["c", "b", "a"], "answer": "c"})[0][1] == "c"


def test_places_count_behind_rows_without_options(tmp_path: Path) -> None:
    rows = [{"answer": 4}, {"choices": COLORS, "answer": 0}, {"choices": COLORS, "answer": 2}]
    assert problems(tmp_path, *rows)[1:] == [(ASKED, "A"), (ASKED, "C")]


def test_numbers_that_may_be_places_or_not_are_told_of(tmp_path: Path) -> None:
    with pytest.warns(
        UserWarning, match=r"from \S*rows.jsonl:1 on: whole numbers .* are taken for answers, and may not be"
    ):
        assert problems(tmp_path, *({"choices": COLORS, "answer": place} for place in (1, 4)))[1][1] == "4"
    labelled = {"choices": {"text": COLORS, "label": [1, 2, 3, 4]}}
    assert [answer for _, answer in problems(tmp_path, *(labelled | {"answer": n} for n in (1, 4)))] == ["A", "D"]


def test_an_object_without_the_first_labels_is_no_options() -> None:
    assert options_in({"n": 2, "t": 1.0}) == Options()
    assert options_in({"b": "blue", "a": "red"}).labels == ("b", "a")
    assert options_in({"1": "red", "2": "blue"}).labels == ("1", "2")
