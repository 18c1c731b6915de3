"""Saved pools of generations: problems with their solutions, and the scores that a file holds for them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt

from bench.files.rows import read_number
from bench.inputs.rows import Row, check_limit, real_path
from bench.pools.columns import COLUMNS, Columns
from bench.pools.fields import solution_in, verdict_in
from bench.pools.prompts import read_prompts
from bench.pools.reading import Group, Reading
from bench.pools.recorded_scores import Entry, ScoreNames, score_names, scores_of
from bench.pools.shapes.stops import UNKNOWN
from bench.pools.sources import is_run_folder
from verifiers.interface.errors import BadArgument, BadInput
from verifiers.interface.scoring import ZERO, Scores, Spend
from verifiers.interface.solution import Problem, Solution, split_steps

LINE = "\n"
_PART = 16 << 20  # bytes of pools that are in memory together


@dataclass(frozen=True, slots=True)
class SavedPool:
    """One problem with its saved solutions, and the scores that the file holds for them.

    `recorded` maps a field's name to its scores, one a solution or one a step: a number as it is; a list of
    "Yes"/"No" as the share of Yes among those given, NaN where none was. `correct` is None where the file does
    not say. `in_steps` says of which solutions the file gives the steps; `rows` how many rows they came from, and
    `where` where the first of them stands. A run's pool, also one that was exported, was graded by its task; it also
    has the answers that the task read, `extracted`, and in `values` each scorer's own value of each solution, under
    the scorer's own reducer, NaN for none. `values` is empty where the source is no run: there the last recorded
    score counts. What a reader should know of how the file was read: `repeated` rows logged the same solutions once
    more, any of the `golds` counts as right, `other_gold` is a column that has another than "answer", `unknown_stops`
    are words for a stop that are not known, `aside` has the fields that hold numbers but were not taken as scores,
    each with the reason, and `hint` what to do where there is no gold answer.
    """

    problem: Problem
    solutions: tuple[Solution, ...]
    correct: tuple[bool | None, ...]
    recorded: dict[str, Scores]
    in_steps: tuple[bool, ...]
    extracted: tuple[str | None, ...] | None = None
    rows: int = 1
    where: str = ""
    values: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    repeated: int = 0
    golds: tuple[str, ...] = ()
    other_gold: str = ""
    unknown_stops: tuple[str, ...] = ()
    aside: Mapping[str, str] = field(default_factory=dict)
    hint: str = ""
    drawn: Spend = ZERO
    judged: Mapping[str, Spend] = field(default_factory=dict)

    def cut(self, separator: str) -> tuple[Solution, ...]:
        """The solutions with their texts cut at `separator`; steps that the file gives stay as they are."""
        if separator == LINE:  # which they were cut at when they were read
            return self.solutions
        return tuple(
            solution if given else replace(solution, steps=split_steps(solution.text, separator))
            for solution, given in zip(self.solutions, self.in_steps, strict=True)
        )


def read_pools(
    sources: Sequence[str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    prompts: Sequence[str | Path] = (),
    limit: int | None = None,
) -> "SavedPools":
    """The pools of all sources (see `bench.pools.sources`), in the order in which their problems first occur.

    A row is `{"id", "prompt", "answer", "solutions": [{"text", "correct", "stop", ...}]}`; only
    "prompt" and the texts are required, the prompt may be a list of messages, a solution may be a plain string, and
    "steps", a list of texts, may stand in the place of "text". Rows of other shapes that are known (see
    `bench.pools.shapes` and docs/pools.md) are read as such rows; our own names win. What solutions have may also stand
    beside them as lists of the same length; an object's own field wins. "answer" is a text, a number or a list of one;
    of a whole solution it is what is boxed or follows the last "####". "correct" is true, false, 1, 0 or null, and
    "stop" a member of `verifiers.Stop` or an engine's word ("stop", "max_tokens", ...); without one a solution counts
    as finished. A null solution is a failed one. A row without "solutions" is itself one solution. Rows with the same
    id, or without ids with the same prompt and answer, are one problem's. Scores are what a solution has in an object
    "scores", a number or one a step, or, where no solution has such an object, every other field that holds numbers and
    nothing else, and counts or sets nothing (see `bench.pools.recorded_scores`). `columns` maps these names to those of
    the sources, or to paths such as "doc.answer", runs excepted; `prompts` are files that have the prompts or the gold
    answers, by the ids of the rows that lack them. Raises BadInput for a row that is not so, a source
    given twice, and a name in `columns` that matches nothing. All of it is read and checked here, once; the pools are
    then made of it as they are asked for, so that they need not all be in memory.
    """
    check_limit(limit)
    names = dict(columns or {})
    if unknown := [name for name in names if name not in COLUMNS]:
        raise BadArgument("columns", f"{unknown[0]}=...", f"use {', '.join(COLUMNS)}")
    given = _each_once(sources)
    mapped = Columns(names)
    reading = Reading(read_prompts(prompts), limit)
    for source in given:
        of_a_run = is_run_folder(source)
        reading.read(source, Columns({}) if of_a_run else mapped, of_a_run=of_a_run)
    groups = list(reading.groups.values())
    if not groups:
        raise BadInput(f"{', '.join(given)}: no pools in it")
    mapped.check_used(given)
    entries = (reading.saved(group)[2] for group in groups)
    scores = score_names(entries, set(names.values()), inside=reading.scored)
    priced = all(group.of_runs and group.solutions for group in groups)
    return SavedPools(reading, groups, _ids(groups, reading.ids), scores, priced)


@dataclass(frozen=True, slots=True)
class SavedPools(Sequence[SavedPool]):
    """Saved pools, each made as it is asked for; `groups` have what is known of all of them without that."""

    reading: Reading
    groups: Sequence[Group]
    ids: Sequence[str]
    names: ScoreNames
    priced: bool  # whether it is known what all of them cost, else the mean problem's cost would be that of some

    def entries(self, index: int) -> list[Entry]:
        """A pool's solutions as they are saved."""
        return self.reading.saved(self.groups[index])[2]

    def fields(self) -> Iterator[Row]:
        """What else is known of each problem."""
        return (self.reading.saved(group)[1] for group in self.groups)

    def in_steps(self) -> set[str]:
        """The names of recorded scores that speak of several steps of any solution."""
        return {
            name
            for i in range(len(self))
            for name, scores in scores_of(self.entries(i), self.names).items()
            if any((~np.isnan(row)).sum() > 1 for row in scores.steps)
        }

    def __len__(self) -> int:
        return len(self.groups)

    @overload
    def __getitem__(self, index: int) -> SavedPool: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[SavedPool]: ...
    def __getitem__(self, index: int | slice) -> SavedPool | Sequence[SavedPool]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        group, name = self.groups[index], self.ids[index]
        prompt, fields, entries = self.reading.saved(group)
        pool = _pool(group, Problem(name, prompt, group.gold, fields=fields), entries, self.names)
        return pool if self.priced else replace(pool, drawn=ZERO, judged={})

    def parts(self) -> Iterator[range]:
        """The places of pools that are in memory together: of some `_PART` bytes, or one that has more."""
        start = held = 0
        for i, group in enumerate(self.groups):
            held += self.reading.spool.size(group.number)
            if held >= _PART:
                yield range(start, i + 1)
                start, held = i + 1, 0
        if start < len(self.groups):
            yield range(start, len(self.groups))


