"""Killed at any point where a file is touched, and started again, all that is promised has the same bytes."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

import policies
import verifiers
from bench.pools.rerank import rerank
from bench.runs.plan import RunPlan
from bench.runs.run import run
from bench.tiny import load_task, weights_folder
from tests.kill_points import kill, points
from verifiers import Labelled, Problem, Solution, Step, Stop, TrainConfig

pytestmark = pytest.mark.slow
PLAN = RunPlan("chain", "tiny:policy", {"prm": "tiny:prm"}, ("best_of_n", "beam_search"), n=2, limit=4, chunk=2)
ROWS = [Labelled(Problem(f"p{i}", f"C 1+{i}\n"), Solution((Step("2"),), Stop.EOS), (i % 2,)) for i in range(6)]


def do_run(out: Path) -> None:
    run(PLAN, out, progress=False)


def do_rerank(out: Path) -> None:
    pool = out.parent / "pool.jsonl"
    rows = [{"prompt": f"C 1+{i}\n", "answer": str(i), "solutions": ["1", "2"]} for i in range(300)]
    if not pool.exists():
        pool.write_text("".join(json.dumps(row) + "\n" for row in rows))
    rerank([pool], {"prm": "tiny:prm"}, out, sizes=(1, 2), progress=False)


def do_orm(out: Path) -> None:
    config = TrainConfig(max_steps=7, batch_size=2, save_every=2, log_every=3, device="cpu")
    verifiers.train_orm(weights_folder("policy"), ROWS, out=out, config=config)


def do_grpo(out: Path) -> None:
    task = load_task("chain", count=4, split="train")
    config = policies.GRPOConfig(
        steps=3, groups=2, group_size=2, save_every=1, attribute_every=1, sampling=task.sampling
    )
    policy = policies.Transformers.load(weights_folder("policy"), dtype="float32")
    policies.grpo_train(policy, task.problems, task.verifier, out=out, config=config)


TIMED = {"journal.jsonl", "points.jsonl", "rerank-scores.jsonl", "metrics.jsonl", "checksums.json"}


def promised(folder: Path) -> dict[str, bytes]:
    """Every file but those with seconds in them, and those whose name says that they are passing."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.name not in TIMED and "checkpoints" not in p.parts and not p.name.startswith(".")
    }


@pytest.mark.parametrize("work", [do_run, do_rerank, do_orm, do_grpo])
def test_twenty_five_kills(tmp_path: Path, work: Callable[[Path], object]) -> None:
    count = points(work, tmp_path / "whole")
    whole = promised(tmp_path / "whole")
    assert whole
    places = range(1, count + 1)
    for at in places if count <= 25 else sorted(random.Random(0).sample(places, 25)):
        out = tmp_path / f"killed{at}"
        kill(work, out, at)
        work(out)
        assert promised(out) == whole, at
