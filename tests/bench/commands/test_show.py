"""`stepbeam show`: the table that the run printed, and the same for other programs."""

import csv
import io
import json
from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.commands.show import shown_by
from bench.files.rows import PointRow
from bench.runs.table import as_latex, as_markdown, table
from tests.small_commands import write_parts

RUN = ("run", "--task=chain", "--policy=own.parts:drawn", "--scorer=own.parts:judge", "--n=4", "--limit=6")


@pytest.fixture
def _parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_parts(tmp_path, monkeypatch)


def shown(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(argv) == 0
    return capsys.readouterr().out


@pytest.mark.usefixtures("_parts")
def test_the_table_again_and_for_other_programs(capsys: pytest.CaptureFixture[str]) -> None:
    printed = shown(capsys, *RUN, "--out=out")
    table = printed[printed.index("strategy") : printed.index("- files")].strip()
    assert shown(capsys, "show", "out").strip() == table
    as_csv = list(csv.DictReader(io.StringIO(shown(capsys, "show", "out", "--format=csv"))))
    as_json = json.loads(shown(capsys, "show", "out", "--format=json"))
    points = [json.loads(line) for line in Path("out/points.jsonl").read_text().splitlines()]
    assert [float(row["accuracy"]) for row in as_csv] == [row["accuracy"] for row in as_json]
    assert [row["accuracy"] for row in as_json] == [point["accuracy"] for point in points]
    assert [row["sampled_tokens"] for row in as_json] == [point["sampled_tokens"] for point in points]
    assert shown(capsys, *RUN, "--out=two")
    both = json.loads(shown(capsys, "show", "out", "two", "--format=json"))
    assert [row["run"] for row in both] == ["out"] * len(points) + ["two"] * len(points)


def test_a_folder_is_not_read_for_no_category(tmp_path: Path) -> None:
    assert list(shown_by(tmp_path / "absent", [])) == []


def test_signs_of_other_formats() -> None:
    point = PointRow("best_of_n", "a|b_1", 4, 0.5, 0.25, 0.75, 8)
    assert as_markdown([point]).splitlines()[2] == r"| best_of_n (a\|b_1) | 4 | 0.500 | 0.250-0.750 |"
    assert r"best\_of\_n (a|b\_1) & 4 & 0.500 & 0.250--0.750 \\" in as_latex([point])
    assert as_latex([point]).startswith("\\begin{tabular}{lrrr}\n\\toprule")


def test_cells_of_any_text_keep_the_table() -> None:
    point, beside = PointRow("s", None, 4, 0.5, 0.25, 0.75, 8), (["a|b\n_c"], [["2024-05-01\na\\b^2~{x}|y"]])
    assert as_markdown([point], beside).splitlines() == [
        r"| a\|b _c | strategy | N | accuracy | 95% interval |",
        "| --- | --- | ---: | ---: | ---: |",
        r"| 2024-05-01 a\b^2~{x}\|y | s | 4 | 0.500 | 0.250-0.750 |",
    ]
    tex = as_latex([point], beside).splitlines()
    assert tex[2] == r"a|b \_c & strategy & N & accuracy & 95\% interval \\"
    escaped = r"2024-05-01 a\textbackslash{}b\textasciicircum{}2\textasciitilde{}\{x\}|y"
    assert tex[4] == rf"{escaped} & s & 4 & 0.500 & 0.250--0.750 \\"
    assert len(table([point], beside).splitlines()) == 3


def write_run(folder: str, **fields: object) -> None:
    """The rows of a run with two problems, whose fields have two values each."""
    Path(folder).mkdir()
    result = {"strategy": "self_consistency", "scorer": None, "n": 2, "flops": 0.0}
    rows = {
        "problems": [{"id": str(i), "prompt": "?", "answer": "1", "fields": dict.fromkeys(fields, i)} for i in (5, 6)],
        "results": [{**result, "problem": str(i), "correct": i - 5} for i in (5, 6)],
        "points": [{**result, "accuracy": 0.5, "low": 0, "high": 1, "problems": 2,
                    "seconds": 3.0}],
    }  # fmt: skip
    for name, found in rows.items():
        Path(folder, f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found))


@pytest.mark.usefixtures("_parts")
@pytest.mark.parametrize("field", ["n", "strategy", "problems", "seconds", "run", "accuracy"])
def test_a_field_of_a_name_that_the_table_has(capsys: pytest.CaptureFixture[str], field: str) -> None:
    write_run("one", **{field: 0})
    write_run("two", **{field: 0})
    rows = json.loads(shown(capsys, "show", "one", "two", "--format=json", f"--by={field}"))
    assert [(row["run"], row[f"by_{field}"], row["n"], row["problems"]) for row in rows] == [
        ("one", "5", 2, 1),
        ("one", "6", 2, 1),
        ("two", "5", 2, 1),
        ("two", "6", 2, 1),
    ]
    header = shown(capsys, "show", "one", "two", "--format=csv", f"--by={field}").splitlines()[0].split(",")
    assert len(set(header)) == len(header)
    assert set(header) == rows[0].keys()


@pytest.mark.usefixtures("_parts")
def test_seconds_of_a_category_are_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    write_run("one", level=0)
    assert {row["seconds"] for row in json.loads(shown(capsys, "show", "one", "--format=json", "--by=level"))} == {None}
    whole, by_level = shown(capsys, "show", "one", "--by=level", "--by=level").strip().split("\n\n", 1)
    assert "seconds" in whole
    assert "seconds" not in by_level
    assert by_level.count("level  problems") == 1


@pytest.mark.usefixtures("_parts")
def test_a_field_that_one_run_lacks_is_told_before_any_table(capsys: pytest.CaptureFixture[str]) -> None:
    write_run("one", level=0)
    write_run("two", size=0)
    assert main(["show", "one", "two", "--by=level"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "--by level: no problem of two has this field" in told.err


def test_what_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(tmp_path)]) == 2
    assert "give the folder of a finished" in capsys.readouterr().err


@pytest.mark.usefixtures("_parts")
def test_several_categories_are_told_apart_by_programs(capsys: pytest.CaptureFixture[str]) -> None:
    write_run("one", level=0, topic=0)
    rows = json.loads(shown(capsys, "show", "one", "--format=json", "--by=level", "--by=topic"))
    assert {(row["field"], row["category"]) for row in rows} == {(f, v) for f in ("level", "topic") for v in ("5", "6")}
    assert "level 5" in shown(capsys, "show", "one", "--format=markdown", "--by=level", "--by=topic")