def _each_once(sources: Sequence[str | Path]) -> list[str]:
    given = [str(source) for source in sources]
    resolved = [real_path(source) for source in given]
    if twice := [source for source, real in zip(given, resolved, strict=True) if resolved.count(real) > 1]:
        raise BadInput(f"{twice[0]}: given twice; name each source once")
    return given


def _ids(groups: Sequence[Group], ids: set[str]) -> list[str]:
    """The problems' ids; those whose rows have none get some that no other has, their own names where they can."""
    found = []
    taken = set(ids)
    for place, group in enumerate(groups):
        name = group.id
        if name is None:
            wished = [group.named, f"{group.stem}-{group.named}"] if group.named else []
            made = (f"{group.stem}-{n:05d}" for n in count(place))
            name = next(free for free in chain(wished, made) if free not in taken)
            taken.add(name)
        found.append(name)
    return found


def _pool(group: Group, problem: Problem, entries: Sequence[Entry], names: ScoreNames) -> SavedPool:
    recorded = scores_of(entries, names)
    known = any(entry.graded for entry in entries)
    return SavedPool(
        problem,
        tuple(solution_in(entry.where, entry.fields) for entry in entries),
        correct=tuple(verdict_in(entry.where, entry.fields.get("correct")) for entry in entries),
        recorded=recorded,
        in_steps=tuple(entry.steps is not None for entry in entries),
        extracted=tuple(e.fields["extracted"] for e in entries) if entries and group.graded else None,
        rows=group.rows,
        where=group.first,
        values={name: _values(name, entries, scores) for name, scores in recorded.items() if known},
        repeated=group.repeated,
        golds=group.golds,
        other_gold=group.other_gold,
        unknown_stops=tuple(filter(None, (entry.fields.get(UNKNOWN) for entry in entries))),
        aside=names.aside,
        hint=group.hint,
        drawn=group.drawn,
        judged=group.judged or {},
    )


def _values(name: str, entries: Sequence[Entry], scores: Scores) -> npt.NDArray[np.float64]:
    """A run's own values; where solutions of a file were added to its problem, their last scores."""
    rows = zip(entries, scores.values().tolist(), strict=True)
    found = [e.fields["values"].get(name, last) if e.graded else last for e, last in rows]
    return np.array([read_number(value) for value in found], np.float64)
