"""`benchmarks/real_text.sh`, the verifiers of GSM8K and MATH, with files and a model of the smallest size."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_models import byte_pairs, random_llama

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "real_text.sh"


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


@pytest.mark.slow
def test_every_command_of_the_script_runs_and_a_second_time_reads_what_is_there(tmp_path: Path) -> None:
    questions = [f"Ann has {i} apples and buys {i}. How many has she?" for i in range(1, 4)]
    verdicts = ["Verification: " + "Is the answer correct (Yes/No)? " + word for word in ("Yes", "No")]
    tokenizer = byte_pairs([*questions, *verdicts * 50], 400)
    random_llama(len(tokenizer), max_position_embeddings=1024).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    solved = [(f"q{i}", q, str(2 * i)) for i, q in enumerate(questions, 1)]
    common = [{"id": name, "prompt": q, "answer": gold} for name, q, gold in solved]
    texts = [("right", "The answer is {}.", True, verdicts[0]), ("wrong", "The answer is 1.", False, verdicts[1])]
    rows = [
        {**row, "solution": text.format(row["answer"]), "correct": right, "rationale": why}
        for row in common
        for _, text, right, why in texts
    ]
    pools = [
        {**row, "solutions": [{"text": text.format(row["answer"]), "correct": right} for _, text, right, _ in texts]}
        for row in common
    ]
    write(tmp_path / "genrm_train.jsonl.gz", rows)
    write(tmp_path / "genrm_pool_dev.jsonl.gz", pools)
    write(tmp_path / "math500.jsonl", [{"problem": q, "answer": gold, "level": 1} for _, q, gold in solved])
    sizes = {"DEVICE": "cpu", "STEPS": "2", "ROWS": "2", "PROBLEMS": "2", "VOTES": "1"}
    places = {"MODEL": str(tmp_path / "model"), "DATA": str(tmp_path), "OUT": str(tmp_path / "out")}
    programs = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def run() -> str:
        made = subprocess.run(
            ["bash", str(SCRIPT)], env={**os.environ, **sizes, **places, **programs}, capture_output=True, text=True
        )
        assert made.returncode == 0, made.stderr
        return made.stdout

    first = run()
    for arm in ("orm", "direct", "cot"):
        assert f"best_of_n ({arm})" in first
    results = [(tmp_path / "out" / name / "results.jsonl").read_bytes() for name in ("gsm8k", "math500")]
    run()
    assert results == [(tmp_path / "out" / name / "results.jsonl").read_bytes() for name in ("gsm8k", "math500")]
