"""What the tests of saved generations share: rows into pools, what is said of them, and how many are right."""

import json
from pathlib import Path

import numpy as np

from bench.pools.rerank_notes import notes_on_reading
from bench.pools.saved_pool import SavedPool, read_pools
from verifiers import MATH, AnswerVerifier

Q, GOLD, RIGHT, WRONG = "2+2?", "4", r"So \boxed{4}", r"So \boxed{5}"


def read(*rows: object, columns: dict[str, str] | None = None) -> list[SavedPool]:
    Path("p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_pools(["p.jsonl"], columns=columns)


def notes(pools: list[SavedPool]) -> str:
    return "\n".join(notes_on_reading(pools, MATH))


def pass_at_1(pools: list[SavedPool]) -> float:
    shares = []
    for pool in pools:
        verdicts = AnswerVerifier(MATH).score([pool.problem] * len(pool.solutions), pool.solutions).values()
        shares.append(float(np.mean(verdicts == 1.0)))
    return float(np.mean(shares))
