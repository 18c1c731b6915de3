"""`stepbeam show`: the table that the run printed, and the same for other programs."""

import csv
import io
import json
import sys
from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.commands.show import shown_by
from bench.files.rows import PointRow
from bench.runs.table import as_latex, as_markdown
from tests.small_commands import write_parts

RUN = ("run", "--task=chain", "--policy=own.parts:drawn", "--scorer=own.parts:judge", "--n=4", "--limit=6")


@pytest.fixture
def _parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("own", "own.parts"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    write_parts()


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


def test_what_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(tmp_path)]) == 2
    assert "give the folder of a finished" in capsys.readouterr().err
