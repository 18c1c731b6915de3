"""What of a run has failed: when it is too much to be kept, and how that alone is done again."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bench.files.rows import SampleRow, ScoreRow, SolutionRow, TreeRow, by_problem, to_row
from bench.files.run_folder import RunFolder
from search import Fate, SearchResult
from verifiers.interface.errors import EngineStoppedError
from verifiers.interface.files import Row
from verifiers.interface.solution import Problem


@dataclass(frozen=True, slots=True)
class UnitRows:
    """What a unit of work left: its journal record and its rows; nothing where it has not been done."""

    record: Row = field(default_factory=dict)
    samples: Sequence[SampleRow] = ()
    scores: Sequence[ScoreRow] = ()
    trees: Sequence[TreeRow] = ()

    @property
    def problems(self) -> Collection[str]:
        """The ids of its problems."""
        spend: Row = self.record.get("spend", {})
        return spend.keys()

    def with_new(self, problems: Sequence[Problem], new: "UnitRows") -> "UnitRows":
        """The same with the problems of `new` in the place of what they were, all in the order of `problems`."""

        def rows(old: Sequence[SolutionRow], fresh: Sequence[SolutionRow]) -> list[SolutionRow]:
            before, now = by_problem(old), by_problem(fresh)
            return [row for p in problems for row in (now if p.id in new.problems else before).get(p.id, [])]

        record = {**self.record, **new.record}
        for key in ("spend", "kept", "classes", "failed"):  # these have an entry a problem
            done_before = {name: e for name, e in self.record.get(key, {}).items() if name not in new.problems}
            if entries := done_before | new.record.get(key, {}):
                record[key] = {p.id: entries[p.id] for p in problems if p.id in entries}
            else:
                record.pop(key, None)
        return UnitRows(
            record, rows(self.samples, new.samples), rows(self.scores, new.scores), rows(self.trees, new.trees)
        )


def rows_of(folder: RunFolder | None, unit: str) -> UnitRows:
    """What a unit left in a folder."""
    if folder is None or unit not in folder.committed:
        return UnitRows()
    record = {key: value for key, value in folder.committed[unit].items() if key not in ("unit", "bytes", "crc32")}
    return UnitRows(record, folder.samples(unit), folder.scores(unit), folder.trees(unit))


def has_failures(folder: RunFolder) -> bool:
    """Whether anything failed in a run."""
    units = [rows_of(folder, unit) for unit in folder.committed]
    return any(failed_problems(unit, {}) or any(map(_unscored, unit.scores)) for unit in units)


def failed_problems(unit: UnitRows, pools: Mapping[str, Sequence[SampleRow]]) -> set[str]:
    """The problems of which a sample, a score or a candidate of a search failed; `pools` are what was scored."""
    return {
        *(row.problem for row in unit.samples if row.stop == "failed"),
        *(row.problem for row in unit.trees if row.fate == "failed"),
        *(row.problem for row in failed_scores(unit.scores, pools)),
    }


def reusable(unit: UnitRows, failed: Collection[str], samples: Sequence[SampleRow]) -> UnitRows:
    """What of a unit can be kept where the `failed` problems are done again.

    Of a model's rows, which have log-probabilities, nothing: the last digits of its numbers depend on what is computed
    beside them, and the rows would not be those of a run that never failed. Texts of a server stay.
    """
    return UnitRows() if failed and any(row.steps and not math.isnan(row.logprob) for row in samples) else unit


def same_pool(some: Sequence[SampleRow], others: Sequence[SampleRow]) -> bool:
    """Whether two pools have the same rows."""
    return [*map(to_row, some)] == [*map(to_row, others)]  # in which NaN is null, and equal to itself


def check_samples(rows: Sequence[SampleRow], what: str, *, unit: int, max_failed: float | None) -> None:
    """Raise EngineStoppedError where all these samples failed, or with `max_failed` a larger share of a unit's."""
    _check([(row.problem, row.reason) for row in rows if row.stop == "failed"], len(rows), unit, what, max_failed)


def check_scores(
    rows: Sequence[ScoreRow], pools: Mapping[str, Sequence[SampleRow]], what: str, *, max_failed: float | None
) -> None:
    """The same of scores, for the pools of a unit; a sample that failed has none, and is not counted here."""
    scored = {row.problem for row in rows}
    alive = [row.problem in scored for pool in pools.values() for row in pool if row.stop != "failed"]
    bad = [(row.problem, row.reason) for row in failed_scores(rows, pools)]
    _check(bad, sum(alive), len(alive), what, max_failed)


def check_candidates(results: Sequence[SearchResult], what: str, *, unit: int, max_failed: float | None) -> None:
    """The same of tree searches: where all came to nothing, or a larger share of a unit's candidates failed."""
    fruitless = [(result.problem.id, result.reason) for result in results if result.reason and not result.pool]
    bad = [pair for result in results for pair in failed_candidates(result)]
    _check(fruitless if max_failed is None else bad, len(results), unit, what, max_failed)


def failed_candidates(result: SearchResult) -> list[tuple[str, str]]:
    """The problem and the reason of each candidate that could not be drawn or scored."""
    nodes = [node for node in result.tree if node.fate is Fate.FAILED]
    return [(result.problem.id, node.solution.reason or result.reason or "it has no score") for node in nodes]


def failed_scores(rows: Sequence[ScoreRow], pools: Mapping[str, Sequence[SampleRow]]) -> list[ScoreRow]:
    """The scores that are missing, with a reason, of samples that did not fail themselves."""
    drawn = {(row.problem, row.index) for pool in pools.values() for row in pool if row.stop != "failed"}
    return [row for row in rows if _unscored(row) and (row.problem, row.index) in drawn]


def _unscored(row: ScoreRow) -> bool:
    return math.isnan(row.value) and row.reason is not None


def _check(bad: Sequence[tuple[str, str | None]], done: int, unit: int, what: str, max_failed: float | None) -> None:
    """`bad` are the problems and reasons of those that failed of `done` rows; a unit has more where some are kept."""
    of = done if max_failed is None else unit
    if bad and (len(bad) == of if max_failed is None else len(bad) > max_failed * of):
        problem, reason = bad[0]
        raise EngineStoppedError(
            f"{what}: {len(bad)} of {of} rows failed, the first with {reason!r} (problem {problem!r}); "
            "nothing of this unit was kept: mend that and run the same command again, or give --max-failed 1 where "
            "such rows may count as wrong"
        )
