"""Work by replicas leaves the bytes of one process, whoever is done first and whoever is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.pools.rerank import rerank
from bench.runs.plan import RunPlan
from bench.runs.run import run
from policies.replicas.workers import Replicas
from tests.stand_ins import opens_out_of_order
from tests.waiting import until
from verifiers.interface.errors import EngineStoppedError

PARTS = """
import json
import random
from pathlib import Path

import numpy as np

from policies import Scripted
from verifiers import Scores, Solution, Stop, failed

def solve(problem, prefix, seed):
    rng = random.Random(f"{problem.id} {seed}")
    if rng.random() < json.loads(Path("down.json").read_text()):
        return failed("HTTP 503")
    text = f"first {rng.randint(0, 3)}\\nthen {rng.randint(0, 9)}\\n#### {rng.randint(0, 3)}"
    return text[len(prefix.text):]

class Judge:
    separator = "\\n\\n"

    def score(self, problems, solutions):
        return Scores(tuple(np.array([len(set(step.text)) / 40 for step in s.steps]) for s in solutions))

server, judge = Scripted(solve), Judge()

class Refuses:
    def score(self, problems, solutions):
        raise RuntimeError("judge overloaded")

refuses = Refuses()
"""
ROWS = ("problems.jsonl", "samples.jsonl", "scores.jsonl", "trees.jsonl", "results.jsonl", "notes.txt", "config.toml")
STRATEGIES = ("self_consistency", "best_of_n", "beam_search")
PLAN = RunPlan("task.jsonl", "shared.parts:server", {"judge": "shared.parts:judge"}, STRATEGIES, n=4, chunk=3)
MANY = Replicas(3)


@pytest.fixture
def by_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Makes `--ray` mean three workers in this process, done in an order that a seed says; jobs are sent as pickles."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/__init__.py").write_text("")
    (tmp_path / "shared/parts.py").write_text(PARTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    rows = [{"id": f"q{i}", "prompt": f"{i}?", "answer": str(i % 4)} for i in range(10)]
    Path("task.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("down.json").write_text("0")

    def seeded(seed: int) -> None:
        monkeypatch.setattr("policies.replicas.ray_workers.open_replicas", opens_out_of_order(seed))

    yield seeded
    for module in ("shared", "shared.parts"):
        sys.modules.pop(module, None)


def rows_in(out: str) -> dict[str, bytes]:
    return {name: Path(out, name).read_bytes() for name in ROWS if Path(out, name).exists()}


def units_in(out: str) -> list[str]:
    return [json.loads(line)["unit"] for line in Path(out, "journal.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("seed", range(3))
def test_a_run_in_any_order_has_the_bytes_of_one_process(by_many: Callable[[int], None], seed: int) -> None:
    by_many(seed)
    run(PLAN, Path("one"), progress=False)
    run(PLAN, Path("many"), replicas=MANY, progress=False)
    assert rows_in("many") == rows_in("one")
    assert units_in("many") == units_in("one")
    assert len(rows_in("one")) == len(ROWS)
    run(PLAN, Path("one"), replicas=Replicas(4, ray="nowhere:1"), progress=False)  # finished: nobody is asked
    assert rows_in("one") == rows_in("many")


def test_what_failed_is_done_again_by_many(by_many: Callable[[int], None]) -> None:
    run(PLAN, Path("whole"), progress=False)
    Path("down.json").write_text("0.3")
    by_many(1)
    run(PLAN, Path("one"), max_failed=1, progress=False)
    run(PLAN, Path("many"), max_failed=1, replicas=MANY, progress=False)
    assert rows_in("many") == rows_in("one") != rows_in("whole")
    Path("down.json").write_text("0")
    run(PLAN, Path("many"), retry_failed=True, replicas=MANY, progress=False)
    assert rows_in("many") == rows_in("whole")


def test_what_ends_a_run_ends_it_with_the_same_line_and_the_same_folder(by_many: Callable[[int], None]) -> None:
    plan = replace(PLAN, scorers={"a": "shared.parts:judge", "b": "shared.parts:refuses"})
    by_many(2)
    said = "^scoring with b: 12 of 12 rows failed, the first with 'RuntimeError: judge overloaded'"
    with pytest.raises(EngineStoppedError, match=said) as one:
        run(plan, Path("one"), progress=False)
    with pytest.raises(EngineStoppedError) as many:
        run(plan, Path("many"), replicas=MANY, progress=False)
    assert str(many.value) == str(one.value)
    assert rows_in("many") == rows_in("one")
    assert units_in("many") == units_in("one") == ["0/sample", "0/score/a"]


def test_a_rerank_in_any_order_has_the_bytes_of_one_process(by_many: Callable[[int], None]) -> None:
    rows = [
        {"id": f"q{i}", "prompt": "?", "answer": "1", "solutions": [f"{i} {n}\n\n#### {n % 3}" for n in range(100)]}
        for i in range(8)
    ]
    Path("pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    scorers = {"a": "shared.parts:judge", "b": "shared.parts:judge"}
    by_many(0)
    for out, replicas in (("one", None), ("many", MANY)):
        rerank(["pool.jsonl"], scorers, Path(out), replicas=replicas, progress=False)
    assert rows_in("many") == rows_in("one")
    kept = [Path(out, "rerank-scores.jsonl").read_text().splitlines() for out in ("one", "many")]
    assert [[json.loads(row)["problem"] for row in rows] for rows in kept] == [[f"q{i}" for i in range(8)]] * 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--gpus-per-replica=1"], "--gpus-per-replica 1.0: add --ray local, auto or HOST:PORT"),
        (["--replicas=0"], "--replicas 0: it must be 1 or more"),
        (["--ray=local", "--replicas=0"], "--replicas 0: it must be 1 or more"),
        (["--ray=local", "--gpus-per-replica=1.5"], "--gpus-per-replica 1.5: give a whole number, or a share below 1"),
    ],
)
def test_options_that_cannot_be_are_refused(
    by_many: Callable[[int], None], capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(["run", "--task=task.jsonl", "--policy=shared.parts:server", "--out=none", *options]) == 2
    assert said in capsys.readouterr().err
    assert not Path("none").exists()


TINY = ["run", "--task=chain", "--policy=tiny:policy", "--scorer=tiny:prm", "--n=4", "--limit=16", "--chunk=2"]
TINY += ["--strategies=self_consistency,best_of_n,beam_search"]


def started(out: str, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "bench.commands.cli", *TINY, f"--out={out}", *options]
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)


def below(pid: int) -> dict[int, str]:
    """The processes that this one has begun, and theirs, with their command lines."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return {child: command_of(child) for child in found - {pid}}


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def wait_for(process: subprocess.Popen[bytes], out: str, lines: int) -> None:
    journal = Path(out, "journal.jsonl")
    while not journal.exists() or journal.read_bytes().count(b"\n") < lines:
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.01)


