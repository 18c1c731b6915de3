"""Searches that come one by one to a `search.Session`, beside one call with all problems.

    python benchmarks/session.py --problems 500 --n 4

Best-of-N on the embedded policy and ORM: one call of `search.best_of_n`, and as many concurrent
`await session.best_of_n(problem)`. The ratio of their seconds (the call's over the session's: its throughput beside
the call's), in turn; whether their answers, tokens and costs are equal, and the largest difference of a
log-probability or a score, whose last digits depend on which rows share a batch.
"""

import argparse
import asyncio
import time
from dataclasses import replace
from statistics import median

import numpy as np

import policies
import search
import verifiers
from bench.stats.arrays import Floats
from bench.tiny import load_task, weights_folder


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=500)
    parser.add_argument("--n", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    task = load_task("chain", count=options.problems)
    policy = policies.load("tiny:policy")
    scorer = verifiers.ORM.load(weights_folder("orm"))
    common = {"n": options.n, "answers": task.answers, "sampling": task.sampling}

    async def at_once() -> list[search.SearchResult]:
        with search.Session(policy, scorer) as session:
            return list(await asyncio.gather(*[session.best_of_n(p, **common) for p in task.problems]))

    ratios, same, differs = [], True, 0.0
    for repeat in range(options.repeats + 1):
        started = time.perf_counter()
        together = search.best_of_n(task.problems, policy, scorer, **common)
        call = time.perf_counter() - started
        started = time.perf_counter()
        joined = asyncio.run(at_once())
        session = time.perf_counter() - started
        for one, other in zip(together, joined, strict=True):
            same &= _told(one) == _told(other)
            differs = max(differs, float(np.abs(_floats(one) - _floats(other)).max()))
        if repeat:  # the first warms both up
            ratios.append(call / session)
            print(f"one call {call:.2f} s, {options.problems} searches of a session {session:.2f} s: {ratios[-1]:.2f}")
    print(
        f"a session has {median(ratios):.2f} of one call's throughput ({min(ratios):.2f}-{max(ratios):.2f}); "
        f"{'equal' if same else 'NOT equal'} answers, tokens and costs; log-probabilities and scores differ by "
        f"{differs:.1e} at most"
    )


def _told(result: search.SearchResult) -> object:
    """Its answer, the tokens of its pool, and what it cost but seconds."""
    spend = replace(result.spend, policy_seconds=0.0, scorer_seconds=0.0)
    return result.answer, [[step.tokens for step in solution.steps] for solution in result.pool], spend


def _floats(result: search.SearchResult) -> Floats:
    logprobs = [p for solution in result.pool for step in solution.steps for p in step.logprobs or ()]
    return np.concatenate([logprobs, result.scores.values()])


if __name__ == "__main__":
    main()
