"""Greedy solutions by vLLM and by transformers on the same weights: are they the same, and if not, why?

    python benchmarks/vllm_greedy.py --model FOLDER --task gsm8k:FILE --problems 50 --max-tokens 256

Where two solutions part, both models' next tokens are looked up after the ids that they share: a gap between the two
tokens' log-probabilities of no more than float noise (1e-3 in float32) is a tie that either may break as it likes.
Exits 1 where a difference is more than a tie. Needs vLLM (the extra `vllm`).
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bench.tasks.tasks import load_task
from bench.tiny import weights_folder
from policies import EngineOptions, Policy, Transformers
from policies.backends.vllm import VLLM
from verifiers import Problem, Solution, Step

TIE = {"float32": 1e-3, "bfloat16": 0.1}  # nats


def main() -> int:
    """Solve with both, compare, and explain."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=str(weights_folder("policy")))
    parser.add_argument("--task", default="chain")
    parser.add_argument("--problems", type=int, default=50)
    parser.add_argument("--max-tokens", type=int, default=0, help="0: the task's")
    parser.add_argument("--dtype", default="float32", choices=tuple(TIE))
    options = parser.parse_args()
    task = load_task(options.task, limit=options.problems, seed=0)
    sampling = replace(task.sampling, temperature=0.0, max_tokens=options.max_tokens or task.sampling.max_tokens)

    def solve(policy: Policy) -> list[list[int]]:
        started = time.perf_counter()
        count = len(task.problems)
        reply = policy.extend(task.problems, [Solution()] * count, until="end", sampling=sampling, seeds=[0] * count)
        seconds = time.perf_counter() - started
        tokens = sum(s.token_count for s in reply.solutions)
        print(f"{type(policy).__name__}: {count} problems, {tokens} tokens, {seconds:.1f} s")
        return [[i for step in s.steps for i in step.tokens or ()] for s in reply.solutions]

    with VLLM(options.model, options=EngineOptions(dtype=options.dtype, eager=True, memory_bytes=2 << 30)) as engine:
        theirs = solve(engine)
    plain = Transformers.load(options.model, dtype=options.dtype)
    ours = solve(plain)
    gaps = [gap_of(plain, p, a, b) for p, a, b in zip(task.problems, ours, theirs, strict=True) if a != b]
    print(f"{len(ours) - len(gaps)} of {len(ours)} solutions have the same ids to the end")
    return int(any(gap > TIE[options.dtype] for gap in gaps))


def gap_of(policy: Transformers, problem: Problem, ours: Sequence[int], theirs: Sequence[int]) -> float:
    """How far apart, in nats, the two tokens are at which the solutions part."""
    at = next(i for i, (a, b) in enumerate(zip([*ours, -1], [*theirs, -1], strict=False)) if a != b)
    shared = tuple(ours[:at])
    prefix = Solution((Step(policy.cutter.decode(shared), shared),)) if shared else Solution()
    pair = [ours[at], theirs[at]]
    logs = np.log(policy.next_token_probs([problem], [prefix], tokens=pair).probs[0])
    gap = float(abs(logs[0] - logs[1]))
    words = [policy.cutter.pieces[i] for i in pair]
    print(f"{problem.id}: part at token {at}, {words[0]!r} or {words[1]!r}: log-probabilities {gap:.2e} apart")
    return gap


if __name__ == "__main__":
    sys.exit(main())
