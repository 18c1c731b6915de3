"""What `stepbeam rerank` may write, and where."""

import json
import tomllib
from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.inputs.specs import version_of
from bench.pools.kept_scores import open_scores
from bench.pools.rerank import rerank
from verifiers.grading.answers import MATH, Answers
from verifiers.interface.errors import BadInput
from verifiers.interface.files import append_rows


def solutions(right: int) -> list[dict[str, object]]:
    return [{"text": f"The answer is {1 if i < right else 2}.", "rm": 0.1 * i} for i in range(4)]


def write(path: str, *, problems: int = 3) -> str:
    rows = [{"id": f"p{i}", "prompt": f"{i}?", "answer": "1", "solutions": solutions(i)} for i in range(problems)]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def fails(capsys, *arguments: str) -> str:
    assert main(list(arguments)) == 2
    return str(capsys.readouterr().err)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["problems.jsonl", "samples.jsonl", "pool.jsonl"])
def test_what_is_read_is_never_replaced(capsys, name: str) -> None:
    before = Path(write(f"mine/{name}")).read_bytes()
    assert "mine: mine/" in fails(capsys, "rerank", f"mine/{name}", "--out=mine")
    assert Path("mine", name).read_bytes() == before
    assert [path.name for path in Path("mine").iterdir()] == [name]


def test_a_run_is_never_replaced(capsys) -> None:
    assert main(["run", "--task=chain", "--policy=tiny:policy", "--limit=2", "--n=2", "--out=run"]) == 0
    before = {path.name: path.read_bytes() for path in Path("run").iterdir() if path.is_file()}
    assert "run: run is read from there" in fails(capsys, "rerank", "run", "--out=run")
    assert "run: this folder holds a run" in fails(capsys, "rerank", write("pool.jsonl"), "--out=run")
    assert {path.name: path.read_bytes() for path in Path("run").iterdir() if path.is_file()} == before


def test_results_of_other_pools_are_never_replaced(capsys) -> None:
    write("a/pool.jsonl")
    write("b/pool.jsonl", problems=2)
    assert main(["rerank", "a/pool.jsonl", "--n=2"]) == 0
    assert "runs/rerank-pool: this folder holds a rerank of a/pool.jsonl" in fails(capsys, "rerank", "b/pool.jsonl")
    assert main(["rerank", "a/pool.jsonl", "--n=4", "--select=soft"]) == 0
    config = tomllib.loads(Path("runs/rerank-pool/config.toml").read_text())
    assert (config["sizes"], config["select"], config["answers"]) == ([1, 2, 4], ["soft"], "math")


def test_a_folder_of_other_files_is_never_written_into(capsys) -> None:
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("dear diary")
    assert "mine: this folder holds other files" in fails(capsys, "rerank", write("pool.jsonl"), "--out=mine")
    assert [path.name for path in Path("mine").iterdir()] == ["notes.txt"]


def test_a_command_that_ended_early_goes_on_in_its_folder(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*arguments: object) -> None:
        raise BadInput("stopped")

    write("pool.jsonl")
    with monkeypatch.context() as patch:
        patch.setattr("bench.pools.rerank.write_results", stopped)
        assert "stopped" in fails(capsys, "rerank", "pool.jsonl", "--out=out", "--n=2")
    run = ["run", "--task=chain", "--policy=tiny:policy", "--limit=2", "--n=2", "--out=out"]
    assert "out: this folder holds a rerank" in fails(capsys, *run)
    assert main(["rerank", "pool.jsonl", "--out=out", "--n=2"]) == 0


