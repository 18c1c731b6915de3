"""Rows of a run's files: what is written is read back, and what is no such row is named."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.files.rows import PointRow, SampleRow, ScoreRow, TreeRow, from_row, to_row
from verifiers.interface.lines import json_line

SAMPLE = SampleRow(
    problem="p", strategy="sample", n=2, index=1, steps=("a\n", "b"), tokens=((1, 2), (3,)), logprob=-0.5, stop="eos",
    answer="b", correct=None,
)  # fmt: skip
SCORE = ScoreRow("p", "sample", 2, 1, "orm", (math.nan, math.inf, 0.25), -math.inf, "why")
TREE = TreeRow("p", "beam_search", "prm", 4, 0, -1, 0, "a\n", "open", math.nan, "kept")


@pytest.mark.parametrize("row", [SAMPLE, SCORE, TREE])
def test_what_is_written_is_read_back(row: Any) -> None:
    line = json_line(to_row(row))
    again = from_row(type(row), json.loads(line), where="here")
    assert repr(again) == repr(row)  # NaN is not equal to itself
    assert json_line(to_row(again)) == line


def test_columns_stand_in_their_order() -> None:
    assert list(to_row(SCORE)) == ["problem", "strategy", "n", "index", "scorer", "steps", "value", "reason"]
    assert to_row(SCORE)["steps"] == [None, "inf", 0.25]
    assert list(to_row(SAMPLE))[:5] == ["problem", "strategy", "scorer", "n", "index"]


def test_a_column_of_texts_has_no_nulls_and_those_of_before_are_read() -> None:
    tree = replace(TREE, scorer=None)
    written = [to_row(row) for row in (SAMPLE, replace(SCORE, reason=None), tree)]
    assert [row.get("scorer") for row in written] == ["", "orm", ""]
    assert [row.get("reason") for row in written] == ["", "", None]
    assert from_row(TreeRow, written[-1] | {"scorer": None}, where="here").scorer is None
    assert from_row(SampleRow, written[0] | {"reason": None, "scorer": None}, where="here") == SAMPLE


@pytest.mark.slow
def test_a_large_file_is_a_data_set(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    for kind, none, some in (
        ("trees", replace(TREE, scorer=None), TREE),
        ("samples", SAMPLE, replace(SAMPLE, stop="failed", reason="HTTP 500", scorer="prm")),
    ):
        file = tmp_path / f"{kind}.jsonl"
        file.write_text("".join(json_line(to_row(row)) for row in [none] * 300 + [some] * 300))
        found = datasets.load_dataset(
            "json", data_files=str(file), split="train", chunksize=1 << 12, cache_dir=tmp_path
        )
        assert (found[0]["scorer"], found[-1]["scorer"], len(found)) == ("", "prm", 600)


def test_every_column_is_needed_and_checked() -> None:
    for row in (SAMPLE, SCORE, TREE):
        whole = to_row(row)
        for name in whole:
            with pytest.raises(ValueError, match=rf"^s\.jsonl:3: '{name}' is \{{\"a\": 1\}}, not "):
                from_row(type(row), whole | {name: {"a": 1}}, where="s.jsonl:3")
    for name in ("problem", "n", "index", "steps", "stop", "answer", "correct"):
        lacking = {key: value for key, value in to_row(SAMPLE).items() if key != name}
        with pytest.raises(ValueError, match=rf"^s\.jsonl:3: no '{name}' in this row; it has '\w+', "):
            from_row(SampleRow, lacking, where="s.jsonl:3")
    with pytest.raises(ValueError, match=r"^s\.jsonl:3: not an object"):
        from_row(SampleRow, [1], where="s.jsonl:3")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("n", 0, "a whole number from 1"),
        ("n", True, "a whole number from 1"),
        ("index", -1, "a whole number from 0"),
        ("steps", ["a", 1], "a list of texts"),
        ("tokens", [1], "lists of tokens"),
        ("correct", 1, "true, false or null"),
        ("logprob", "nan", "a number or null"),
    ],
)
def test_values_out_of_range_are_named(name: str, value: object, kind: str) -> None:
    with pytest.raises(ValueError, match=f"{name!r} is {json.dumps(value)}, not {kind}".replace("[", r"\[")):
        from_row(SampleRow, to_row(SAMPLE) | {name: value}, where="here")


def test_unknown_costs_are_nought_and_further_columns_are_left_out() -> None:
    row = {"strategy": "s", "scorer": None, "n": 1, "accuracy": 0.5, "low": 0, "high": 1, "problems": 2, "more": 1}
    assert from_row(PointRow, row, where="here") == PointRow("s", None, 1, 0.5, 0, 1, 2)
