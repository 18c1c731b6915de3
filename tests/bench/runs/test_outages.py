"""A policy or a scorer that is down for a while: the run stops or says so, and is mended to the same bytes."""

import json
import os
import sys
from pathlib import Path

import pytest

from bench.commands.cli import main

PARTS = """
import json
import random
from pathlib import Path

import numpy as np

from policies import Extended, Scripted
from verifiers import Scores, failed

def solve(problem, prefix, seed):
    rng = random.Random(f"{problem.id} {seed}")
    text = f"first {rng.randint(0, 3)}\\nthen {rng.randint(0, 9)}\\n#### {rng.randint(0, 3)}"
    return text[len(prefix.text):]

class Server:
    # what is down, as a file says: whole calls that raise, problems that raise, or single rows that fail
    def __init__(self):
        self.plain, self.calls, self.rows = Scripted(solve), 0, 0

    def extend(self, problems, prefixes, *, until, sampling, seeds):
        down = json.loads(Path("down.json").read_text())
        self.calls += 1
        if until in down.get("until", ()):
            raise ConnectionError("connection refused")
        low, high = down.get("calls", (0, 0))
        if low <= self.calls < high or any(p.id in down.get("problems", ()) for p in problems):
            raise ConnectionError("connection refused")
        self.rows += len(seeds)
        reply = self.plain.extend(problems, prefixes, until=until, sampling=sampling, seeds=seeds)
        bad = [seed % 7 in down.get("sevenths", ()) for seed in seeds]
        solutions = [failed("HTTP 503") if b else s for b, s in zip(bad, reply.solutions)]
        return Extended(tuple(solutions), reply.spend)

class Judge:
    rows = 0

    def score(self, problems, solutions):
        down = json.loads(Path("down.json").read_text())
        if any(p.id in down.get("judged", ()) for p in problems):
            raise RuntimeError("judge overloaded")
        self.rows += len(solutions)
        return Scores(tuple(np.array([len(set(step.text)) / 40 for step in s.steps]) for s in solutions))

server, judge = Server(), Judge()
"""

PROBLEMS = 200
ROWS = ("samples.jsonl", "scores.jsonl", "results.jsonl", "trees.jsonl", "notes.txt")
COMMAND = ["run", "--task=task.jsonl", "--policy=outages.parts:server", "--scorer=outages.parts:judge", "--n=4"]
COMMAND += ["--strategies=self_consistency,best_of_n,weighted_majority,beam_search"]


