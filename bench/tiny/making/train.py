r"""Make the tiny models from fixed seeds: `python -m bench.tiny.making.train --out FOLDER`.

A *teacher* learns clean solutions of all tasks, so it knows the true tables; it is shipped as *base*.
The *policy* is the teacher, taught a careless pupil's slips. *prm_error* starts from the teacher and
learns first errors: those of the policy's rollouts, then made up ones, and in `countdown` which lines
lose the target. From it start the *prm* (Monte-Carlo values of the policy), the *prover* (those of the
base at temperature 1.5, for the same prefixes) and the *orm* (outcomes). *orm_overfit* is kept as an
example of a failing verifier. The generative verifiers start from *drilled* (`bench/tiny/making/genrm.py`).
The last stage measures them all.
"""

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaForCausalLM, LlamaForTokenClassification

from bench.files.memory import keep_freed_memory
from bench.tiny.making.examples.made_up import make_up_outcomes
from bench.tiny.making.examples.values import draw_solutions, read_labelled, value_solutions, write_labelled
from bench.tiny.making.figures import measure_labels, measure_pools
from bench.tiny.making.genrm import drilled, genrm, genrm_cot
from bench.tiny.making.lm import Log, train_lm
from bench.tiny.making.lookahead import learn_lookahead
from bench.tiny.making.models import new_policy, new_reward_model, save, ship
from bench.tiny.making.pretrain import learn_errors
from bench.tiny.making.reward import Target, collect, read_rollouts, train_reward_model, write_rollouts
from bench.tiny.worlds import chain
from bench.tiny.worlds.worlds import World
from policies.backends.transformers import Transformers
from policies.training.config import TrainConfig
from prms.training import train_prm
from verifiers.reward_models.labelled import Labelled
from verifiers.reward_models.train_orm import train_orm

TRAIN_PROMPTS = {"chain": 4000, "countdown": 4000, "last_letter": 1500, "word_sort": 1500}
TEST_PROMPTS = {"chain": 200, "countdown": 200, "last_letter": 200, "word_sort": 200}
VALUES = {
    "chain": (600, 8),
    "countdown": (1200, 12),
    "last_letter": (150, 6),
    "word_sort": (150, 6),
}  # problems, rollouts
# Solutions of which the end alone is labelled: few rollouts are rare errors, and the last pick is among ends.
MADE_UP = {"chain": 4000, "chain_one_error": 4000, "countdown": 4000, "last_letter": 1500, "word_sort": 1500}
PROVER_TEMPERATURE = 1.5  # hot, the base makes errors of its own, which fall anywhere
_ERROR = {"kind": "prm", "target": "error", "separator": "\n"}


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


def prm_second(out: Path, log: Log) -> None:
    """The same further, with made up solutions of chain in which any digit may be wrong; not shipped."""
    model = _token_classifier(out / "prm_first")
    where, rate = out / "prm_second", 1.5e-3
    _train_and_save(model, where, out, log, target="error", steps=1800, learning_rate=rate, seed=9, made=56)


def lookahead(out: Path, log: Log) -> None:
    """The same further, on which next lines of countdown lose the target; not shipped."""
    model = _token_classifier(out / "prm_second")
    learn_lookahead(model, steps=4000, learning_rate=1.5e-3, seed=0, log=log, title="lookahead")
    save(model, out / "lookahead", _ERROR, dtype=torch.float32)


def mixed(out: Path, log: Log) -> None:
    """The same further, on made up solutions of all tasks, of which it has forgotten much; not shipped."""
    model = _token_classifier(out / "lookahead")
    rows = {"chain": 56, "countdown": 24, "last_letter": 12, "word_sort": 12}
    learn_errors(model, rows=rows, steps=1000, learning_rate=1e-3, seed=12, log=log, title="mixed")
    save(model, out / "mixed", _ERROR, dtype=torch.bfloat16)


def mixed_more(out: Path, log: Log) -> None:
    """The same further, and still looking ahead; not shipped."""
    model = _token_classifier(out / "mixed")
    rows = {"chain": 56, "countdown": 12, "last_letter": 18, "word_sort": 18}
    learn_errors(model, rows=rows, prefixes=12, steps=1500, learning_rate=1e-3, seed=13, log=log, title="mixed_more")
    save(model, out / "mixed_more", _ERROR, dtype=torch.bfloat16)


