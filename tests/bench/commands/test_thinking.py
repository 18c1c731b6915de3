"""Marks of thinking on the command line: grading, votes, the folder's config and its report know the same ones."""

import json
from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.files.run_folder import read_config
from bench.report.folder import read_folder
from bench.report.problems import detail_record

COT = "--thinking=<cot>,</cot>"
PARTS = """
import policies

policy = policies.Scripted(lambda problem, prefix, seed: f"<cot>\\nThe answer is 9.\\n</cot>\\nThe answer is 4.")
late = policies.Scripted(lambda problem, prefix, seed: f"The answer is 4.\\n<cot>\\nThe answer is 9.\\n")
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "aloud").mkdir()
    (tmp_path / "aloud" / "__init__.py").write_text("")
    (tmp_path / "aloud" / "parts.py").write_text(PARTS)
    (tmp_path / "task.jsonl").write_text(json.dumps({"id": "q", "prompt": "2+2?", "answer": "4"}) + "\n")
    texts = ["The answer is 4. <cot> The answer is 9.", "<cot>\nis it 9?\n</cot>\nThe answer is 4."]
    (tmp_path / "pool.jsonl").write_text(json.dumps({"prompt": "2+2?", "answer": "4", "responses": texts}) + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)


def verdicts(folder: str) -> list[bool]:
    return [json.loads(line)["correct"] for line in Path(folder, "samples.jsonl").read_text().splitlines()]


def thoughts(folder: str) -> list[int]:
    [rows] = read_folder(Path(folder), folder, most=1).shown
    return [solution["thought"] for pool in detail_record(rows)["pools"] for solution in pool["solutions"]]


def test_rerank_reads_no_answer_in_a_thought_of_further_marks() -> None:
    assert main(["rerank", "pool.jsonl", "--out=plain"]) == 0
    assert main(["rerank", "pool.jsonl", "--out=marked", COT, "--thinking=<b>,</b>"]) == 0
    assert verdicts("plain") == [False, True]
    assert verdicts("marked") == [True, True]
    assert thoughts("plain") == [0, 0]
    assert thoughts("marked") == [0, 3]
    assert "thinking" not in read_config(Path("plain/config.toml"))
    assert read_config(Path("marked/config.toml"))["thinking"] == ["<cot>,</cot>", "<b>,</b>"]


def test_a_run_has_its_marks_in_its_config_and_goes_on_with_them(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "--task=task.jsonl", "--policy=aloud.parts:late", "--n=2", "--out=run"]
    assert main([*command, COT]) == 0
    assert verdicts("run") == [True, True]
    assert read_config(Path("run/config.toml"))["thinking"] == ["<cot>,</cot>"]
    assert main([*command, COT]) == 0
    capsys.readouterr()
    assert main(command) == 2  # without them the same texts would be other answers
    assert "thinking" in capsys.readouterr().err
    assert main([*command[:-1], "--out=other"]) == 0
    assert verdicts("other") == [False, False]


def test_a_report_of_reranked_runs_knows_the_marks_of_the_run() -> None:
    assert main(["run", "--task=task.jsonl", "--policy=aloud.parts:policy", "--n=2", "--out=run", COT]) == 0
    assert main(["rerank", "run", "--out=again"]) == 0
    assert thoughts("run") == thoughts("again") == [3, 3]


@pytest.mark.parametrize("marks", ["<cot>", "<cot>,", ",</cot>", "a,b,c", ""])
def test_marks_that_are_no_pair_end_the_command_with_a_line(marks: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rerank", "pool.jsonl", f"--thinking={marks}"]) == 2
    assert "write BEGIN,END" in capsys.readouterr().err
