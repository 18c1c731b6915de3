"""Scores of saved pools, kept as they are made, so that a long scoring that was killed goes on where it stopped."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

import search
from bench.files.rows import json_number, read_number, read_spend, spend_row
from verifiers.interface.errors import BadArgument
from verifiers.interface.files import Row, append_rows, whole_rows
from verifiers.interface.scoring import ZERO, Scorer, Scores, Spend
from verifiers.interface.solution import Problem, Solution

Key = tuple[str, str]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kept:
    """A pool's scores, their `values` (n,) under the scorer's own reducer, and what scoring it cost."""

    scores: Scores
    values: npt.NDArray[np.float64]
    spend: Spend = ZERO

    @staticmethod
    def of(steps: Sequence[npt.NDArray[Any]]) -> "Kept":
        """Recorded scores, whose value is the last."""
        scores = Scores(tuple(steps))
        return Kept(scores, scores.values().astype(np.float64))


@dataclass(frozen=True, slots=True)
class KeptScores:
    """An append-only file with a line for each pool and scorer.

    A line counts for a scorer of the same version (see `bench.inputs.specs.version_of`), and for the same problem with
    the same solutions in the same steps: so neither another pool in the folder nor another --limit or
    --separator can be mistaken for it.
    """

    path: Path
    known: dict[Key, Row]
    asked: set[Key] = field(default_factory=set)
    reused: Counter[str] = field(default_factory=Counter)  # pools that were not scored again, by version

    def unscored(self, version: str, pools: Mapping[str, T]) -> dict[str, T]:
        """Those of the pools, by their digests, that are neither kept nor asked for yet; others are used again."""
        todo = {digest: pool for digest, pool in pools.items() if not self._is_known(version, digest)}
        if len(todo) < len(pools):
            self.reused[version] += len(pools) - len(todo)
        self.asked.update((version, digest) for digest in todo)
        return todo

    def _is_known(self, version: str, digest: str) -> bool:
        return (version, digest) in self.known or (version, digest) in self.asked

    def keep(self, rows: Sequence[Row]) -> None:
        """Append what `scored` made."""
        append_rows(self.path, rows, sealed=True)
        self.known.update({(row["scorer"], row["digest"]): row for row in rows})

    def kept(self, version: str, digest: str) -> Kept:
        """What was said of a pool's solutions, kept before or scored now."""
        row = self.known[version, digest]
        return Kept(_scores(row["steps"]), _read(row["values"]), read_spend(row["spend"]))


def scored(
    version: str, scorer: Scorer, pools: Sequence[tuple[Problem, Sequence[Solution]]], digests: Sequence[str]
) -> list[Row]:
    """A row a pool of what a scorer says of its solutions, asked in one call."""
    return [
        {
            "scorer": version,
            "problem": result.problem.id,
            "digest": digest,
            "steps": [[json_number(value) for value in row.tolist()] for row in result.scores.steps],
            "values": [json_number(value) for value in result.scores.values().tolist()],
            "spend": spend_row(result.spend),
        }
        for digest, result in zip(digests, search.score(pools, scorer), strict=True)
    ]


def open_scores(path: Path) -> KeptScores:
    """The scores in a file, without the torn line that a kill may have left; BadInput for a file of something else."""
    rows = whole_rows(path, mend=True, sealed=True)
    try:
        return KeptScores(path, {(row["scorer"], row["digest"]): row for row in rows})
    except (KeyError, TypeError):
        raise BadArgument(
            "out", path.parent, f"its {path.name} is not the scores of a rerank; choose another"
        ) from None


def _scores(rows: Sequence[Sequence[float | str | None]]) -> Scores:
    return Scores(tuple(_read(row).astype(np.float32) for row in rows))


def _read(row: Sequence[float | str | None]) -> npt.NDArray[np.float64]:
    return np.array([read_number(value) for value in row], dtype=np.float64)