@pytest.fixture
def down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Say what is down: `down(problems=["q1"])`."""
    (tmp_path / "outages").mkdir()
    (tmp_path / "outages" / "__init__.py").write_text("")
    (tmp_path / "outages" / "parts.py").write_text(PARTS)
    rows = [{"id": f"q{i}", "prompt": f"{i}?", "answer": str(i % 4)} for i in range(PROBLEMS)]
    (tmp_path / "task.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for module in ("outages", "outages.parts"):
        sys.modules.pop(module, None)

    def say(**what: object) -> None:
        Path("down.json").write_text(json.dumps(what))

    say()
    return say


def rows(out: str) -> dict[str, bytes]:
    return {name: Path(out, name).read_bytes() for name in ROWS if Path(out, name).exists()}


def failed_samples() -> int:
    written = map(json.loads, Path("out/samples.jsonl").read_text().splitlines())
    return sum(row["strategy"] == "sample" and row["stop"] == "failed" for row in written)


def server():
    from outages.parts import server

    return server


def judge():
    from outages.parts import judge

    return judge


def test_a_third_of_a_run_is_down_and_drawn_again(down, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--limit=40", "--out=whole"]) == 0
    down(problems=[f"q{i}" for i in range(12, 25)], sevenths=[3])
    assert main([*COMMAND, "--limit=40", "--out=out", "--max-failed=1"]) == 0
    notes = Path("out/notes.txt").read_text()
    bad = failed_samples()
    assert 13 * 4 + 8 < bad < 13 * 4 + 30
    assert f"{bad} of 160 samples could not be sampled (first, of problem " in notes
    assert rows("out") != rows("whole")
    capsys.readouterr()
    down()
    assert main([*COMMAND, "--limit=40", "--out=out", "--strategies=best_of_n", "--retry-failed"]) == 2  # another run
    assert main([*COMMAND, "--limit=40", "--out=out", "--retry-failed"]) == 0
    assert rows("out") == rows("whole")
    assert not [path.name for path in Path("out").iterdir() if path.name.startswith(".retr")]


def test_what_did_not_fail_is_not_drawn_again(down) -> None:
    command = [*COMMAND, "--limit=20", "--strategies=self_consistency,best_of_n"]
    assert main([*command, "--out=whole"]) == 0
    down(sevenths=[3])
    assert main([*command, "--out=out"]) == 0
    bad = failed_samples()
    assert 0 < bad < 80
    down()
    server().rows = 0
    first = json.loads(Path("out/journal.jsonl").read_text().splitlines()[0])
    kept = {name: spend["policy_seconds"] for name, spend in first["kept"].items()}
    assert main([*command, "--out=out", "--retry-failed"]) == 0
    assert server().rows == bad
    assert rows("out") == rows("whole")
    again = json.loads(Path("out/journal.jsonl").read_text().splitlines()[0])
    assert "kept" not in again
    assert kept
    assert all(again["spend"][name]["policy_seconds"] > seconds > 0 for name, seconds in kept.items())
    assert main([*command, "--out=out", "--retry-failed"]) == 0  # nothing is left to do
    assert server().rows == bad


@pytest.mark.slow
def test_a_run_stops_where_all_of_a_unit_fails(down, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--out=whole"]) == 0
    server().calls = 0
    down(problems=[f"q{i}" for i in range(60, 127)])
    assert main([*COMMAND, "--out=out"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(
        "stepbeam: sampling: 64 of 64 rows failed, the first with 'ConnectionError: connection refus"
    )
    assert error.count("\n") == 1
    assert len(Path("out/journal.jsonl").read_text().splitlines()) == 4 * 5  # a third chunk's was not kept
    down()
    assert main([*COMMAND, "--out=out"]) == 0
    assert "could not be sampled" in Path("out/notes.txt").read_text()  # of the four problems before
    assert main([*COMMAND, "--out=out", "--retry-failed"]) == 0
    assert rows("out") == rows("whole")


def test_a_run_that_is_down_from_the_start_is_one_line(down, capsys: pytest.CaptureFixture[str]) -> None:
    down(calls=[0, 10**9])
    assert main([*COMMAND, "--limit=4", "--out=out"]) == 2
    first = "'ConnectionError: connection refused' (problem 'q0')"
    assert capsys.readouterr().err == (
        f"stepbeam: sampling: 16 of 16 rows failed, the first with {first}; nothing new of this unit was kept: mend "
        "that and run the same command again, or give --max-failed 1 where such rows may count as wrong\n"
    )


@pytest.mark.slow
def test_calls_that_fail_for_a_while(down) -> None:
    assert main([*COMMAND, "--out=whole"]) == 0
    server().calls = 0
    down(calls=[40, 120])
    for _ in range(9):
        if main([*COMMAND, "--out=out"]) == 0:
            break
    assert main([*COMMAND, "--out=out", "--retry-failed"]) == 0
    assert rows("out") == rows("whole")


@pytest.mark.slow
def test_a_share_may_fail(down, capsys: pytest.CaptureFixture[str]) -> None:
    down(problems=["q1", "q2"])
    assert main([*COMMAND, "--limit=16", "--out=out", "--max-failed=0.1"]) == 2
    assert "sampling: 8 of 64 rows failed" in capsys.readouterr().err
    assert main([*COMMAND, "--limit=16", "--out=out", "--max-failed=0.125"]) == 0
    assert main([*COMMAND, "--limit=16", "--out=out", "--max-failed=1.5"]) == 2
    assert "--max-failed 1.5: it is a share of rows, from 0 to 1" in capsys.readouterr().err


def test_a_scorer_that_is_down(down, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--limit=32", "--out=whole"]) == 0
    down(judged=["q5", "q20"])
    assert main([*COMMAND, "--limit=32", "--out=out"]) == 0
    assert (
        "8 of 128 samples have no score of judge (first, of problem 'q5': RuntimeError: judge overloaded)"
        in Path("out/notes.txt").read_text()
    )
    down(judged=[f"q{i}" for i in range(16)])
    capsys.readouterr()
    assert main([*COMMAND, "--limit=32", "--out=other"]) == 2
    told = "scoring with judge: 64 of 64 rows failed, the first with 'RuntimeError: judge overloaded' (problem 'q0')"
    assert told in capsys.readouterr().err
    down()
    assert main([*COMMAND, "--limit=32", "--out=out", "--retry-failed"]) == 0
    assert rows("out") == rows("whole")


def test_a_scorer_that_is_down_for_a_whole_unit_which_may_fail(down, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--limit=32", "--out=whole"]) == 0
    down(judged=[f"q{i}" for i in range(16)])
    assert main([*COMMAND, "--limit=32", "--out=out", "--max-failed=0.9"]) == 2
    assert main([*COMMAND, "--limit=32", "--out=out", "--max-failed=1"]) == 0
    notes = Path("out/notes.txt").read_text()
    assert "64 of 128 samples have no score of judge (first, of problem 'q0': RuntimeError: judge overloaded)" in notes
    assert "candidates of beam_search (judge) failed (first, of problem 'q0': " in notes
    down()
    assert main([*COMMAND, "--limit=32", "--out=out", "--retry-failed"]) == 0
    assert rows("out") == rows("whole")


def test_scores_that_stood_are_not_lost_where_other_samples_are_drawn_again(
    down, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*COMMAND, "--limit=8", "--strategies=best_of_n", "--out=out"]
    down(sevenths=[3])
    assert main(command) == 0
    before, scores = rows("out"), [json.loads(line) for line in Path("out/scores.jsonl").read_text().splitlines()]
    bad = {row["problem"] for row in scores if row["value"] is None}
    stood = sum(row["problem"] in bad and row["value"] is not None for row in scores)
    assert stood > 0
    down(judged=sorted(bad))
    assert main([*command, "--retry-failed"]) == 2
    assert f"scoring with judge: {stood} rows that stood before failed now" in capsys.readouterr().err
    assert rows("out") == before
    down()
    assert main([*command, "--retry-failed"]) == 0
    after = {
        (row["problem"], row["index"]): row
        for row in map(json.loads, Path("out/scores.jsonl").read_text().splitlines())
    }
    assert all(row["value"] is not None for row in after.values())
    assert all(after[row["problem"], row["index"]] == row for row in scores if row["value"] is not None)


@pytest.mark.slow
def test_a_rerank_whose_judge_is_down(down, capsys: pytest.CaptureFixture[str]) -> None:
    pool = [{"id": f"q{i}", "prompt": f"{i}?", "answer": "1", "solutions": ["1", "22", "321"]} for i in range(200)]
    Path("pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pool))
    command = ["rerank", "pool.jsonl", "--scorer=outages.parts:judge", "--n=3"]
    assert main([*command, "--out=whole"]) == 0
    down(judged=["q5", "q150"])
    assert main([*command, "--out=out"]) == 0
    told = "6 of 600 samples have no score of judge (first, of problem 'q5': RuntimeError: judge overloaded)"
    assert told in Path("out/notes.txt").read_text()
    assert '"reason": "RuntimeError: judge overloaded"' in Path("out/scores.jsonl").read_text()
    down(judged=["q5"])
    judge().rows = 0
    assert main([*command, "--out=out", "--retry-failed"]) == 0
    assert "3 of 600 samples have no score" in Path("out/notes.txt").read_text()
    down()
    assert main([*command, "--out=out", "--retry-failed"]) == 0
    assert judge().rows == 6
    assert rows("out") == rows("whole")
    down(judged=[f"q{i}" for i in range(100)])
    capsys.readouterr()
    assert main([*command, "--out=late"]) == 2
    assert "--scorer judge: 258 of 258 rows failed, the first with 'RuntimeError: judge" in capsys.readouterr().err
    assert main([*command, "--out=late", "--max-failed=1"]) == 0
    down()
    assert main([*command, "--out=late", "--retry-failed"]) == 0
    assert rows("late") == rows("whole")


def test_what_was_kept_of_a_rerank_counts_in_the_share_that_may_fail(down, capsys: pytest.CaptureFixture[str]) -> None:
    pool = [{"id": f"q{i}", "prompt": f"{i}?", "answer": "1", "solutions": ["1", "22", "321"]} for i in range(24)]
    command = ["rerank", "pool.jsonl", "--scorer=outages.parts:judge", "--n=3", "--out=out", "--max-failed=0.1"]

    def scored(count: int, *options: str) -> tuple[int, int]:
        """What a rerank of so many pools ends with, and how many samples have no score then."""
        Path("pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pool[:count]))
        code = main([*command, *options])
        said = map(json.loads, Path("out/scores.jsonl").read_text().splitlines())
        return code, sum(row["value"] is None for row in said)

    down(judged=["q5", "q7"])
    assert scored(20) == (0, 6)
    assert scored(20, "--retry-failed") == (0, 6)  # 6 of 60, and not of the 6 that were asked for
    down(judged=["q5", "q20"])
    assert scored(21, "--retry-failed") == (0, 6)
    down(judged=["q5", "q20", "q21", "q22", "q23"])
    capsys.readouterr()
    assert scored(24)[0] == 2
    error = capsys.readouterr().err
    assert "--scorer judge: 9 of 72 rows failed" in error
    assert "; nothing new of this unit was kept: " in error
    command.pop()
    assert scored(24, "--retry-failed")[0] == 2  # all three that are new
    assert "--scorer judge: 9 of 9 rows failed" in capsys.readouterr().err
    down(judged=["q5", "q20", "q21"])
    assert scored(24, "--retry-failed") == (0, 9)  # of those that had failed all may fail again
    down()
    assert scored(24, "--retry-failed") == (0, 0)


def test_a_model_scores_the_whole_call_again(down) -> None:
    Path("outages/model.py").write_text(PRM)
    sys.modules.pop("outages.model", None)
    texts = ["1+1=2\n=2", "1+1=3\n=3", "=2", "1+"]
    pool = [{"id": f"q{i}", "prompt": f"C 1+{i}\n", "answer": "1", "solutions": texts} for i in range(9)]
    Path("pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pool))
    command = ["rerank", "pool.jsonl", "--scorer=outages.model:flaky", "--n=4"]
    assert main([*command, "--out=whole"]) == 0
    down(judged=["q5"])
    assert main([*command, "--out=out"]) == 0
    before = rows("out")
    down(judged=["q6"])
    assert main([*command, "--out=out", "--retry-failed"]) == 2  # what stood is not lost
    assert main([*command, "--out=out"]) == 0
    assert rows("out") == before
    down()
    assert main([*command, "--out=out", "--retry-failed"]) == 0
    assert rows("out") == rows("whole")


def test_what_fails_again_stays_failed(down, capsys: pytest.CaptureFixture[str]) -> None:
    down(problems=["q3"], judged=["q7"])
    assert main([*COMMAND, "--limit=16", "--out=out"]) == 0
    before = rows("out")
    assert main([*COMMAND, "--limit=16", "--out=out", "--retry-failed"]) == 0
    assert rows("out") == before


def test_a_policy_that_is_down_in_beam_search(down, capsys: pytest.CaptureFixture[str]) -> None:
    command = [*COMMAND, "--limit=16", "--strategies=beam_search"]
    assert main([*command, "--out=whole"]) == 0
    assert "candidates" not in Path("whole/notes.txt").read_text()
    down(until=["step"])
    assert main([*command, "--out=out"]) == 2
    assert (
        "beam search (judge): 16 of 16 rows failed, the first with 'every candidate failed; first reason: "
        "ConnectionError: connection refused'" in capsys.readouterr().err
    )
    down(sevenths=[3])
    assert main([*command, "--out=out", "--max-failed=0.01"]) == 2
    assert main([*command, "--out=out"]) == 0
    bad = sum(json.loads(line)["fate"] == "failed" for line in Path("out/trees.jsonl").read_text().splitlines())
    note = f"{bad} candidates of beam_search (judge) failed (first, of problem "
    assert note in Path("out/notes.txt").read_text()
    down()
    assert main([*command, "--out=out", "--retry-failed"]) == 0
    assert rows("out") == rows("whole")


def test_what_is_kept_counts_in_the_share_that_may_fail(down) -> None:
    command = [*COMMAND, "--limit=16", "--strategies=self_consistency", "--max-failed=0.1"]
    down(problems=["q3"])
    assert main([*command, "--out=out"]) == 0
    assert main([*command, "--out=out", "--retry-failed"]) == 0  # four of the unit's 64 again, and of those drawn all


@pytest.mark.slow
def test_a_killed_retry_goes_on(down, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main([*COMMAND, "--limit=40", "--out=whole"]) == 0
    down(problems=["q3", "q30"])
    assert main([*COMMAND, "--limit=40", "--out=out"]) == 0
    down(problems=["q30"])
    before = rows("out")
    assert main([*COMMAND, "--limit=40", "--out=out", "--retry-failed", "--max-failed=0"]) == 2  # ends amid the retry
    assert rows("out") == before
    down()
    moves = []

    def replace(path: Path, to: Path) -> None:
        moves.append(path)
        if len(moves) == 3:
            raise KeyboardInterrupt
        os.replace(path, to)

    with monkeypatch.context() as patched:  # killed while the new rows take their places
        patched.setattr(Path, "replace", replace)
        assert main([*COMMAND, "--limit=40", "--out=out", "--retry-failed"]) == 130
    assert main(["report", "out"]) == 2
    assert main([*COMMAND, "--limit=40", "--out=out"]) == 0
    assert rows("out") == rows("whole")


PRM = """
import json
from pathlib import Path

