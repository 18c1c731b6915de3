"""Saved pools of generations: problems with their solutions, and the scores that a file holds for them."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.inputs.rows import Row, check_limit, check_text, real_path
from bench.pools.columnar import unfolded
from bench.pools.columns import COLUMNS, Columns, missing
from bench.pools.fields import golds_in, is_other, prompt_in, solution_in, verdict_in
from bench.pools.prompts import read_prompts, with_prompt
from bench.pools.recorded_scores import Entry, recorded_scores
from bench.pools.shapes.hint import fitting
from bench.pools.shapes.lm_eval import VIEW
from bench.pools.shapes.names import GOLDS
from bench.pools.shapes.stops import UNKNOWN
from bench.pools.sources import is_run_folder, source_rows
from verifiers.interface.errors import BadArgument, BadInput
from verifiers.interface.scoring import ZERO, Scores, Spend
from verifiers.interface.solution import Message, Problem, Solution, split_steps


@dataclass(frozen=True, slots=True)
class SavedPool:
    """One problem with its saved solutions, and the scores that the file holds for them.

    `recorded` maps a field's name to its scores, one a solution or one a step: a number as it is; a list of
    "Yes"/"No" as the share of Yes among those given, NaN where none was. `correct` is None where the file does
    not say. `in_steps` says of which solutions the file gives the steps; `rows` how many rows they came from, and
    `where` where the first of them stands. A run's pool was graded by its task; it also has the answers that the task
    read, `extracted`, and in `values` each scorer's own value of each solution, under the scorer's own reducer, NaN
    for none. `values` is empty where the source is no run: there the last recorded score counts. What a reader should
    know of how the file was read: `repeated` rows logged the same solutions once more, any of the `golds` counts as
    right, `other_gold` is a column that has another than "answer", `unknown_stops` are words for a stop that are not
    known, `aside` has the fields that hold numbers but were not taken as scores, each with the reason, and `hint` what
    to do where there is no gold answer.
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
        return tuple(
            solution if given else replace(solution, steps=split_steps(solution.text, separator))
            for solution, given in zip(self.solutions, self.in_steps, strict=True)
        )


@dataclass(slots=True)
class _Group:
    """The rows of one problem; where they have no `id`, `named` may be one, or else `stem`, their source's, makes one.

    `views` counts how often the same solutions were logged in each way.
    """

    id: str | None
    stem: str
    prompt: str | tuple[Message, ...]
    golds: tuple[str, ...]
    first: str  # where its first row stands
    named: str | None = None
    other_gold: str = ""
    hint: str = ""
    rows: int = 0
    repeated: int = 0
    drawn: Spend = ZERO
    judged: dict[str, Spend] = field(default_factory=dict)
    views: Counter[tuple[str, str]] = field(default_factory=Counter)
    entries: list[Entry] = field(default_factory=list)
    known: Row = field(default_factory=dict)  # what else a run knows of the problem


def read_pools(
    sources: Sequence[str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    prompts: Sequence[str | Path] = (),
    limit: int | None = None,
) -> list[SavedPool]:
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
    given twice, and a name in `columns` that matches nothing.
    """
    check_limit(limit)
    names = dict(columns or {})
    if unknown := [name for name in names if name not in COLUMNS]:
        raise BadArgument("columns", f"{unknown[0]}=...", f"use {', '.join(COLUMNS)}")
    given = _each_once(sources)
    mapped = Columns(names)
    reading = _Reading(read_prompts(prompts), limit)
    for source in given:
        of_a_run = is_run_folder(source)
        reading.read(source, Columns({}) if of_a_run else mapped, of_a_run=of_a_run)
    groups = reading.groups
    if not groups:
        raise BadInput(f"{', '.join(given)}: no pools in it")
    mapped.check_used(given)
    problems = _problems(list(groups.values()), reading.ids)
    solutions = [tuple(solution_in(e.where, e.fields) for e in group.entries) for group in groups.values()]
    entries = [group.entries for group in groups.values()]
    recorded, aside = recorded_scores(entries, set(names.values()))
    pools = [_pool(*parts, aside=aside) for parts in zip(groups.values(), problems, solutions, recorded, strict=True)]
    known = all(pool.extracted is not None for pool in pools)  # else the mean problem's cost would be that of some
    return pools if known else [replace(pool, drawn=ZERO, judged={}) for pool in pools]


def _each_once(sources: Sequence[str | Path]) -> list[str]:
    given = [str(source) for source in sources]
    resolved = [real_path(source) for source in given]
    if twice := [source for source, real in zip(given, resolved, strict=True) if resolved.count(real) > 1]:
        raise BadInput(f"{twice[0]}: given twice; name each source once")
    return given


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is read so far: each problem's group, and all ids that rows name, those past the limit too."""

    asked: Mapping[str, Row]
    limit: int | None
    groups: dict[object, _Group] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)

    def read(self, source: str, columns: Columns, *, of_a_run: bool) -> None:
        """Add a source's rows to their problems' groups."""
        stem = Path(source.partition(":")[0]).stem
        for where, given in _rows(source, columns, of_a_run=of_a_run):
            with _not_too_deep(where):
                self._add(where, given, stem, columns, of_a_run=of_a_run)

    def _add(self, where: str, given: Row, stem: str, columns: Columns, *, of_a_run: bool) -> None:
        row = given if of_a_run else columns.row(where, given)
        if self.asked and not of_a_run:
            row = with_prompt(where, row, self.asked)
        if row.get("prompt") is None:
            has = ", ".join(map(repr, given)) or "nothing"
            raise BadInput(f"{where}: no 'prompt' in this row; it has {has}{fitting(given, missing(row))}")
        prompt = prompt_in(where, row)
        golds = golds_in(where, row, of_a_run=of_a_run)
        name = None if row.get("id") is None else check_text(where, "'id'", str(row["id"]))
        if name is not None:
            self.ids.add(name)
        key: object = (prompt, golds) if name is None else name
        found = columns.solutions(where, given, row)
        if key not in self.groups:
            if self.limit is not None and len(self.groups) == self.limit:
                return
            named = row.get("named")
            self.groups[key] = _Group(name, stem, prompt, golds, where, named and check_text(where, "the id", named))
            if of_a_run:
                self.groups[key].known = given.get("fields") or {}
            if not golds:
                self.groups[key].hint = f"; the row has {', '.join(map(repr, given))}{fitting(given, ['answer'])}"
            if "answer" in given and "answer" not in columns.names:
                self.groups[key].other_gold = next((name for name in GOLDS if is_other(given.get(name), golds)), "")
        group = self.groups[key]
        if (prompt, golds) != (group.prompt, group.golds):
            raise BadInput(
                f"{where}: id {name!r} was used by {group.first} with another prompt or answer; ids must be unique"
            )
        if not of_a_run and _is_logged_again(group, row.get(VIEW), found):
            group.repeated += 1
            return
        group.rows += 1
        if costs := of_a_run and given["costs"]:
            drawn, judged = costs
            group.drawn += drawn
            group.judged |= {scorer: group.judged.get(scorer, ZERO) + spend for scorer, spend in judged.items()}
        group.entries += [Entry(f"{where}: solution {i}", fields, of_a_run) for i, fields in enumerate(found)]


