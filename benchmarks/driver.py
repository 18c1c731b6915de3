"""What the driver itself costs: beam search with a policy and a scorer that cost next to nothing.

usage: python benchmarks/driver.py [--problems 500] [--repeats 5]

Prints the calls made and, on the last line, microseconds a candidate, the scripted policy and scorer
included. Exits 1 above 50, or where there is more than one call a step to each.
"""

import argparse
import statistics
import sys
import time

import numpy as np

import policies
import search
from verifiers import Problem, Scores, Solution

WIDTH, EXPAND, STEPS, BAR = 4, 4, 8, 50.0


def reply(problem: Problem, prefix: Solution, seed: int) -> str:
    """Eight steps of six characters; each step's text comes from the seed that draws it."""
    done = len(prefix.steps)
    return f"{seed % 99991:05d}\n" * (STEPS - done - 1) + f"{seed % 99991:05d}."


class LastDigit:
    """Scores a step by its digits."""

    calls = 0

    def score(self, problems: list[Problem], solutions: list[Solution]) -> Scores:
        self.calls += 1
        return Scores(tuple(np.array([float(s.text[:5]) for s in x.steps], dtype=np.float32) for x in solutions))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    problems = [Problem(f"p{i}", "?") for i in range(options.problems)]
    figures = []
    for _ in range(options.repeats):
        policy, scorer = policies.Scripted(reply), LastDigit()
        started = time.perf_counter()
        results = search.beam_search(problems, policy, scorer, width=WIDTH, expand=EXPAND, max_steps=STEPS)
        seconds = time.perf_counter() - started
        inside = sum(r.spend.policy_seconds + r.spend.scorer_seconds for r in results)
        candidates = sum(len(call) for call in policy.calls)
        figures.append(1e6 * seconds / candidates)
        print(
            f"{len(problems)} problems, width {WIDTH}, expand {EXPAND}, {STEPS} steps: {len(policy.calls)} policy and "
            f"{scorer.calls} scorer calls, {candidates} candidates, {seconds:.2f} s, of which {inside:.2f} s in the "
            f"policy and the scorer; {figures[-1]:.1f} us a candidate"
        )
        if not len(policy.calls) == scorer.calls == STEPS:
            print(f"expected {STEPS} calls to each")
            return 1
    median = statistics.median(figures)
    print(f"spread over {len(figures)} repeats: {min(figures):.1f} to {max(figures):.1f}")
    print(f"driver_us_per_candidate {median:.1f} (bar: {BAR:.0f})")
    return 0 if median <= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
