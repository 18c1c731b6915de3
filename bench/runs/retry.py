"""What of a run has failed: when it is too much to be kept, and how that alone is done again."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bench.files.rows import SampleRow, ScoreRow, SolutionRow, TreeRow, by_problem, to_row
from bench.files.run_folder import RunFolder
from bench.runs.limit import Limit, Place
from search import Fate, SearchResult
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
        for key in ("spend", "kept", "classes", "failed", "nothing"):  # these have an entry a problem
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


def same_solutions(some: Sequence[SampleRow], others: Sequence[SampleRow]) -> set[Place]:
    """The places at which two samplings have one solution; scores of it stand whatever else of its pool was drawn."""
    said = {(row.problem, row.index): (row.steps, row.stop) for row in others if row.stop != "failed"}
    return {place for row in some if said.get(place := (row.problem, row.index)) == (row.steps, row.stop)}


def check_samples(rows: Sequence[SampleRow], before: Sequence[SampleRow], what: str, limit: Limit) -> None:
    """Raise EngineStoppedError where more of a unit's samples failed than may; `before` is what they were."""
    bad = {(row.problem, row.index): row.reason for row in rows if row.stop == "failed"}
    limit.check(bad, {(row.problem, row.index) for row in before if row.stop != "failed"}, what)


def check_scores(
    rows: Sequence[ScoreRow],
    pools: Mapping[str, Sequence[SampleRow]],
    before: Sequence[ScoreRow],
    what: str,
    limit: Limit,
) -> None:
    """The same of scores; a sample that failed has none, and is not counted here."""
    bad = {(row.problem, row.index): row.reason for row in failed_scores(rows, pools)}
    limit.check(bad, {(row.problem, row.index) for row in before if not math.isnan(row.value)}, what)


def check_candidates(
    results: Sequence[SearchResult], before: UnitRows, failed: Collection[str], what: str, limit: Limit
) -> None:
    """The same of tree searches, of which without a share all must have come to nothing."""
    bad: dict[Place, str | None] = {
        (name, place): why for result in results for name, place, why in failed_candidates(result)
    }
    if limit.share is None:
        bad = {(r.problem.id, 0): r.reason for r in results if r.reason and not r.pool}
    limit.check(bad, {(name, 0) for name in before.problems if name not in failed}, what)


def failed_candidates(result: SearchResult) -> list[tuple[str, int, str]]:
    """The problem, the place and the reason of each candidate that could not be drawn or scored."""
    places = [place for place, node in enumerate(result.tree) if node.fate is Fate.FAILED]
    said = {place: result.tree[place].solution.reason for place in places}
    return [(result.problem.id, place, said[place] or result.reason or "it has no score") for place in places]


def failed_scores(rows: Sequence[ScoreRow], pools: Mapping[str, Sequence[SampleRow]]) -> list[ScoreRow]:
    """The scores that are missing, with a reason, of samples that did not fail themselves."""
    drawn = {(row.problem, row.index) for pool in pools.values() for row in pool if row.stop != "failed"}
    return [row for row in rows if _unscored(row) and (row.problem, row.index) in drawn]


def _unscored(row: ScoreRow) -> bool:
    return math.isnan(row.value) and row.reason is not None
