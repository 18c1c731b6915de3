"""What every strategy makes of every problem at every size: one by one, and as a table that holds a million of them."""

import json
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from functools import cached_property
from itertools import accumulate, islice
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from bench.stats.arrays import Floats
from bench.stats.contest import Contest
from verifiers.interface.scoring import ZERO, Spend

_SPENDS = tuple(field.name for field in fields(Spend))


@dataclass(frozen=True, slots=True)
class Outcome:
    """One problem at one point of a curve: the chance of a right answer, and what it costs on average."""

    problem: str
    contest: Contest
    n: int
    correct: float
    error: float  # standard error of `correct` from drawing subsets; 0 where it is exact
    spend: Spend
    pool: int = 0  # samples in the pool that it was read off; 0 where there was none

    def row(self) -> dict[str, Any]:
        """A row of `results.jsonl`; seconds are left out, so that equal runs give equal bytes."""
        return {
            "problem": self.problem,
            "strategy": self.contest.strategy,
            "scorer": self.contest.scorer,
            "n": self.n,
            "correct": self.correct,
            "error": self.error,
            "sampled_tokens": float(self.spend.sampled_tokens),
            "scored_tokens": float(self.spend.scored_tokens),
            "flops": float(self.spend.flops),
        }


@dataclass(frozen=True, slots=True)
class ProblemOutcomes:
    """One problem at C contests and S sizes: `correct` and `error` have shape (C, S).

    `spends` has, by the contests' scorers, what each size costs, (S, 12) in the order of the fields of `Spend`; where
    one is not in it, neither it nor what it scored cost anything.
    """

    problem: str
    contests: tuple[Contest, ...]
    sizes: tuple[int, ...]
    correct: Floats
    error: Floats
    spends: Mapping[str | None, Floats]
    pool: int = 0

    def __repr__(self) -> str:
        return f"<ProblemOutcomes {self.problem!r}: {self.correct.size}, of {len(self.contests)} curves>"

    @staticmethod
    def one(outcome: Outcome) -> "ProblemOutcomes":
        """A single outcome as a table."""
        o = outcome
        correct, error = np.array([[o.correct]]), np.array([[o.error]])
        spends = packed({o.contest.scorer: [o.spend]})
        return ProblemOutcomes(o.problem, (o.contest,), (o.n,), correct, error, spends, o.pool)

    def __iter__(self) -> Iterator[Outcome]:
        for i, contest in enumerate(self.contests):
            spends = self.spends.get(contest.scorer)
            for j, n in enumerate(self.sizes):
                spend = ZERO if spends is None else Spend(*spends[j].tolist())
                correct, error = float(self.correct[i, j]), float(self.error[i, j])
                yield Outcome(self.problem, contest, n, correct, error, spend, self.pool)

    def lines(self) -> Iterator[str]:
        """The lines of `results.jsonl`: the rows of all outcomes as JSON."""
        problem, free = json.dumps(self.problem, ensure_ascii=False), _costs(ZERO)
        correct, error = self.correct.tolist(), self.error.tolist()
        for i, contest in enumerate(self.contests):
            named = json.dumps({"strategy": contest.strategy, "scorer": contest.scorer}, ensure_ascii=False)[1:-1]
            spends = self.spends.get(contest.scorer)
            for j, n in enumerate(self.sizes):
                costs = free if spends is None else _costs(Spend(*spends[j].tolist()))
                yield (
                    f'{{"problem": {problem}, {named}, "n": {n}, '
                    f'"correct": {_text(correct[i][j])}, "error": {_text(error[i][j])}, {costs}}}\n'
                )


def _costs(spend: Spend) -> str:
    costs = {"sampled_tokens": spend.sampled_tokens, "scored_tokens": spend.scored_tokens, "flops": spend.flops}
    return json.dumps({name: _number(float(cost)) for name, cost in costs.items()})[1:-1]


def _text(number: float) -> str:
    return repr(number) if math.isfinite(number) else json.dumps(_number(number))


def _number(cost: float) -> float | str | None:
    """As `bench.files.rows.json_number`, which lies a floor above."""
    return cost if math.isfinite(cost) else None if math.isnan(cost) else str(cost)


def packed(spends: Mapping[str | None, Sequence[Spend]]) -> dict[str | None, Floats]:
    """Spends as `ProblemOutcomes` has them; those of a scorer that are all nothing are left out."""
    return {
        name: np.array([astuple(spend) for spend in each], dtype=np.float64)
        for name, each in spends.items()
        if any(spend is not ZERO and spend != ZERO for spend in each)
    }


