"""Reranking saved pools from the command line."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from bench.cli import main
from bench.pools import read_pools
from verifiers import Stop

DATA = Path(__file__).parents[3] / "shared" / "data"


def solution(answer: str, **fields: object) -> dict[str, object]:
    return {"text": f"It is simple.\nThe answer is {answer}.", **fields}


def write(path: Path, rows: list[dict[str, object]]) -> str:
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return str(path)


def results(folder: Path) -> dict[tuple[str, str | None, int], list[float]]:
    table: dict[tuple[str, str | None, int], list[float]] = {}
    for line in (folder / "results.jsonl").read_text().splitlines():
        row = json.loads(line)
        table.setdefault((row["strategy"], row["scorer"], row["n"]), []).append(row["correct"])
    return table


def test_recorded_verdicts_become_scores(tmp_path: Path) -> None:
    verdicts = [["Yes", "No", None, "Yes"], [None, None], ["No"], []]
    solutions = [solution("2", verdicts=v, length=7, note="words") for v in verdicts]
    [pool] = read_pools(Path(write(tmp_path / "p.jsonl.gz", [{"prompt": "?", "solutions": solutions}])))
    assert set(pool.recorded) == {"verdicts", "length"}
    assert pool.recorded["verdicts"][[0, 2]].tolist() == pytest.approx([2 / 3, 0.0])
    assert np.isnan(pool.recorded["verdicts"][[1, 3]]).all()
    assert all(s.stop is Stop.EOS and len(s.steps) == 2 for s in pool.solutions)


def test_curves_of_a_saved_pool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pools = [
        {
            "id": "votes-right",
            "prompt": "1+1?",
            "answer": "2",
            "solutions": [solution("2", score=0.1), solution("2.0", score=0.2), solution("3", score=0.9)],
        },
        {
            "id": "score-right",
            "prompt": "2+2?",
            "answer": "4",
            "solutions": [solution("5", score=0.1), solution("5", score=0.2), solution("4", score=0.9)],
        },
    ]
    assert main(["rerank", write(tmp_path / "p.jsonl.gz", pools), "--n=3", f"--out={tmp_path / 'out'}"]) == 0
    table = results(tmp_path / "out")
    assert table["self_consistency", None, 2] == pytest.approx([2 / 3, 1 / 3], abs=0.1)
    assert table["best_of_n", "score", 2] == pytest.approx([1 / 3, 2 / 3])
    assert table["pass@n", None, 1] == pytest.approx([2 / 3, 1 / 3])
    assert (tmp_path / "out" / "curve.png").stat().st_size > 1000
    assert "best_of_n (score)" in capsys.readouterr().out


def test_a_trained_scorer_beside_a_recorded_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    solutions = [{"text": f"7-9=8\n8*3={x}\n={x}", "human": float(x == 4)} for x in (4, 1, 4, 5)]
    row = {"id": "c", "prompt": "C 7-9*3\n", "answer": "4", "solutions": solutions}
    command = ["rerank", write(tmp_path / "p.jsonl.gz", [row]), "--scorer=tiny:orm", "--n=4"]
    assert main([*command, f"--out={tmp_path / 'out'}"]) == 0
    assert {scorer for _, scorer, _ in results(tmp_path / "out")} == {None, "orm", "human"}
    assert main([*command[:2], "--scorer=human=tiny:orm", f"--out={tmp_path / 'out'}"]) == 2
    assert "records scores of that name" in capsys.readouterr().err


def test_pools_of_mixed_sizes_stay_in_the_denominator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pools = [
        {"id": "empty", "prompt": "?", "answer": "1", "solutions": []},
        {"id": "one", "prompt": "?", "answer": "1", "solutions": [solution("1")]},
        {"id": "cut", "prompt": "?", "answer": "1", "solutions": [solution("1", stop="length")] * 2},
    ]
    assert main(["rerank", write(tmp_path / "p.jsonl.gz", pools), "--n=2", f"--out={tmp_path / 'out'}"]) == 0
    assert results(tmp_path / "out")["self_consistency", None, 2] == [0.0, 1.0, 0.0]
    assert "2 of 3 pools hold fewer than 2 solutions" in capsys.readouterr().out


@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data")
def test_the_real_pool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pool = DATA / "genrm_pool_dev.jsonl.gz"
    assert main(["rerank", str(pool), "--limit=40", "--n=8", f"--out={tmp_path / 'out'}"]) == 0
    table = {key: float(np.mean(values)) for key, values in results(tmp_path / "out").items()}
    assert table["pass@n", None, 8] > table["weighted_majority", "verdicts", 8] > table["self_consistency", None, 8]
    assert "agrees with the file's 'correct'" in capsys.readouterr().out
