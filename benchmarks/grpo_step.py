"""Seconds and peak memory of a GRPO training step, against TRL's GRPOTrainer.

    pip install '.[bench]' && python benchmarks/grpo_step.py [--repeats 3] [--steps 6] [--threads 2]

The same random character-level Llama (width 256, 4 layers), prompts, reward (how many letters are vowels), groups of 8
for 8 prompts and 96 new tokens at most, temperature 1, DAPO's loss, one update a sampling, no KL. Each side runs in
a process of its own, one after the other, the order alternating; a step's seconds are the median of all but
the first, memory the process's peak less what it held before the first step. Exits 1 where ours takes more than 0.67
of TRL's time, or more memory.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

GROUPS, SIZE, TOKENS = 8, 8, 96
TIME_BAR = 0.67
PROMPTS = [f"{i}+{i + 3}*{i % 5}=" for i in range(40)]


def reward_of(text: str) -> float:
    """What both sides are rewarded for."""
    return sum(c in "aeiou" for c in text) / 10


def model() -> tuple[Any, Any]:
    from policies.models.tiny_example import tiny_model

    return tiny_model(width=256, layers=4, context=256)


def ours(steps: int) -> list[dict[str, float]]:
    import numpy as np

    from policies import GRPOConfig, Sampling, Transformers, grpo_train
    from verifiers import Problem, Scores

    class Vowels:
        def score(self, problems: Any, solutions: Any) -> Scores:
            rows = [np.full(len(s.steps), np.nan, np.float32) for s in solutions]
            for row, solution in zip(rows, solutions, strict=True):
                row[-1:] = reward_of(solution.text)
            return Scores(tuple(rows))

    config = GRPOConfig(
        steps=steps, groups=GROUPS, group_size=SIZE, sampling=Sampling(max_tokens=TOKENS), learning_rate=1e-4,
        save_every=0, attribute_every=0,
    )  # fmt: skip
    problems = [Problem(f"p{i}", prompt) for i, prompt in enumerate(PROMPTS)]
    with tempfile.TemporaryDirectory() as out:
        rows = grpo_train(Transformers(*model()), problems, Vowels(), out=out, config=config).metrics
    return [{**row["seconds"], "step": sum(row["seconds"].values()), "tokens": row["tokens"]} for row in rows]  # type: ignore[attr-defined, dict-item]


def trls(steps: int) -> list[dict[str, float]]:
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    seconds: list[float] = []
    lengths: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            seconds.append(time.perf_counter())

        def on_step_end(self, *_: Any, **__: Any) -> None:
            seconds[-1] = time.perf_counter() - seconds[-1]

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **__: Any) -> None:
            if "completions/mean_length" in logs:
                lengths.append(logs["completions/mean_length"])

    def reward(completions: list[str], **_: Any) -> list[float]:
        return [reward_of(text) for text in completions]

    net, tokenizer = model()
    tokenizer.pad_token = "<unk>"  # noqa: S105
    tokenizer.padding_side = "left"
    with tempfile.TemporaryDirectory() as out:
        arguments = GRPOConfig(
            output_dir=out, per_device_train_batch_size=GROUPS * SIZE, num_generations=SIZE, max_steps=steps,
            max_completion_length=TOKENS, temperature=1.0, learning_rate=1e-4, beta=0.0, loss_type="dapo",
            lr_scheduler_type="constant", logging_steps=1, save_strategy="no", report_to="none", use_cpu=True,
            disable_tqdm=True, bf16=False, gradient_checkpointing=False, dataloader_pin_memory=False,
        )  # fmt: skip
        trainer = GRPOTrainer(
            model=net, reward_funcs=reward, args=arguments, processing_class=tokenizer, callbacks=[Clock()],
            train_dataset=Dataset.from_list([{"prompt": prompt} for prompt in PROMPTS]),
        )  # fmt: skip
        trainer.train()
    return [{"step": s, "tokens": t} for s, t in zip(seconds, lengths, strict=False)]


def side(name: str, steps: int, threads: int) -> None:
    """One side, in this process; prints its rows and its memory as JSON."""
    import torch

    torch.set_num_threads(threads)
    model()
    if name == "trl":
        import trl  # noqa: F401  (its import is not a step's memory)
        from trl import GRPOTrainer  # noqa: F401
    else:
        import policies.grpo.train  # noqa: F401
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = (ours if name == "ours" else trls)(steps)
    print(json.dumps({"rows": rows, "kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before}))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--side", choices=("ours", "trl"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        side(options.side, options.steps, options.threads)
        return 0
    found: dict[str, list[dict[str, Any]]] = {"ours": [], "trl": []}
    for repeat in range(options.repeats):
        for name in ("ours", "trl")[:: 1 if repeat % 2 == 0 else -1]:
            command = [
                sys.executable,
                __file__,
                f"--side={name}",
                f"--steps={options.steps}",
                f"--threads={options.threads}",
            ]
            done = subprocess.run(  # noqa: S603
                command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1]
            )
            if done.returncode:
                print(done.stderr[-3000:], file=sys.stderr)
                return 1
            found[name].append(json.loads(done.stdout.strip().splitlines()[-1]))
    times = {n: [statistics.median(r["step"] for r in run["rows"][1:]) for run in runs] for n, runs in found.items()}
    memory = {n: [run["kib"] / 1024 for run in runs] for n, runs in found.items()}
    for name in found:
        tokens = statistics.mean(r["tokens"] for run in found[name] for r in run["rows"])
        shown = ", ".join(f"{t:.3f}" for t in times[name])
        print(f"{name}: {shown} s a step; {', '.join(f'{m:.0f}' for m in memory[name])} MiB; {tokens:.0f} tokens each")
    for part in ("rollout", "scoring", "update"):
        print(f"ours, {part}: {statistics.median(r[part] for run in found['ours'] for r in run['rows'][1:]):.3f} s")
    ratios = [a / b for a, b in zip(times["ours"], times["trl"], strict=True)]
    room = [a / b for a, b in zip(memory["ours"], memory["trl"], strict=True)]
    print(f"time: {statistics.median(ratios):.2f} of TRL's ({min(ratios):.2f}-{max(ratios):.2f}), bar {TIME_BAR}")
    print(f"memory: {statistics.median(room):.2f} of TRL's ({min(room):.2f}-{max(room):.2f}), bar 1")
    return 0 if statistics.median(ratios) <= TIME_BAR and statistics.median(room) <= 1.0 else 1


if __name__ == "__main__":
    sys.exit(main())
