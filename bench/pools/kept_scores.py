"""Scores of saved pools, kept as they are made, so that a long scoring that was killed goes on where it stopped."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

import search
from bench.files.rows import json_number, read_number, read_spend, spend_row
from bench.runs.limit import Place
from verifiers.interface.errors import BadArgument
from verifiers.interface.files import Row, append_rows, cut_at, each_row
from verifiers.interface.lines import read_line
from verifiers.interface.scoring import ZERO, Scorer, Scores, Spend
from verifiers.interface.solution import Problem, Solution, Stop

Key = tuple[str, str]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kept:
    """A pool's scores, their `values` (n,) under the scorer's own reducer, and what scoring it cost."""

    scores: Scores
    values: npt.NDArray[np.float64]
    spend: Spend = ZERO

    def failed(self) -> dict[int, str]:
        """The solutions that could not be scored, with the reasons."""
        return {i: why for i, why in enumerate(self.scores.reasons) if why}

    @staticmethod
    def of(steps: Sequence[npt.NDArray[Any]]) -> "Kept":
        """Recorded scores, whose value is the last."""
        scores = Scores(tuple(steps))
        return Kept(scores, scores.values().astype(np.float64))


class _Line(NamedTuple):
    """Where a row stands in the file, and whether a model that computes here made it."""

    start: int
    end: int
    computed: bool


@dataclass(frozen=True, slots=True)
class KeptScores:
    """An append-only file with a line for each pool and scorer.

    A line counts for a scorer of the same version (see `bench.inputs.specs.version_of`), and for the same problem with
    the same solutions in the same steps: so neither another pool in the folder nor another --limit or
    --separator can be mistaken for it. Of lines for the same, the last counts: of a pool of which solutions failed,
    that of their scoring again. `failed` are the lines that are to be replaced by such a one.
    """

    path: Path
    known: dict[Key, "_Line"]
    failed: dict[Key, Row] = field(default_factory=dict)
    asked: set[Key] = field(default_factory=set)
    met: set[Key] = field(default_factory=set)  # those of the calls so far, which a later call does not repeat
    reused: Counter[str] = field(default_factory=Counter)  # pools that were not scored again, by version

    def unscored(self, version: str, pools: Mapping[str, T]) -> dict[str, T]:
        """Those of the pools, by their digests, that are neither kept nor asked for yet; others are used again.

        Of a model that computes here all are asked again, where some failed or are missing, as the kill in the middle
        of a call's lines leaves them: last digits depend on what shares a call.
        """
        keys = [key for digest in pools if (key := (version, digest)) not in self.met]
        self.met.update(keys)
        there = [key for key in keys if key in self.known]
        computed = any(self.known[key].computed for key in there)
        if computed and any(key in self.failed or key not in self.known for key in keys):
            self.failed.update({key: {**self._row(key), "whole": True} for key in there})
        todo = {digest: pool for digest, pool in pools.items() if not self._is_known(version, digest)}
        if len(todo) < len(pools):
            self.reused[version] += len(pools) - len(todo)
        self.asked.update((version, digest) for digest in todo)
        return todo

    def _is_known(self, version: str, digest: str) -> bool:
        key = (version, digest)
        return (key in self.known and key not in self.failed) or key in self.asked

    def part(self, version: str, digest: str) -> Row | None:
        """The line of a pool of which those solutions alone are scored again that failed."""
        row = self.failed.get((version, digest))
        return None if row is None or "whole" in row else row

    def stood(self, row: Row) -> set[Place]:
        """The solutions that had a score in the line that is to be replaced by this one."""
        before = self.failed.get((row["scorer"], row["digest"]))
        return (
            set()
            if before is None
            else {(row["problem"], i) for i, value in enumerate(before["values"]) if value is not None}
        )

    def is_again(self, version: str, digest: str) -> bool:
        """Whether a line of it replaces another."""
        return (version, digest) in self.failed

    def keep(self, rows: Sequence[Row]) -> None:
        """Append what `scored` made."""
        end, _ = append_rows(self.path, rows, sealed=True)
        with open(self.path, "rb") as file:
            file.seek(end)
            for row, line in zip(rows, file, strict=True):
                self.known[row["scorer"], row["digest"]] = _Line(end, end + len(line), _is_computed(row))
                end += len(line)

    def _row(self, key: Key) -> Row:
        start, end, _ = self.known[key]
        with open(self.path, "rb") as file:
            file.seek(start)
            return read_line(file.read(end - start), sealed=True)

    def kept(self, version: str, digest: str) -> Kept:
        """What was said of a pool's solutions, kept before or scored now."""
        row = self._row((version, digest))
        reasons = row.get("reasons", {})
        why = tuple(reasons.get(str(i)) for i in range(len(row["values"])))
        return Kept(replace(_scores(row["steps"]), reasons=why), _read(row["values"]), read_spend(row["spend"]))

    def steps(self, version: str, digest: str) -> Sequence[Sequence[float | str | None]]:
        """The step scores of a pool's solutions as they are written, None for no opinion."""
        steps: Sequence[Sequence[float | str | None]] = self._row((version, digest))["steps"]
        return steps