@contextmanager
def _not_too_deep(where: str) -> Iterator[None]:
    try:
        yield
    except RecursionError:
        raise BadInput(f"{where}: its lists or objects lie too deep in each other to be read; flatten them") from None


def _rows(source: str, columns: Columns, *, of_a_run: bool) -> Iterator[tuple[str, Row]]:
    """A source's rows; one that keeps several in lists side by side is these."""
    for where, given in source_rows(source):
        rows = [given] if of_a_run else unfolded(given, prompt=columns.names.get("prompt"))
        yield from ((where if len(rows) == 1 else f"{where}, place {i}", row) for i, row in enumerate(rows))


def _is_logged_again(group: _Group, view: object, found: Sequence[Row]) -> bool:
    """Whether these solutions were logged as often in another way, such as under another filter."""
    if view is None:
        return False
    texts = json.dumps([solution.get("text") for solution in found])
    group.views[texts, str(view)] += 1
    others = [n for (same, other), n in group.views.items() if same == texts and other != str(view)]
    return group.views[texts, str(view)] <= max(others, default=0)


def _problems(groups: Sequence[_Group], ids: set[str]) -> list[Problem]:
    """The problems; those whose rows have no ids get some that no other problem has, their own names where they can."""
    problems = []
    taken = set(ids)
    for place, group in enumerate(groups):
        name = group.id
        if name is None:
            wished = [group.named, f"{group.stem}-{group.named}"] if group.named else []
            made = (f"{group.stem}-{n:05d}" for n in count(place))
            name = next(free for free in chain(wished, made) if free not in taken)
            taken.add(name)
        problems.append(Problem(name, group.prompt, next(iter(group.golds), None), fields=group.known))
    return problems


def _pool(
    group: _Group,
    problem: Problem,
    solutions: tuple[Solution, ...],
    recorded: dict[str, Scores],
    *,
    aside: Mapping[str, str],
) -> SavedPool:
    of_runs = [entry.of_a_run for entry in group.entries]
    return SavedPool(
        problem,
        solutions,
        correct=tuple(verdict_in(entry.where, entry.fields.get("correct")) for entry in group.entries),
        recorded=recorded,
        in_steps=tuple(entry.steps is not None for entry in group.entries),
        extracted=tuple(e.fields["extracted"] for e in group.entries) if of_runs and all(of_runs) else None,
        rows=group.rows,
        where=group.first,
        values={name: _values(name, group.entries, scores) for name, scores in recorded.items() if any(of_runs)},
        repeated=group.repeated,
        golds=group.golds,
        other_gold=group.other_gold,
        unknown_stops=tuple(filter(None, (entry.fields.get(UNKNOWN) for entry in group.entries))),
        aside=aside,
        hint=group.hint,
        drawn=group.drawn if all(of_runs) else ZERO,  # what solutions of files cost is not known
        judged=group.judged if all(of_runs) else {},
    )


def _values(name: str, entries: Sequence[Entry], scores: Scores) -> npt.NDArray[np.float64]:
    """A run's own values; where solutions of a file were added to its problem, their last scores."""
    rows = zip(entries, scores.values().tolist(), strict=True)
    return np.array([e.fields["values"].get(name, np.nan) if e.of_a_run else last for e, last in rows], np.float64)