def prm_error(out: Path, log: Log) -> None:
    """The same further, with single rare errors of chain: the error-labelled PRM, from which the verifiers start."""
    model = _token_classifier(out / "mixed_more")
    rows = {"chain": 36, "chain_one_error": 44, "countdown": 8, "last_letter": 8, "word_sort": 8}
    learn_errors(model, rows=rows, prefixes=8, steps=1300, learning_rate=1e-3, seed=15, log=log, title="prm_error")
    save(model, out / "weights" / "prm_error", _ERROR, dtype=torch.bfloat16)


def base(out: Path, log: Log) -> None:
    """The teacher in bfloat16, for reproductions to start from."""
    save(_causal(out / "teacher"), out / "weights" / "base", dtype=torch.bfloat16)
    log({"stage": "base"})


def values(out: Path, log: Log) -> None:
    """Monte-Carlo values of the same prefixes, for the policy and for the prover's policy."""
    whose = {"policy": ("policy", 1.0), "prover": ("base", PROVER_TEMPERATURE)}
    models = {name: Transformers.load(out / "weights" / name, dtype="float32") for name in ("policy", "base")}
    rows: dict[str, list[Labelled]] = {name: [] for name in whose}
    for task, (count, rollouts) in VALUES.items():
        solutions = draw_solutions(models["policy"], task, count=count, samples=4, made=2, seed=100)
        for name, (model, temperature) in whose.items():
            rows[name] += value_solutions(
                models[model], task, solutions, rollouts=rollouts, prefixes=3, seed=100, temperature=temperature
            )
    for name, labelled in rows.items():
        write_labelled(labelled, out / f"values_{name}.jsonl.gz")
        roots = {row.problem.id: row.root for row in labelled if row.root is not None}
        log(
            {
                "stage": "values",
                "of": name,
                "solutions": len(labelled),
                "root": round(sum(roots.values()) / len(roots), 4),
            }
        )


def prm(out: Path, log: Log) -> None:
    """From prm_error, the chance that the policy ends right."""
    _train_from_values(out, log, "prm", "policy")


def prover(out: Path, log: Log) -> None:
    """From prm_error, the chance that the prover's policy ends right from the same prefixes."""
    _train_from_values(out, log, "prover", "prover")


def orm(out: Path, log: Log) -> None:
    """From prm_error, the outcomes of the same solutions."""
    _train_from_values(out, log, "orm", "policy")


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
    "orm_overfit": orm_overfit,
    "prm_second": prm_second,
    "lookahead": lookahead,
    "mixed": mixed,
    "mixed_more": mixed_more,
    "prm_error": prm_error,
    "base": base,
    "values": values,
    "prm": prm,
    "prover": prover,
    "orm": orm,
    "drilled": drilled,
    "genrm": genrm,
    "genrm_cot": genrm_cot,
    "figures": figures,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the stages that are not done yet; `--only` names some of them."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.tiny.making.train", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--out", type=Path, default=Path("tiny-models"), help="folder for the results of the stages")
    parser.add_argument("--only", nargs="+", choices=tuple(STAGES), help="these stages alone, in the order given")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (one, where other work shares the cores)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    keep_freed_memory()
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


def _train_from_values(out: Path, log: Log, name: str, of: str) -> None:
    rows = read_labelled(out / f"values_{of}.jsonl.gz") + make_up_outcomes(MADE_UP, seed=14)
    draft = out / f"draft_{name}"
    config = TrainConfig(
        max_steps=250 if name == "orm" else 400,
        batch_size=128,
        learning_rate=1.5e-4 if name == "orm" else 2e-4,
        weight_decay=0.05,
        save_dtype="bfloat16",
        save_every=0,
        log_every=100,
        seed=20,
        device="cpu",
    )
    if name == "orm":
        train_orm(out / "weights" / "prm_error", rows, out=draft, config=config)
    else:
        train_prm(out / "weights" / "prm_error", rows, target="value", out=draft, config=config)
    ship(draft, out / "weights" / name, log)


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


if __name__ == "__main__":
    raise SystemExit(main())