@dataclass(frozen=True, slots=True)
class Asked:
    """A pool that is scored, and the line of it of which those solutions alone are that failed before."""

    digest: str
    problem: Problem
    solutions: Sequence[Solution]
    before: Row | None

    @property
    def places(self) -> list[int]:
        """The solutions that are asked about."""
        return list(range(len(self.solutions))) if self.before is None else [int(i) for i in self.before["reasons"]]


def scored(version: str, scorer: Scorer, pools: Sequence[Asked]) -> list[Row]:
    """A row a pool of what a scorer says of its solutions, asked in one call; what failed has its reason in it."""
    results = search.score([(pool.problem, [pool.solutions[i] for i in pool.places]) for pool in pools], scorer)
    rows: list[Row] = [{"scorer": version, "problem": pool.problem.id, "digest": pool.digest} for pool in pools]
    return [row | _joined(pool, _said(result)) for row, pool, result in zip(rows, pools, results, strict=True)]


def failures(row: Row) -> list[tuple[Place, str]]:
    """The solutions that have no score in a row, with the reasons."""
    return [((row["problem"], int(i)), why) for i, why in row.get("reasons", {}).items()]


def _said(result: search.SearchResult) -> Row:
    """A result as a row; `kept` is what the rows cost that stand, of a pool with others that failed."""
    scores, values = result.scores, result.scores.values().tolist()
    alive = [solution.stop is not Stop.FAILED for solution in result.pool]
    bad = {i: why for i, why in enumerate(scores.reasons) if why and alive[i] and math.isnan(values[i])}
    row: Row = {
        "steps": [[json_number(value) for value in steps.tolist()] for steps in scores.steps],
        "values": [json_number(value) for value in values],
        "spend": spend_row(result.spend),
    }
    if bad:
        stands = Spend.total(spend for i, spend in enumerate(scores.spend) if i not in bad)
        share = 1 - len(bad) / sum(alive)
        row["reasons"] = {str(i): why for i, why in bad.items()}
        row["kept"] = spend_row(replace(stands, scorer_seconds=result.spend.scorer_seconds * share))
    return row


def _joined(pool: Asked, new: Row) -> Row:
    """What is said of a pool now, with what stood of it before."""
    if pool.before is None:
        return new
    row: Row = {name: list(pool.before[name]) for name in ("steps", "values")}
    for name in ("steps", "values"):
        for i, said in zip(pool.places, new[name], strict=True):
            row[name][i] = said
    stood = read_spend(pool.before["kept"])
    row |= {name: spend_row(stood + read_spend(new[name])) for name in ("spend", "kept") if name in new}
    if "reasons" in new:
        row["reasons"] = {str(pool.places[int(i)]): why for i, why in new["reasons"].items()}
    return row


def open_scores(path: Path, *, retry_failed: bool = False) -> KeptScores:
    """The scores in a file, without the torn line that a kill may have left; BadInput for a file of something else.

    `retry_failed` asks again for pools of which solutions failed.
    """
    known: dict[Key, _Line] = {}
    failed: dict[Key, Row] = {}
    end = 0
    try:
        for until, row in each_row(path, sealed=True):
            key = row["scorer"], row["digest"]
            known[key] = _Line(end, until, _is_computed(row))
            failed.pop(key, None)
            if retry_failed and "reasons" in row:
                failed[key] = row
            end = until
    except (KeyError, TypeError):
        raise BadArgument(
            "out", path.parent, f"its {path.name} is not the scores of a rerank; choose another"
        ) from None
    cut_at(path, end)
    return KeptScores(path, known, failed)


def _is_computed(row: Row) -> bool:
    return bool(row.get("spend", {}).get("scorer_flops"))


def _scores(rows: Sequence[Sequence[float | str | None]]) -> Scores:
    return Scores(tuple(_read(row).astype(np.float32) for row in rows))


def _read(row: Sequence[float | str | None]) -> npt.NDArray[np.float64]:
    return np.array([read_number(value) for value in row], dtype=np.float64)
