"""A pool as it stands in a sample's metadata, under "stepbeam": solutions in our own form, as pools are read."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bench.files.rows import json_number
from search import SearchResult

METADATA = "stepbeam"


def about(result: SearchResult, scorer: str | None) -> dict[str, Any]:
    """What a search says of itself.

    >>> import policies, search, verifiers
    >>> policy = policies.Scripted(lambda problem, prefix, seed: "It is 4.")
    >>> [result] = search.self_consistency([verifiers.Problem("p1", "2+2?")], policy, n=1)
    >>> said = about(result, None)
    >>> said["answer"], said["chosen"], said["pool"]
    ('4', 0, [{'steps': ['It is 4.'], 'stop': 'eos', 'scores': {}, 'reason': None}])
    """
    scores = zip(result.scores.steps, result.scores.reasons, strict=True)
    return {
        "answer": result.answer,
        "chosen": None if result.solution is None else result.pool.index(result.solution),
        "reason": result.reason,
        "spend": {name: json_number(value) for name, value in asdict(result.spend).items() if value},
        "pool": [
            {
                "steps": [step.text for step in solution.steps],
                "stop": solution.stop.value,
                "scores": {} if scorer is None else {scorer: [json_number(float(score)) for score in steps] or None},
                "reason": solution.reason or reason,
            }
            for solution, (steps, reason) in zip(result.pool, scores, strict=True)
        ],
    }
