"""A PRM that remembers prefixes in beam search, against one that reads each prefix from its beginning.

    python benchmarks/prm_incremental.py [--model FOLDER] [--repeats 3] [--threads 1]

Beam search of width 4, expand 4 and 12 steps over 4 problems of the length of GSM8K's, with steps of some
30 characters from a scripted policy, which costs next to nothing. Both runs see the same candidates; the
order alternates. Without --model the PRM is a random character-level Llama (width 256, 4 layers).
Exits 1 below 3 times fewer computed scorer tokens, below 2 times less scorer time, or where a score of the
search tree differs by more than 1e-4.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import LlamaForTokenClassification

import policies
import search
from policies.models.tiny_example import tiny_model
from prms import PRM
from verifiers import Problem, Scorer, Scores, Solution, Spend

WIDTH, EXPAND, STEPS, PROBLEMS = 4, 4, 12, 4
TOKENS_BAR, SECONDS_BAR, SCORES_BAR = 3.0, 2.0, 1e-4


class Forgetful:
    """The same PRM without the offer of a memory."""

    def __init__(self, prm: PRM) -> None:
        self.prm = prm

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        return self.prm.score(problems, solutions)


def reply(problem: Problem, prefix: Solution, seed: int) -> str:
    """The rest of twelve steps, each decided by the seed that draws it."""
    left = STEPS - len(prefix.steps)
    lines = [f"So far {seed % 997} and {seed % 89} more make {seed % 1086}.\n" for _ in range(left)]
    return "".join(lines)[:-1]


def random_prm() -> tuple[Any, Any]:
    model, tokenizer = tiny_model(width=256, layers=4, heads=8, context=1024)
    model.config.num_key_value_heads, model.config.num_labels = 8, 1
    torch.manual_seed(0)
    return LlamaForTokenClassification(model.config).eval(), tokenizer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a PRM's folder")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    prm = PRM.load(options.model) if options.model else PRM(*random_prm())
    problems = [
        Problem(f"p{i}", f"{i} " + "boxes of pencils are shared by the pupils. " * 5 + "\n") for i in range(PROBLEMS)
    ]
    ratios, differences, tokens = [], [], 1.0
    for repeat in range(options.repeats):
        runs: dict[str, tuple[Spend, list[float]]] = {}
        contestants: list[tuple[str, Scorer]] = [("remembers", prm), ("re-reads", Forgetful(prm))]
        for name, scorer in contestants if repeat % 2 else reversed(contestants):
            found = search.beam_search(
                problems,
                policies.Scripted(reply),
                scorer,
                width=WIDTH,
                expand=EXPAND,
                max_steps=STEPS,
            )
            runs[name] = Spend.total(r.spend for r in found), [n.value for r in found for n in r.tree]
        (ours, values), (plain, expected) = runs["remembers"], runs["re-reads"]
        if len(values) != len(expected):
            print("the two searches kept different candidates")
            return 1
        differences.append(float(np.nanmax(np.abs(np.array(values) - np.array(expected)))))
        tokens = plain.scored_tokens / ours.scored_tokens
        ratios.append(plain.scorer_seconds / ours.scorer_seconds)
        print(
            f"{ours.scored_tokens:.0f} and {plain.scored_tokens:.0f} scorer tokens computed, {ours.scorer_seconds:.2f} "
            f"and {plain.scorer_seconds:.2f} s: {ratios[-1]:.2f} times less; largest difference {differences[-1]:.1e}"
        )
    median = statistics.median(ratios)
    print(f"spread of the time ratio over {len(ratios)} repeats: {min(ratios):.2f} to {max(ratios):.2f}")
    print(f"prm_incremental: {tokens:.2f} times fewer tokens (bar {TOKENS_BAR:.0f}), ", end="")
    print(f"{median:.2f} times less time (bar {SECONDS_BAR:.0f})")
    return 0 if tokens >= TOKENS_BAR and median >= SECONDS_BAR and max(differences) <= SCORES_BAR else 1


if __name__ == "__main__":
    sys.exit(main())
