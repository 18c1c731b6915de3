"""Ten kills in a long run, wherever they fall, leave no trace in what it ends with."""

import json
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.tiny import load_task
from tests.processes import start_command

RUN = [
    "run",
    "--task=chain",
    "--limit=60",
    "--policy=tiny:policy",
    "--scorer=tiny:prm",
    "--strategies=self_consistency,best_of_n:prm,beam_search:prm",
    "--n=3",
    "--chunk=6",
]


@dataclass(frozen=True)
class Pass:
    """One undisturbed pass of a command: when it had written each line of its journal, and when it ended."""

    written: list[float]
    end: float


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def watched(command: list[str], journal: str) -> Pass:
    process, begun, written = start_command([*command, "--out=whole"]), time.monotonic(), []
    while process.is_alive():
        written += [time.monotonic() - begun] * (lines(Path("whole", journal)) - len(written))
        time.sleep(0.002)
    assert process.exitcode == 0
    return Pass(written, time.monotonic() - begun)


def places(seen: Pass, kinds: list[str], rng: random.Random) -> list[tuple[int, float]]:
    """Ten points of a pass, as lines of the journal and seconds since: one in each tenth, in all kinds of work in turn.

    The first is before anything is written, the last where all is and the results are being drawn up.
    """
    found = [(0, rng.uniform(0.0, seen.written[0]))]
    turns = sorted(set(kinds))
    for tenth in range(1, 9):
        part = range(len(kinds) * tenth // 10, len(kinds) * (tenth + 1) // 10)
        took = {i: seen.written[i] - seen.written[i - 1] for i in part if kinds[i] == turns[tenth % len(turns)]}
        unit = rng.choice([i for i, seconds in took.items() if seconds > 0])  # several lines may come at once
        found.append((unit, rng.uniform(0.0, 0.8) * took[unit]))
    return [*found, (len(kinds), rng.uniform(0.0, 0.6) * (seen.end - seen.written[-1]))]


def kill_ten_times(
    command: list[str], journal: str, at: list[tuple[int, float]], beside: Callable[[], None]
) -> list[int]:
    """Start the command again and again and kill it at these points; how many lines it had written at each.

    `beside` is called once, while the fifth process is at work.
    """
    path, reached = Path("killed", journal), []
    for turn, (wanted, delay) in enumerate(at):
        before, process = lines(path), start_command([*command, "--out=killed"])
        try:
            if turn == 4:
                wait_for(process, path, before + 1)
                beside()
            wait_for(process, path, wanted)
            time.sleep(delay)
            assert process.is_alive(), "it ended before it was killed"
        finally:
            process.kill()
            process.join()
        assert process.exitcode == -signal.SIGKILL
        reached.append(lines(path))
    return reached


def wait_for(process: BaseProcess, journal: Path, wanted: int) -> None:
    while lines(journal) < wanted:
        assert process.is_alive(), f"it ended at {lines(journal)} lines of {wanted}"
        time.sleep(0.002)


def same_bytes(*names: str) -> None:
    for name in names:
        assert Path("killed", name).read_bytes() == Path("whole", name).read_bytes(), name


@pytest.mark.slow
def test_a_run_of_fifty_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    seen = watched(RUN, "journal.jsonl")
    units = [json.loads(line)["unit"].split("/")[1] for line in Path("whole/journal.jsonl").read_text().splitlines()]
    assert len(units) == 10 * (1 + 1 + 3)

    def another() -> None:
        assert main([*RUN, "--out=killed"]) == 2
        assert "killed: another process is writing there; wait for it" in capsys.readouterr().err

    reached = kill_ten_times(RUN, "journal.jsonl", places(seen, units, random.Random(0)), another)
    assert {[*units, "results"][count] for count in reached} == {"sample", "score", "beam_search", "results"}
    assert reached == sorted(reached)
    assert main([*RUN, "--out=killed"]) == 0
    same_bytes("problems.jsonl", "samples.jsonl", "scores.jsonl", "trees.jsonl", "results.jsonl", "config.toml")


@pytest.mark.slow
def test_a_rerank_of_200_pools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        {"id": p.id, "prompt": p.prompt, "answer": p.answer, "solutions": [{"text": f"{i}={i}"} for i in range(16)]}
        for p in load_task("chain", count=200, seed=1).problems
    ]
    Path("pools.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["rerank", "pools.jsonl", "--scorer=tiny:genrm", "--scorer=tiny:prm", "--n=16"]
    seen = watched(command, "rerank-scores.jsonl")
    scorers = [json.loads(line)["scorer"] for line in Path("whole/rerank-scores.jsonl").read_text().splitlines()]
    assert len(scorers) == 2 * 200

    def another() -> None:
        assert main([*command, "--out=killed"]) == 2
        assert "killed: another process is writing there; wait for it" in capsys.readouterr().err

    at = places(seen, scorers, random.Random(0))
    reached = kill_ten_times(command, "rerank-scores.jsonl", at, another)
    assert reached == sorted(reached)
    assert len(set(reached)) > 5
    assert main([*command, "--out=killed"]) == 0
    same_bytes("problems.jsonl", "samples.jsonl", "scores.jsonl", "results.jsonl", "config.toml")
    kept = [Path(out, "rerank-scores.jsonl").read_text().splitlines() for out in ("killed", "whole")]
    assert [without_seconds(line) for line in kept[0]] == [without_seconds(line) for line in kept[1]]


def without_seconds(line: str) -> object:
    row = json.loads(line)
    row["spend"].pop("scorer_seconds")
    del row["crc"]  # of a line with seconds
    return row
