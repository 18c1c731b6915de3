"""What the library adds to vLLM: Best-of-N beside the raw engine, and what a beam search shares.

    python benchmarks/vllm_overhead.py --problems 16 --n 16
    python benchmarks/vllm_overhead.py --model FOLDER --task gsm8k:FILE --problems 8 --n 8 --max-tokens 128 \
        --beam-problems 32 --dtype bfloat16

Best-of-N from problems to answers (prompts, requests, steps, grading, choice) and the engine's own `generate` with the
same prompts and sampling, without seeds, and without log-probabilities unless `--logprobs` asks both for them, one
after the other in one process, caches emptied before each; the ratio of their times.
Then one beam search of width 4 and expand 4: its engine calls, and the share of prefix tokens found in the cache.
Needs vLLM (the extra `vllm`).
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import torch

import search
from bench.inputs.task import Task
from bench.tasks.tasks import load_task
from bench.tiny import weights_folder
from policies import EngineOptions
from policies.backends.vllm import VLLM
from policies.policy import Extended, Sampling
from verifiers import Problem, Scores, Solution, Spend


class Confidence:
    """A process scorer of its own policy's log-probabilities: the mean probability of a step's tokens; free of cost."""

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """exp of the mean log-probability, a step."""
        return Scores(tuple(np.array([np.exp(np.mean(s.logprobs)) for s in x.steps]) for x in solutions))


class Counted:
    """The policy, and how often its engine is called."""

    def __init__(self, policy: VLLM) -> None:
        self.policy, self.calls, self.spend = policy, 0, Spend()
        sample = policy.engine.sample

        def counted(requests: Any) -> Any:
            self.calls += 1
            return sample(requests)

        policy.engine.sample = counted  # type: ignore[method-assign]

    def extend(self, *args: Any, **options: Any) -> Extended:
        """As the policy's."""
        return self.policy.extend(*args, **options)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=str(weights_folder("policy")))
    parser.add_argument("--task", default="chain")
    parser.add_argument("--problems", type=int, default=16)
    parser.add_argument("--n", type=int, default=16)
    parser.add_argument("--max-tokens", type=int, default=0, help="0: the task's")
    parser.add_argument("--beam-problems", type=int, default=32, help="0: no beam search")
    parser.add_argument("--max-steps", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seeds", choices=("yes", "no"), default="yes", help="whether our rows have seeds")
    parser.add_argument("--logprobs", action="store_true", help="asked for on both sides")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    options = parser.parse_args()
    count = max(options.problems, options.beam_problems)
    task = load_task(options.task, limit=count, seed=0)
    tokens = options.max_tokens or task.sampling.max_tokens
    sampling = replace(task.sampling, max_tokens=tokens, logprobs=options.logprobs)
    engine = EngineOptions(
        dtype=options.dtype, eager=True, memory_bytes=2 << 30, max_rows=128, seeded=options.seeds == "yes"
    )
    with VLLM(options.model, options=engine) as policy:
        problems = task.problems[: options.problems]
        prompts = [{"prompt_token_ids": list(policy.prompt_ids(p))} for p in problems]
        from vllm import SamplingParams

        params = SamplingParams(
            n=options.n,
            temperature=sampling.temperature,
            max_tokens=sampling.max_tokens,
            logprobs=0 if options.logprobs else None,
            stop_token_ids=sorted(policy._ends),
        )
        raw, ours, ratios = [], [], []
        for repeat in range(options.repeats + 1):
            policy.engine.llm.reset_prefix_cache()
            torch.manual_seed(repeat)
            started = time.perf_counter()
            outputs = policy.engine.llm.generate(prompts, params, use_tqdm=False)
            seconds = time.perf_counter() - started
            tokens = sum(len(c.token_ids) for o in outputs for c in o.outputs)
            policy.engine.llm.reset_prefix_cache()
            started = time.perf_counter()
            results = search.best_of_n(
                problems,
                policy,
                task.verifier,
                n=options.n,
                answers=task.answers,
                sampling=sampling,
                seed=repeat,
            )
            mine = time.perf_counter() - started
            drawn = sum(r.spend.sampled_tokens for r in results)
            if repeat:  # the first warms both up
                raw.append(tokens / seconds)
                ours.append(drawn / mine)
                ratios.append((mine / drawn) / (seconds / tokens))
                print(
                    f"raw {seconds:.2f} s for {tokens} tokens, Best-of-N {mine:.2f} s for {drawn:.0f}: {ratios[-1]:.3f}"
                )
        if ratios:
            print(
                f"Best-of-{options.n} of {len(problems)} problems, time a token over raw: {median(ratios):.3f} "
                f"({min(ratios):.3f}-{max(ratios):.3f}); raw {median(raw):.0f} tokens a second, ours {median(ours):.0f}"
            )
        if options.beam_problems:
            beam(policy, task, sampling, options.beam_problems, options.max_steps)


def beam(policy: VLLM, task: Task, sampling: Sampling, problems: int, max_steps: int) -> None:
    """Search with width 4 and expand 4, and print what the engine did."""
    counted = Counted(policy)
    policy.engine.llm.reset_prefix_cache()
    started = time.perf_counter()
    found = search.beam_search(
        task.problems[:problems],
        counted,
        Confidence(),
        width=4,
        expand=4,
        max_steps=max_steps,
        answers=task.answers,
        sampling=replace(sampling, logprobs=True),
    )
    seconds = time.perf_counter() - started
    spend = Spend.total(r.spend for r in found)
    read = spend.prompt_tokens + spend.cached_prompt_tokens
    rounds = max(node.depth for r in found for node in r.tree) + 1
    print(
        f"beam search, width 4, expand 4, {len(found)} problems: {counted.calls} engine calls for {rounds} rounds "
        f"and {spend.policy_calls:.0f} extensions, {seconds:.1f} s, {spend.sampled_tokens:.0f} tokens sampled, "
        f"{100 * spend.cached_prompt_tokens / read:.0f}% of {read:.0f} prefix tokens found in the cache"
    )


if __name__ == "__main__":
    main()
