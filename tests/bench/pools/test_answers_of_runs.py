"""How a rerank reads answers where nobody says so: as the run did, by its option or by its task."""

import json
import sys
from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.files.run_folder import read_config

WORDS = """
from bench.inputs.task import Task
from policies import Scripted
from verifiers import Answers, Problem

def equal(pairs):
    return [answer.lower() == gold.lower() for answer, gold in pairs]

answers = Answers(str.strip, equal)
rows = [{"prompt": f"Name colour {n}", "answer": "red"} for n in range(6)]
task = Task("colours", [Problem(f"q{n}", f"Name colour {n}", "red") for n in range(6)], answers)

@Scripted
def pupil(problem, prefix, seed):
    return ("Red", "red", "RED", "blue", "blue")[seed % 5][len(prefix.text):]
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "colours", raising=False)
    Path("colours.py").write_text(WORDS)


def votes(folder: str) -> list[tuple[int, float]]:
    points = [json.loads(line) for line in Path(folder, "points.jsonl").read_text().splitlines()]
    return [(point["n"], point["accuracy"]) for point in points if point["strategy"] == "self_consistency"]


def made(task: str, out: str) -> None:
    options = ["--policy=colours:pupil", "--strategies=self_consistency", "--n=5", f"--out={out}"]
    assert main(["run", *task.split(), *options]) == 0


@pytest.mark.parametrize("task", ["--task=colours:rows --answers=colours:answers", "--task=colours:task"])
def test_a_rerank_votes_as_the_run_did(task: str) -> None:
    made(task, "run")
    assert main(["rerank", "run", "--out=again"]) == 0
    assert votes("again") == votes("run")
    assert main(["rerank", "again", "--out=third"]) == 0
    assert votes("third") == votes("run")
    assert main(["rerank", "run", "--out=exact", "--answers=exact"]) == 0
    assert votes("exact") != votes("run")
    assert read_config(Path("exact/config.toml"))["answers"] == "exact"


def test_letters_of_an_embedded_task_are_no_product() -> None:
    made("--task=last_letter --limit=1", "run")
    rows = [json.loads(line) for line in Path("run/samples.jsonl").read_text().splitlines()]
    said = [{**row, "answer": answer} for row, answer in zip(rows, ["ab", "ba", "c", "c", "d"], strict=True)]
    config = Path("run/config.toml").read_text()
    for file in Path("run").iterdir():
        if file.name not in ("problems.jsonl", "config.toml"):
            file.unlink()
    Path("run/samples.jsonl").write_text(
        "".join(json.dumps(row | {"correct": row["answer"] == "c", "stop": "eos"}) + "\n" for row in said)
    )
    assert 'task = "last_letter"' in config
    assert main(["rerank", "run", "--out=again"]) == 0
    assert votes("again")[-1] == (5, 1.0)  # as mathematics ab is ba, and the votes are two to two
    assert main(["rerank", "run", "--out=mathematics", "--answers=math"]) == 0
    assert votes("mathematics")[-1] != (5, 1.0)


def test_sources_that_read_answers_in_two_ways(capsys: pytest.CaptureFixture[str]) -> None:
    made("--task=colours:rows --answers=colours:answers", "run")
    Path("pool.jsonl").write_text(json.dumps({"prompt": "1+1?", "answer": "2", "responses": ["2", "3"]}) + "\n")
    assert main(["rerank", "run", "pool.jsonl", "--out=both"]) == 2
    assert "--answers not given: run and pool.jsonl read answers in two ways" in capsys.readouterr().err
    assert main(["rerank", "run", "pool.jsonl", "--out=both", "--answers=math"]) == 0


def test_a_task_that_is_gone(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    made("--task=colours:task", "run")
    Path("colours.py").unlink()
    monkeypatch.delitem(sys.modules, "colours")
    assert main(["rerank", "run", "--out=again"]) == 2
    told = capsys.readouterr().err
    assert "run read them as its task does, which cannot be had" in told
    assert "say how, as math where that was a file or a data set, and has moved" in told
    assert main(["rerank", "run", "--out=again", "--answers=exact"]) == 0