def test_a_command_can_be_read_off_its_folder() -> None:
    options = ["--columns=answer=gold", "--limit=2", "--separator= ", "--answers=exact", "--n=3", "--reduce=min"]
    rows = [{"prompt": f"{i}?", "gold": "1", "solutions": solutions(i)} for i in range(3)]
    Path("pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["rerank", "pool.jsonl", "--out=out", *options]) == 0
    config = tomllib.loads(Path("out/config.toml").read_text())
    assert {name: config[name] for name in ("columns", "limit", "separator", "answers", "sizes", "reduce")} == {
        "columns": ["answer=gold"],
        "limit": 2,
        "separator": " ",
        "answers": "exact",
        "sizes": [1, 2, 3],
        "reduce": ["min"],
    }


def test_a_way_given_twice_counts_once() -> None:
    write("pool.jsonl", problems=4)
    assert main(["rerank", "pool.jsonl", "--out=once", "--n=4", "--select=best_of_n"]) == 0
    assert main(["rerank", "pool.jsonl", "--out=twice", "--n=4", "--select=best_of_n,best_of_n"]) == 0
    assert Path("once/points.jsonl").read_bytes() == Path("twice/points.jsonl").read_bytes()


def test_kept_scores_behind_a_damaged_line_are_not_lost() -> None:
    kept = Path("rerank-scores.jsonl")
    append_rows(kept, ({"scorer": "s", "digest": str(i), "steps": [], "values": []} for i in range(3)), sealed=True)
    rows = kept.read_text().splitlines(keepends=True)
    for damaged in ("damaged\n", rows[1].replace('"1"', '"7"')):
        kept.write_text(rows[0] + damaged + rows[2])
        before = kept.read_bytes()
        with pytest.raises(BadInput, match=r"rerank-scores.jsonl:2: not a line that was written here"):
            open_scores(kept)
        assert kept.read_bytes() == before
    kept.write_text("".join(rows) + '{"scorer": "torn')
    assert len(open_scores(kept).known) == 3
    assert kept.read_text() == "".join(rows)


INFINITE = """
import numpy as np
from verifiers import Scores

class Logs:
    def score(self, problems, solutions):
        values = [-np.inf if "1" in s.text else np.inf if "2" in s.text else 0.5 for s in solutions]
        return Scores(tuple(np.full(len(s.steps), v, dtype=np.float32) for s, v in zip(solutions, values)))

logs = Logs()
"""


def test_the_rest_of_a_calls_lines_is_made_with_those_that_a_kill_left(tmp_path: Path) -> None:
    # Scored alone, the second has another last digit.
    rows = [{"prompt": f"C 1+{i}\n", "answer": str(i), "solutions": ["1", "2"]} for i in range(2)]
    Path("pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def written() -> bytes:
        rerank(["pool.jsonl"], {"prm": "tiny:prm"}, tmp_path / "out", sizes=(1, 2), progress=False)
        return (tmp_path / "out/scores.jsonl").read_bytes()

    whole, kept = written(), tmp_path / "out/rerank-scores.jsonl"
    lines = kept.read_bytes().splitlines(keepends=True)
    for left in (lines[0], lines[1], lines[0] + lines[1][:-9]):
        kept.write_bytes(left)
        assert written() == whole


def test_infinite_scores_are_written_and_read_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Path("infinite").mkdir()
    Path("infinite/__init__.py").write_text("")
    Path("infinite/parts.py").write_text(INFINITE)
    monkeypatch.syspath_prepend(str(tmp_path))
    command = ["run", "--task=chain", "--policy=tiny:policy", "--limit=4", "--n=8", "--out=run"]
    ways = "--strategies=best_of_n:logs,beam_search:logs"
    assert main([*command, "--scorer=logs=infinite.parts:logs", ways]) == 0
    assert '"-inf"' in Path("run/scores.jsonl").read_text()
    assert main(["rerank", "run", "--n=8", "--out=once"]) == 0
    assert main(["rerank", "once", "--n=8", "--out=again"]) == 0
    curves = []
    for folder in ("run", "once", "again"):
        points = [json.loads(line) for line in Path(folder, "points.jsonl").read_text().splitlines()]
        curves.append([(p["n"], p["accuracy"]) for p in points if p["strategy"] == "best_of_n"])
    assert curves[0] == curves[1] == curves[2]


def test_a_scorer_of_ones_own_is_as_new_as_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Path("fresh").mkdir()
    Path("fresh/__init__.py").write_text("")
    Path("fresh/parts.py").write_text(INFINITE)
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("fresh.parts")
    before = version_of("fresh.parts:logs")
    Path("fresh/parts.py").write_text(INFINITE + "\n# another\n")
    assert version_of("fresh.parts:logs").split()[0] == before.split()[0] == "fresh.parts:logs"
    assert version_of("fresh.parts:logs") != before


def test_scores_below_nought_are_no_weights(capsys) -> None:
    rows = [{"prompt": "?", "answer": "1", "solutions": [{"text": f"{i % 2}", "logp": -0.5 - i} for i in range(4)]}]
    Path("pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["rerank", "pool.jsonl", "--out=out", "--n=4"]) == 0
    assert "- logp: some scores are below 0; in weighted_majority" in capsys.readouterr().out
    assert main(["rerank", "pool.jsonl", "--out=out", "--n=4", "--select=best_of_n"]) == 0
    assert "below 0" not in capsys.readouterr().out


def test_a_scorer_that_cannot_read_the_prompts_is_named_in_a_line(capsys) -> None:
    talk = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}]
    rows = [{"prompt": talk, "answer": "2", "solutions": ["2", "3"]}]
    Path("pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert fails(capsys, "rerank", "pool.jsonl", "--scorer=tiny:orm").startswith("stepbeam: --scorer orm: ")


def test_answers_that_cannot_read_are_told_before_anything_is_scored(tmp_path: Path) -> None:
    def read(text: str) -> str | None:
        raise KeyError(text)

    rows = [{"prompt": "?", "answer": "2", "solutions": ["2", "3"]}]
    Path("pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(KeyError):
        rerank(["pool.jsonl"], {"tiny": "tiny:orm"}, Path("out"), answers=Answers(read, MATH.equal), progress=False)
    assert not Path("out/rerank-scores.jsonl").exists()