@dataclass(frozen=True, eq=False)
class Outcomes(Sequence[Outcome]):
    """The outcomes of many problems, as a sequence; an outcome is made as it is asked for."""

    tables: tuple[ProblemOutcomes, ...]

    @staticmethod
    def of(outcomes: Iterable[Outcome]) -> "Outcomes":
        """A sequence of outcomes as one of these, in its order."""
        return outcomes if isinstance(outcomes, Outcomes) else Outcomes(tuple(map(ProblemOutcomes.one, outcomes)))

    def __repr__(self) -> str:
        return f"<Outcomes: {len(self)} of {len(self.tables)} problems>"

    def without(self, cost: str) -> set[str]:
        """The problems of which some outcome's cost, a field of `Spend`, is not known."""
        place = _SPENDS.index(cost)
        return {
            table.problem
            for table in self.tables
            if any(np.isnan(spends[:, place]).any() for spends in table.spends.values())
        }

    @cached_property
    def _ends(self) -> list[int]:
        """How many outcomes there are up to the end of each table."""
        return list(accumulate(table.correct.size for table in self.tables))

    def __len__(self) -> int:
        return self._ends[-1] if self.tables else 0

    def __iter__(self) -> Iterator[Outcome]:
        for table in self.tables:
            yield from table

    @overload
    def __getitem__(self, index: int) -> Outcome: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Outcome]: ...
    def __getitem__(self, index: int | slice) -> Outcome | Sequence[Outcome]:
        if isinstance(index, slice):
            return tuple(self)[index]
        place = range(len(self))[index]
        table = bisect_right(self._ends, place)
        before = self._ends[table - 1] if table else 0
        return next(islice(self.tables[table], place - before, None))

    @cached_property
    def points(self) -> "dict[tuple[Contest, int], PointOutcomes]":
        """All outcomes of each point, in the order in which points and problems first occur."""
        alike: dict[tuple[object, object], list[ProblemOutcomes]] = {}
        for table in self.tables:
            alike.setdefault((table.contests, table.sizes), []).append(table)
        found: dict[tuple[Contest, int], list[PointOutcomes]] = {}
        for tables in alike.values():
            problems = tuple(table.problem for table in tables)
            correct = np.stack([table.correct for table in tables], axis=-1)
            error = np.stack([table.error for table in tables], axis=-1)
            for i, contest in enumerate(tables[0].contests):
                costly = np.array([contest.scorer in table.spends for table in tables])
                spends = [table.spends[contest.scorer] for table in tables if contest.scorer in table.spends]
                costs = np.stack(spends, axis=1) if spends else np.zeros((len(tables[0].sizes), 0, len(_SPENDS)))
                for j, n in enumerate(tables[0].sizes):
                    point = PointOutcomes(problems, correct[i, j], error[i, j], costly, costs[j])
                    found.setdefault((contest, n), []).append(point)
        return {point: PointOutcomes.joined(parts) for point, parts in found.items()}


@dataclass(frozen=True, slots=True)
class PointOutcomes:
    """Of one point its P problems, their `correct` and `error`, (P,) each, and the Q spends that are not nothing."""

    problems: tuple[str, ...]
    correct: Floats
    error: Floats
    costly: npt.NDArray[np.bool_]  # (P,): whose spends these are
    spends: Floats  # (Q, 13)

    @staticmethod
    def joined(parts: "Sequence[PointOutcomes]") -> "PointOutcomes":
        """One of several."""
        if len(parts) == 1:
            return parts[0]
        return PointOutcomes(
            tuple(problem for part in parts for problem in part.problems),
            np.concatenate([part.correct for part in parts]),
            np.concatenate([part.error for part in parts]),
            np.concatenate([part.costly for part in parts]),
            np.concatenate([part.spends for part in parts]),
        )

    def spent(self, *names: str) -> Floats:
        """What each problem spent under these names of `Spend` together, (P,)."""
        found = np.zeros(len(self.problems))
        found[self.costly] = sum(self.spends[:, _SPENDS.index(name)] for name in names)
        return found

    @property
    def mean_spend(self) -> Spend:
        """What a problem costs."""
        if not len(self.spends):
            return ZERO
        share = 1 / len(self.correct)
        return Spend(*(sum(column) * share for column in self.spends.T.tolist()))
