"""What the tests of saved generations share: rows into pools, what is said of them, and how many are right."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.pools.grading import graded
from bench.pools.rerank_notes import Seen, notes_on_reading
from bench.pools.rows import GradedSolutions
from bench.pools.saved_pool import SavedPool, SavedPools, read_pools
from verifiers import MATH, AnswerVerifier

Q, GOLD, RIGHT, WRONG = "2+2?", "4", r"So \boxed{4}", r"So \boxed{5}"


def read(*rows: object, columns: dict[str, str] | None = None) -> SavedPools:
    Path("p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_pools(["p.jsonl"], columns=columns)


def notes(pools: SavedPools) -> str:
    seen = Seen(())
    for pool, found in zip(pools, graded(pools, MATH), strict=True):
        seen.add(GradedSolutions(pool, *found, {}), {})
    return "\n".join(notes_on_reading(pools, seen, MATH))


def pass_at_1(pools: Sequence[SavedPool]) -> float:
    shares = []
    for pool in pools:
        verdicts = AnswerVerifier(MATH).score([pool.problem] * len(pool.solutions), pool.solutions).values()
        shares.append(float(np.mean(verdicts == 1.0)))
    return float(np.mean(shares))
