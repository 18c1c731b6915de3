"""Numbers of hundreds of digits, and places that are none: a line and exit code 2, or read as they are."""

import json
from pathlib import Path

import pytest

from bench.commands.cli import main

HUGE = "9" * 400
POOL = {"id": "a", "prompt": "1+1?", "answer": "2", "solutions": ["It is 2."]}
LABELLED = [
    {"id": f"p{i}", "prompt": "1+1?", "solution": f"The answer is {i + 2}.", "correct": i == 0} for i in range(2)
]


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    Path("pool.jsonl").write_text(json.dumps(POOL) + "\n")
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in LABELLED))


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (f"rerank pool.jsonl --n={HUGE}", "it must be at most 100000"),
        (f"rerank pool.jsonl --replicas={HUGE}", "out of range"),
        ("rerank pool.jsonl --replicas=100000", "--replicas 100000: one machine takes at most 256"),
        (f"train orm rows.jsonl --base=tiny:policy --steps={HUGE}", "out of range"),
        ("train orm rows.jsonl --base=tiny:policy --steps=1000000000", "draws more than 100,000,000 examples"),
        ("train orm rows.jsonl --base=tiny:policy --epochs=1e300", "draws more than 100,000,000 examples"),
        (f"train orm rows.jsonl --base=tiny:policy --batch-size={HUGE}", "out of range"),
    ],
)
def test_a_number_that_nothing_could_hold(command: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--out=out"]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert len(said.splitlines()) == 1
    assert not Path("out").exists()


def test_a_gold_answer_of_hundreds_of_digits_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    Path("task.jsonl").write_text(f'{{"prompt": "1+1?", "answer": {HUGE}}}\n')
    assert main(["run", "--task=task.jsonl", "--policy=tiny:policy", "--n=1", "--max-tokens=4", "--out=out"]) == 0
    assert json.loads(Path("out/problems.jsonl").read_text())["answer"] == HUGE


def test_an_empty_place_and_ones_home(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (
        ["rerank", "pool.jsonl"],
        ["report", "runs/mine"],
        ["processbench", "p.jsonl", "--scorer=tiny:prm"],
    ):
        assert main([*command, "--out="]) == 2
        assert "argument --out: it is empty; name a file or a folder" in capsys.readouterr().err
    assert main(["rerank", "pool.jsonl", "--out=~/out"]) == 0
    assert Path("home/out/results.jsonl").exists()
    capsys.readouterr()
    for place in ("home", "/"):
        assert main(["report", "home/out", f"--out={place}"]) == 2
        assert "cannot write the report there" in capsys.readouterr().err
    assert not list(Path().rglob("*.draft"))


@pytest.mark.parametrize("seed", [1732883633000000000, (1 << 63) - 1])
def test_a_seed_of_nineteen_digits_is_one(seed: int) -> None:
    assert main(["rerank", "pool.jsonl", f"--seed={seed}", "--out=out"]) == 0
    assert f"seed = {seed}\n" in Path("out/config.toml").read_text()