@pytest.mark.slow
def test_a_killed_replica_and_a_killed_owner_leave_the_bytes_of_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    monkeypatch.chdir(tmp_path)
    assert started("one").wait() == 0

    process = started("killed", "--ray=local", "--replicas=2")
    wait_for(process, "killed", 5)
    replicas = [pid for pid, command in below(process.pid).items() if "_Replica" in command]
    assert len(replicas) == 2
    os.kill(replicas[0], signal.SIGKILL)
    assert process.wait() == 0
    assert rows_in("killed") == rows_in("one")
    assert len(rows_in("one")) == len(ROWS)
    assert units_in("killed") == units_in("one")

    process = started("resumed", "--ray=local", "--replicas=2")
    wait_for(process, "resumed", 5)
    cluster = {pid: said for pid, said in below(process.pid).items() if "_Replica" in said or "raylet" in said}
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert len(units_in("resumed")) < len(units_in("one"))
    deadline = time.monotonic() + 60
    while any(command_of(pid) == said for pid, said in cluster.items()):  # it ends with its owner
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert started("resumed").wait() == 0  # by one process now
    assert rows_in("resumed") == rows_in("one")


@pytest.mark.slow
def test_processes_of_this_machine_leave_the_bytes_of_one_though_one_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert started("one").wait() == 0
    assert started("two", "--replicas=2").wait() == 0
    assert rows_in("two") == rows_in("one")

    process = started("killed", "--replicas=2")
    wait_for(process, "killed", 5)
    mine = [pid for pid, command in below(process.pid).items() if "spawn_main" in command]
    assert len(mine) == 2
    os.kill(mine[0], signal.SIGKILL)
    assert process.wait() == 2
    assert len(units_in("killed")) < len(units_in("one"))
    assert started("killed", "--replicas=2").wait() == 0
    assert rows_in("killed") == rows_in("one")

    process = started("orphaned", "--replicas=2")
    wait_for(process, "orphaned", 5)
    mine = [pid for pid, command in below(process.pid).items() if "spawn_main" in command]
    process.kill()
    process.wait()
    until(lambda: not any("spawn_main" in command_of(pid) for pid in mine))  # they end with their parent
