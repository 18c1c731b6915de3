r"""Make the tiny models from fixed seeds: `python -m bench.tiny.train --out FOLDER`.

A *teacher* learns clean solutions of all tasks, so it knows the true tables. The *policy* is the
teacher, taught a careless pupil's slips. The *PRM* starts from the teacher and learns the first
errors of the policy's own rollouts, and the *ORM* starts from the PRM and learns their outcomes.
*orm_overfit* is kept as an example of a failing verifier. The last stage measures them all.
"""

import argparse
import ctypes
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaForCausalLM, LlamaForTokenClassification

from bench.tiny import chain
from bench.tiny.figures import measure_labels, measure_pools
from bench.tiny.lm import Log, train_lm
from bench.tiny.models import new_policy, new_reward_model, save
from bench.tiny.reward import Target, collect, read_rollouts, train_reward_model, write_rollouts
from bench.tiny.worlds import World

TRAIN_PROMPTS = {"chain": 4000, "countdown": 4000, "last_letter": 1500, "word_sort": 1500}
TEST_PROMPTS = {"chain": 200, "countdown": 200, "last_letter": 200, "word_sort": 200}


def teacher(out: Path, log: Log) -> None:
    """A language model of clean solutions; not shipped."""
    model = new_policy(seed=1)
    train_lm(model, _clean, steps=3000, learning_rate=2e-3, seed=1, log=log, title="teacher")
    save(model, out / "teacher", dtype=torch.float32)


def policy_first(out: Path, log: Log) -> None:
    """The teacher, further trained on a careless pupil's solutions; it makes the rollouts, and is not shipped."""
    model = _causal(out / "teacher")
    train_lm(model, _careless, steps=700, learning_rate=1e-3, seed=2, log=log, title="policy_first")
    save(model, out / "policy_first", dtype=torch.bfloat16)


def policy(out: Path, log: Log) -> None:
    """The same further, without the slips of copying, which the verifiers did not learn to see."""
    model = _causal(out / "policy_first")
    train_lm(model, _careless_but_copying, steps=300, learning_rate=1e-3, seed=11, log=log, title="policy")
    save(model, out / "weights" / "policy", dtype=torch.bfloat16)


def rollouts(out: Path, log: Log) -> None:
    """The first policy's solutions of problems of both splits, labelled by program."""
    model = _causal(out / "policy_first")
    train = collect(model, prompts=TRAIN_PROMPTS, n=8, split="train", seed=3)
    write_rollouts(train, out / "rollouts_train.jsonl.gz")
    test = collect(model, prompts=TEST_PROMPTS, n=8, split="test", seed=4)
    write_rollouts(test, out / "rollouts_test.jsonl.gz")
    log({"stage": "rollouts", "train": len(train), "test": len(test)})


def prm_first(out: Path, log: Log) -> None:
    """From the teacher, the first errors of rollouts; not shipped."""
    model = new_reward_model("prm", _causal(out / "teacher").model, seed=5)
    _train_and_save(model, out / "prm_first", out, log, target="error", steps=1200, learning_rate=1e-3, seed=5)


def prm(out: Path, log: Log) -> None:
    """The same further, with made up solutions of chain in which any digit may be wrong."""
    model = _token_classifier(out / "prm_first")
    where, rate = out / "weights" / "prm", 1.5e-3
    _train_and_save(model, where, out, log, target="error", steps=1800, learning_rate=rate, seed=9, made=56)


def orm(out: Path, log: Log) -> None:
    """From the PRM, the outcomes of rollouts, read at their ends."""
    source = _token_classifier(out / "weights" / "prm")
    model = new_reward_model("orm", source.model, seed=6)
    # The last step's label is the outcome (nearly), so the PRM's head is where to start.
    model.score.weight.data.copy_(source.score.weight)
    where, rate = out / "weights" / "orm", 3e-4
    _train_and_save(model, where, out, log, target="outcome", steps=200, learning_rate=rate, seed=6, made=64)


def orm_overfit(out: Path, log: Log) -> None:
    """An ORM that a search can fool: it has seen the policy's usual errors, and no rare ones."""
    model = new_reward_model("orm", _token_classifier(out / "prm_first").model, seed=7)
    where, steps = out / "weights" / "orm_overfit", 150
    _train_and_save(model, where, out, log, target="outcome", steps=steps, learning_rate=3e-4, seed=7)


def figures(out: Path, log: Log) -> None:
    """Accuracy and AUC on held-out rollouts, then what the models do for held-out problems."""
    labelled = read_rollouts(out / "rollouts_test.jsonl.gz")
    measure_labels(out / "weights", labelled, log)
    measure_pools(out / "weights", log)


STAGES: dict[str, Callable[[Path, Log], None]] = {
    "teacher": teacher,
    "policy_first": policy_first,
    "policy": policy,
    "rollouts": rollouts,
    "prm_first": prm_first,
    "prm": prm,
    "orm": orm,
    "orm_overfit": orm_overfit,
    "figures": figures,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the stages that are not done yet; `--only` names some of them."""
    parser = argparse.ArgumentParser(prog="python -m bench.tiny.train", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("tiny-models"), help="folder for the results of the stages")
    parser.add_argument("--only", nargs="+", choices=tuple(STAGES), help="these stages alone, in the order given")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (one, where other work shares the cores)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    _keep_freed_memory()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.only or STAGES:
        log_path = options.out / f"log_{name}.jsonl"
        if log_path.exists():
            print(f"{name}: done already ({log_path})")
            continue
        print(f"{name}: {STAGES[name].__doc__}", flush=True)
        started = time.monotonic()
        rows: list[dict[str, object]] = []
        STAGES[name](options.out, rows.append)
        rows.append({"stage": name, "seconds": round(time.monotonic() - started), "threads": options.threads})
        # The log is the mark of a finished stage, so it comes last and at once.
        partial = log_path.with_suffix(".partial")
        partial.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        partial.replace(log_path)
    print(f"models in {options.out / 'weights'}, logs and figures in {options.out}/log_*.jsonl")
    return 0


def _train_and_save(
    model: Any,
    where: Path,
    out: Path,
    log: Log,
    *,
    target: Target,
    steps: int,
    learning_rate: float,
    seed: int,
    made: int = 0,
) -> None:
    train_reward_model(
        model,
        read_rollouts(out / "rollouts_train.jsonl.gz"),
        target=target,
        steps=steps,
        rows=128,
        learning_rate=learning_rate,
        seed=seed,
        log=log,
        title=where.name,
        made=made,
    )
    entry = {"kind": where.name.partition("_")[0], "target": target, "separator": "\n"}
    save(model, where, entry, dtype=torch.bfloat16)


def _clean(world: World, prompt: str, rng: random.Random) -> str:
    return world.demonstrate(prompt, rng, slips=False)


def _careless(world: World, prompt: str, rng: random.Random) -> str:
    return world.demonstrate(prompt, rng, slips=True)


def _careless_but_copying(world: World, prompt: str, rng: random.Random) -> str:
    if world.NAME == chain.NAME:
        return chain.demonstrate(prompt, rng, slips=True, copying=0.0)
    return world.demonstrate(prompt, rng, slips=True)


def _causal(folder: Path) -> Any:
    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)


def _token_classifier(folder: Path) -> Any:
    return LlamaForTokenClassification.from_pretrained(folder, dtype=torch.float32)


def _keep_freed_memory() -> None:
    # glibc gives large freed blocks back to the system at once; to keep them saves page faults.
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD


if __name__ == "__main__":
    raise SystemExit(main())
