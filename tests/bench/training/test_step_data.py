"""Published labels of steps, in tiny samples of our own."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from bench.training.rows import read_outcomes, read_step_labels
from policies.training.skipped import SkippedRowsWarning
from verifiers import Message, Stop
from verifiers.interface.errors import BadInput

SHEPHERD = {
    "input": "What is (7-9)*3? Step 1: 7-9=-2 ки\nStep 2: -2*3=6 ки\nStep 3: The answer is: 6 ки",
    "label": "What is (7-9)*3? Step 1: 7-9=-2 +\nStep 2: -2*3=6 -\nStep 3: The answer is: 6 -",
    "task": "GSM8K",
}
STEPWISE = {"prompt": "2+2?", "completions": ["2+2=5.", "It is 5."], "labels": [True, False]}
PRM800K = {
    "labeler": "a",
    "question": {"problem": "What is 12/4?", "ground_truth_answer": "3"},
    "label": {
        "steps": [
            {
                "completions": [{"text": "12/4=3.", "rating": 1}, {"text": "12/4=2.", "rating": -1}],
                "human_completion": None,
                "chosen_completion": 0,
            },
            {
                "completions": None,
                "human_completion": {"text": "So it is 3.", "rating": None},
                "chosen_completion": None,
            },
            {
                "completions": [{"text": "Hm.", "rating": 0}, {"text": "# Answer\n\n4", "rating": -1}],
                "human_completion": None,
                "chosen_completion": None,
            },
        ],
        "finish_reason": "found_error",
    },
}


def read(tmp_path: Path, *rows: dict[str, Any], **how: Any) -> list[tuple[list[str], list[float]]]:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [([step.text for step in row.solution.steps], list(row.labels)) for row in read_step_labels(path, **how)]


def test_math_shepherds_rows_end_their_steps_where_its_model_is_read(tmp_path: Path) -> None:
    [(steps, labels)] = read(tmp_path, SHEPHERD)
    assert steps == ["Step 1: 7-9=-2\n", "Step 2: -2*3=6\n", "Step 3: The answer is: 6"]
    assert labels == [1.0, 0.0, 0.0]
    [row] = read_step_labels(tmp_path / "rows.jsonl")
    assert (row.problem.prompt, row.solution.stop) == ("What is (7-9)*3?", Stop.EOS)


def test_trls_stepwise_rows(tmp_path: Path) -> None:
    assert read(tmp_path, STEPWISE) == [(["2+2=5.\n", "It is 5."], [1.0, 0.0])]


def test_prm800k_is_its_chosen_path_and_each_other_rated_continuation(tmp_path: Path) -> None:
    chosen = ["12/4=3.\n", "So it is 3.\n"]
    assert read(tmp_path, PRM800K) == [
        (["12/4=2."], [0.0]),
        ([*chosen, "Hm."], [1.0, 1.0, 1.0]),
        ([*chosen, "# Answer\n\n4"], [1.0, 1.0, 0.0]),
    ]
    solved = json.loads(json.dumps(PRM800K))
    solved["label"]["steps"][2]["chosen_completion"] = 0
    assert read(tmp_path, solved)[-1] == ([*chosen, "Hm."], [1.0, 1.0, 1.0])
    assert {row.problem.prompt for row in read_step_labels(tmp_path / "rows.jsonl")} == {"What is 12/4?"}


def test_a_path_that_no_other_row_has_is_a_row(tmp_path: Path) -> None:
    steps = [
        {"completions": [{"text": "12/4=3.", "rating": 1}], "chosen_completion": 0},
        {"completions": [{"text": "Hm.", "rating": None}], "chosen_completion": None},
    ]
    given_up = PRM800K | {"label": {"steps": steps, "finish_reason": "give_up"}}
    assert read(tmp_path, given_up) == [(["12/4=3."], [1.0])]


def test_steps_of_the_same_text_have_their_line_breaks(tmp_path: Path) -> None:
    row = {"prompt": "2+2?", "completions": ["5", "x", "5"], "labels": [True, False, True]}
    assert read(tmp_path, row)[0][0] == ["5\n", "x\n", "5"]


def test_columns_reach_published_rows_and_optional_ones_may_be_lacking(tmp_path: Path) -> None:
    rows = [{**STEPWISE, "uid": "a"}, {**STEPWISE, "prompt": "3+3?"}]
    read(tmp_path, *rows, columns={"id": "uid"})
    found = read_step_labels(tmp_path / "rows.jsonl", columns={"id": "uid"})
    assert [row.problem.id for row in found] == ["a", "rows-00000"]
    assert [step.text for step in found[0].solution.steps] == ["2+2=5.\n", "It is 5."]
    with pytest.raises(BadInput, match=r"columns root=r: .*rows.jsonl: no 'r' in any row"):
        read(tmp_path, *rows, columns={"root": "r"})
    with pytest.raises(BadInput, match="is a folder of our own"):
        read_step_labels(tmp_path, columns={"id": "uid"})


def test_a_limit_counts_the_rows_of_the_file(tmp_path: Path) -> None:
    assert len(read(tmp_path, PRM800K, STEPWISE, limit=1)) == 3


@pytest.mark.parametrize(
    ("row", "changes", "match"),
    [
        (SHEPHERD, {"label": SHEPHERD["label"][:-1]}, "no [+] or - in 'label' where 'input' has its 3. 'ки'"),
        (SHEPHERD, {"input": "7-9? -2 ки", "label": "7-9? -2 +"}, "no 'Step 1:' before the first"),
        (PRM800K, {"label": {"steps": [{"completions": [{"text": "a"}]}]}}, r"row of PRM800K and is none \(KeyError"),
        (
            PRM800K,
            {"label": {"steps": [{"completions": [{"text": 5, "rating": 1}]}]}},
            "a text was expected, and 5 found",
        ),
        (
            PRM800K,
            {"label": {"steps": [{"completions": [{"text": "a", "rating": 1}], "chosen_completion": -1}]}},
            "chosen_completion is -1, of 1 completions",
        ),
        (STEPWISE, {"completions": ["a", 3]}, "'completions' must be a list of texts"),
        (STEPWISE, {"labels": [True]}, "1 labels for 2 steps"),
    ],
)
def test_a_row_that_only_begins_like_one_is_refused(
    tmp_path: Path, row: dict[str, Any], changes: dict[str, Any], match: str
) -> None:
    with pytest.raises(BadInput, match=match):
        read(tmp_path, row | changes)


def test_other_names_are_mapped_by_hand(tmp_path: Path) -> None:
    row = {"frage": "2+2?", "schritte": ["2+2=5\n", "=5"], "noten": [0.25, None], "labels": "mine"}
    [(steps, labels)] = read(tmp_path, row, columns={"prompt": "frage", "steps": "schritte", "labels": "noten"})
    assert steps == ["2+2=5\n", "=5"]
    assert labels[0] == 0.25
    assert math.isnan(labels[1])
    with pytest.raises(BadInput, match=r"columns prompt=fragen: .*no 'fragen' in this row; it has 'frage'"):
        read(tmp_path, row, columns={"prompt": "fragen"})
    with pytest.raises(BadInput, match="columns note=noten: use id, prompt"):
        read(tmp_path, row, columns={"note": "noten"})
    (tmp_path / "orm.jsonl").write_text(json.dumps({"q": "2+2?", "solution": "=4", "ok": True}))
    [outcome] = read_outcomes(tmp_path / "orm.jsonl", columns={"prompt": "q", "correct": "ok"})
    assert outcome.outcome == 1.0


def test_processbenchs_label_is_the_first_wrong_step(tmp_path: Path) -> None:
    row = {"problem": "2+2?", "steps": ["2+2=5\n", "so", "=5"], "label": 1}
    found = read(tmp_path, row, row | {"label": -1}, row | {"label": 0})
    assert [labels for _, labels in found] == [[1.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    with pytest.raises(BadInput, match=r"rows.jsonl:1: 'label' is 3, of 3 steps; it is the first wrong one's place"):
        read(tmp_path, row | {"label": 3})


def test_labels_may_be_plus_and_minus(tmp_path: Path) -> None:
    [(_, labels)] = read(tmp_path, {"prompt": "2+2?", "steps": ["a", "b", "c"], "labels": ["+", "-", None]})
    assert labels[:2] == [1.0, 0.0]
    assert math.isnan(labels[2])


def test_a_row_of_math_shepherd_without_its_mark_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"rows.jsonl:1: .* no step of this 'input' ends with 'ки'"):
        read(tmp_path, SHEPHERD | {"input": "What is 2? Step 1: 2"})


def test_rows_without_a_rated_step_are_counted(tmp_path: Path) -> None:
    empty = PRM800K | {"label": {"steps": []}}
    with pytest.warns(SkippedRowsWarning, match=r"1 of 2 rows of .*rows.jsonl have no rated step .*rows.jsonl:2\)"):
        assert read(tmp_path, PRM800K, empty) == [*read(tmp_path, PRM800K)]


def test_rows_are_read_of_data_sets_dicts_and_other_files(tmp_path: Path) -> None:
    expected = read(tmp_path, STEPWISE)
    table = Dataset.from_list([STEPWISE])
    table.to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "rows.json").write_text(json.dumps([STEPWISE]))
    for source in (table, [STEPWISE], iter([STEPWISE]), tmp_path / "rows.parquet", str(tmp_path / "rows.json")):
        [row] = read_step_labels(source)
        assert [([step.text for step in row.solution.steps], list(row.labels))] == expected
    with pytest.raises(BadInput, match=r"rows\[0\]: labels\[1\] is 'maybe'"):
        read_step_labels([STEPWISE | {"labels": [True, "maybe"]}])
    with pytest.raises(BadInput, match=r"rows\[0\]: a str where a dict such as"):
        read_step_labels(["2+2?"])  # type: ignore[list-item]


def test_a_prompt_may_be_messages(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "2+2?"}]
    for name in ("prompt", "messages"):
        [row] = read_step_labels([{name: turns, "steps": ["=4"], "labels": [1]}])
        assert row.problem.prompt == (Message("user", "2+2?"),)


def test_what_a_row_lacks_is_told_with_how_to_map_it(tmp_path: Path) -> None:
    with pytest.raises(
        BadInput, match=r"no 'solution' or 'steps' .* has 'question', 'response', .*--columns solution=NAME"
    ):
        read_outcomes([{"question": "2+2?", "response": "=4", "correct": True}])
    with pytest.raises(BadInput, match=r"no 'prompt' or .*--columns prompt=NAME"):
        read_outcomes([{"frage": "2+2?", "solution": "=4", "correct": True}])
    objects = [{"text": "=4", "label": 1}]
    with pytest.raises(
        BadInput, match=r"its first is an object \('text', 'label'\); put the labels into a list 'labels'"
    ):
        read_step_labels([{"prompt": "2+2?", "steps": objects}])


def test_labels_of_0_and_1_alone_are_no_places_of_errors(tmp_path: Path) -> None:
    row = {"prompt": "2+2?", "steps": ["2+2=4\n", "=4"], "label": 1}
    with pytest.raises(BadInput, match=r"rows.jsonl:1: 'label' is 0 or 1 in all rows .* give 'labels', one a step"):
        read(tmp_path, row, row | {"label": 0})
    for mark in ({"generator": "a"}, {"final_answer_correct": False}):
        assert [labels for _, labels in read(tmp_path, row | mark, row)] == [[1.0, 0.0]] * 2
    with pytest.raises(BadInput, match="no list 'labels' in this row"):
        read(tmp_path, row | {"correct": True})
    assert read(tmp_path, row | {"labels": [1, 1]}) == [(["2+2=4\n", "=4"], [1.0, 1.0])]


def test_outcomes_are_read_beside_a_label_of_another_kind() -> None:
    row = {"prompt": "2+2?", "steps": ["=4"], "correct": True}
    assert [read_outcomes([row | {"label": label}])[0].outcome for label in (0, 1, 7)] == [1.0] * 3
    with pytest.raises(BadInput, match="no 'correct' in this row"):
        read_outcomes([{"prompt": "2+2?", "steps": ["=4"], "label": 1}])


def test_a_prompt_of_any_name_tells_a_row_from_math_shepherds() -> None:
    turns = [{"role": "user", "content": "2+2?"}]
    row = {"solution": "=4", "correct": True, "input": "2+2?", "label": "4"}
    for name, prompt in {"prompt": "2+2?", "question": "2+2?", "problem": "2+2?", "messages": turns}.items():
        assert read_outcomes([row | {name: prompt}])[0].outcome == 1.0


def test_rows_may_have_numpys_values() -> None:
    turns = np.array([{"role": "user", "content": "2+2?"}], dtype=object)
    row = {"id": np.int64(3), "prompt": turns, "steps": np.array(["2+2=4\n", "=4"], dtype=object)}
    [steps] = read_step_labels([row | {"labels": np.array([True, False]), "root": np.float32(0.5)}])
    assert (steps.problem.id, list(steps.labels), steps.root) == ("3", [1.0, 0.0], 0.5)
    assert steps.problem.prompt == (Message("user", "2+2?"),)
    [outcome] = read_outcomes([row | {"correct": np.bool_(True)}])
    assert outcome.outcome == 1.0
    assert read_step_labels([row | {"labels": [np.float32(0.5), None]}])[0].labels[0] == 0.5


def test_a_table_of_pandas_is_told_how_to_give_its_rows() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame([{"prompt": "2+2?", "solution": "=4", "correct": True}])
    with pytest.raises(BadInput, match=r"give table.to_dict\('records'\)"):
        read_outcomes(table)
    assert read_outcomes(table.to_dict("records"))[0].outcome == 1.0
