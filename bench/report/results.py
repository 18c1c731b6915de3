"""The results of a run as columns: how right each problem is at each point of a curve, and at how many FLOPs."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bench.files.rows import ResultRow
from bench.stats.arrays import Floats, Ints
from bench.stats.outcomes import Outcomes

Key = tuple[str, str | None]
COSTS = ("flops", "sampled_tokens", "scored_tokens")


@dataclass(slots=True)
class PointRows:
    """The rows of one point: their `problems` by number, how `correct` these are, (P,) each, and their costs."""

    problems: Ints
    correct: Floats
    costs: Floats  # (P, 3) in the order of `COSTS`

    @property
    def flops(self) -> Floats:
        """What each problem cost, (P,)."""
        return self.costs[:, 0]

    def some(self, which: npt.NDArray[np.bool_]) -> "PointRows":
        """Some of the rows."""
        return PointRows(self.problems[which], self.correct[which], self.costs[which])


@dataclass(frozen=True, slots=True)
class ResultTable:
    """All rows of `results.jsonl`, by curve and N; `numbers` are the problems' by their ids, as they first occur."""

    numbers: dict[str, int] = field(default_factory=dict)
    points: dict[Key, dict[int, PointRows]] = field(default_factory=dict)

    @staticmethod
    def of(rows: Iterable[ResultRow]) -> "ResultTable":
        """The table of rows, which are read one by one."""
        numbers: dict[str, int] = {}
        columns: dict[Key, dict[int, tuple[array[int], array[float], array[float]]]] = {}
        for row in rows:
            key = row.strategy, row.scorer
            if (found := columns.setdefault(key, {}).get(row.n)) is None:
                found = columns[key][row.n] = array("q"), array("d"), array("d")
            problems, correct, costs = found
            problems.append(numbers.setdefault(row.problem, len(numbers)))
            correct.append(row.correct)
            costs.extend(getattr(row, name) for name in COSTS)
        points = {
            key: {
                n: PointRows(np.array(problems), np.array(correct), np.array(costs).reshape(-1, len(COSTS)))
                for n, (problems, correct, costs) in of_curve.items()
            }
            for key, of_curve in columns.items()
        }
        return ResultTable(numbers, points)

    @staticmethod
    def of_outcomes(outcomes: Outcomes) -> "ResultTable":
        """The table of what was just computed: the same as that of its rows."""
        numbers = {name: i for i, name in enumerate(dict.fromkeys(table.problem for table in outcomes.tables))}
        points: dict[Key, dict[int, PointRows]] = {}
        for (contest, n), point in outcomes.points.items():
            problems = np.array([numbers[name] for name in point.problems])
            flops = point.spent("policy_flops", "scorer_flops")
            costs = np.column_stack([flops, point.spent("sampled_tokens"), point.spent("scored_tokens")])
            points.setdefault((contest.strategy, contest.scorer), {})[n] = PointRows(problems, point.correct, costs)
        return ResultTable(numbers, points)

    def numbered_as(self, other: "ResultTable") -> Ints:
        """The number that each problem has in another table, -1 where that one lacks it."""
        return np.array([other.numbers.get(name, -1) for name in self.numbers], dtype=np.int64)


def aligned(points: Sequence[PointRows]) -> list[Ints]:
    """Of points whose problems are numbered alike, the places of those that are in all, in the first one's order."""
    first = points[0].problems
    if all(np.array_equal(first, point.problems) for point in points):
        return [np.arange(len(first))] * len(points)
    places = []
    for point in points:
        of = np.full(max(int(p.problems.max(initial=-1)) for p in points) + 2, -1)  # -1 is no problem's number
        of[point.problems] = np.arange(len(point.problems))
        of[-1] = -1
        places.append(of[first])
    there = np.all([place >= 0 for place in places], axis=0)
    return [place[there] for place in places]


def renumbered(point: PointRows, numbers: Ints) -> PointRows:
    """A point of another table, under the numbers of this one."""
    return PointRows(numbers[point.problems], point.correct, point.costs)