import prms

class Flaky:
    def __init__(self):
        self.plain = prms.load("tiny:prm")

    def score(self, problems, solutions):
        down = json.loads(Path("down.json").read_text())
        if any(p.id in down.get("judged", ()) for p in problems):
            raise RuntimeError("out of memory")
        return self.plain.score(problems, solutions)

flaky = Flaky()
"""
MODEL = """
import json
from dataclasses import replace
from pathlib import Path

import policies
from policies import Extended
from verifiers import failed

class Flaky:
    def __init__(self):
        self.plain = policies.load("tiny:policy")

    def extend(self, problems, prefixes, *, until, sampling, seeds):
        down = json.loads(Path("down.json").read_text())
        if any(p.id in down.get("problems", ()) for p in problems):
            raise ConnectionError("connection refused")
        reply = self.plain.extend(problems, prefixes, until=until, sampling=sampling, seeds=seeds)
        bad = [seed % 7 in down.get("sevenths", ()) for seed in seeds]
        solutions = [failed("HTTP 503") if b else s for b, s in zip(bad, reply.solutions)]
        return Extended(tuple(solutions), reply.spend)

flaky = Flaky()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "what", [{"problems": ["chain-test-0-00001", "chain-test-0-00006"]}, {"sevenths": [3, 4]}], ids=["raised", "rows"]
)
def test_a_models_rows_are_those_of_the_undisturbed_run_to_the_last_digit(down, what: dict[str, object]) -> None:
    Path("outages/model.py").write_text(MODEL)
    sys.modules.pop("outages.model", None)
    command = ["run", "--task=chain", "--limit=9", "--policy=outages.model:flaky", "--scorer=tiny:prm", "--n=2"]
    command += ["--strategies=best_of_n,beam_search", "--chunk=3"]
    assert main([*command, "--out=whole"]) == 0
    down(**what)
    assert main([*command, "--out=out", "--max-failed=1"]) == 0
    before = rows("out")
    assert before != rows("whole")
    down(problems=["chain-test-0-00000", *what.get("problems", [])], sevenths=[3, 4, *what.get("sevenths", [])])
    assert main([*command, "--out=out", "--max-failed=1", "--retry-failed"]) == 2  # what stood is not lost
    assert rows("out") == before
    down()
    assert main([*command, "--out=out", "--retry-failed"]) == 0
    assert rows("out") == rows("whole")
