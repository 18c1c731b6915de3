"""What it gains that no search waits for another's slowest row: beam search streaming beside the same in lock-step.

    python benchmarks/vllm_streaming.py --model FOLDER --task gsm8k:FILE --problems 32 --max-tokens 320
    python benchmarks/vllm_streaming.py  # the embedded model, on `chain`

Beam search of width 4 and expand 4 on one vLLM engine, in turn with rows streamed and with a call a round; prefix
caches emptied before each. The ratio of their seconds, how full the engine was (rows a step of those that it may hold
while anybody searched), and whether both found the same trees. Needs vLLM (the extra `vllm`).
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import mean, median
from typing import Any

import numpy as np

import search
from bench.inputs.task import Task
from bench.tasks.tasks import load_task
from bench.tiny import weights_folder
from policies import EngineOptions
from policies.backends.vllm import VLLM
from policies.policy import Extended, Sampling
from verifiers import Problem, Scores, Solution


class TextScorer:
    """A process scorer that costs nothing: a number from each step's text."""

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """In [0, 1), the same for the same text."""
        return Scores(tuple(np.array([sum(map(ord, s.text)) % 97 / 97 for s in x.steps]) for x in solutions))


class LockStep:
    """The policy without its stream."""

    def __init__(self, policy: VLLM) -> None:
        self._policy = policy

    def extend(self, *args: Any, **options: Any) -> Extended:
        """As the policy's."""
        return self._policy.extend(*args, **options)


def watched_rows(policy: VLLM) -> list[int]:
    """A list that grows by how many rows the engine holds, at each of its steps."""
    rows: list[int] = []
    engine = policy.engine.llm.llm_engine
    step = engine.step

    def watched() -> Any:
        rows.append(engine.get_num_unfinished_requests())
        return step()

    engine.step = watched
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=str(weights_folder("policy")))
    parser.add_argument("--task", default="chain")
    parser.add_argument("--problems", type=int, default=32)
    parser.add_argument("--width", type=int, default=4)
    parser.add_argument("--expand", type=int, default=4)
    parser.add_argument("--max-steps", type=int, default=12)
    parser.add_argument("--max-tokens", type=int, default=0, help="0: the task's")
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    options = parser.parse_args()
    task = load_task(options.task, limit=options.problems, seed=0)
    sampling = replace(task.sampling, max_tokens=options.max_tokens or task.sampling.max_tokens)
    engine = EngineOptions(dtype=options.dtype, eager=True, memory_bytes=3 << 30, max_rows=options.rows)
    with VLLM(options.model, options=engine) as policy:
        held = watched_rows(policy)
        ratios, same = [], True
        for repeat in range(options.repeats):
            seconds, trees, full = {}, {}, {}
            order = ("streaming", "lock-step") if repeat % 2 else ("lock-step", "streaming")
            for way in order:
                policy.engine.llm.reset_prefix_cache()
                held.clear()
                started = time.perf_counter()
                found = searched(policy if way == "streaming" else LockStep(policy), task, sampling, options, repeat)
                seconds[way] = time.perf_counter() - started
                trees[way] = [[(n.solution.text, n.fate) for n in r.tree] for r in found]
                full[way] = mean(min(1.0, rows / options.rows) for rows in held), len(held)
                tokens = sum(r.spend.sampled_tokens for r in found)
                print(
                    f"{way}: {seconds[way]:.1f} s, {tokens:.0f} tokens, {full[way][1]} engine steps, "
                    f"{100 * full[way][0]:.0f}% of {options.rows} rows in use",
                    flush=True,
                )
            ratios.append(seconds["lock-step"] / seconds["streaming"])
            same &= trees["lock-step"] == trees["streaming"]
        print(
            f"lock-step takes {median(ratios):.2f} times the time of streaming ({min(ratios):.2f}-{max(ratios):.2f}, "
            f"{len(ratios)} repeats); {'the same' if same else 'NOT the same'} trees"
        )


def searched(policy: Any, task: Task, sampling: Sampling, options: Any, seed: int) -> list[search.SearchResult]:
    """One beam search of all problems."""
    return search.beam_search(
        task.problems,
        policy,
        TextScorer(),
        width=options.width,
        expand=options.expand,
        max_steps=options.max_steps,
        answers=task.answers,
        sampling=sampling,
        seed=seed,
    )


if __name__ == "__main__":
    main()
