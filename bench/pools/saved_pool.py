"""Saved pools of generations: problems with their solutions, and the scores that a file holds for them."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.inputs.rows import Row, after_hashes, check_limit, check_text, text_field
from bench.pools.columns import COLUMNS, Columns, missing
from bench.pools.recorded_scores import Entry, recorded_scores
from bench.pools.shapes.golds import gold_of, golds_in
from bench.pools.shapes.hint import fitting
from bench.pools.shapes.lm_eval import VIEW
from bench.pools.shapes.stops import UNKNOWN, stop_of
from bench.pools.sources import is_run_folder, source_rows
from verifiers.interface.errors import BadArgument, BadInput
from verifiers.interface.scoring import Scores, Spend
from verifiers.interface.solution import Message, Problem, Solution, Step, Stop, split_steps

_TRUTHS = {"true": True, "false": False, "1": True, "0": False, "": None}
_STOPS = (*Stop, "stop", "max_tokens", "abort", "error", "content_filter", "tool_calls")  # those that a message names
NOT_MADE = "no text was recorded"  # the reason of a solution that is null


@dataclass(frozen=True, slots=True)
class SavedPool:
    """One problem with its saved solutions, and the scores that the file holds for them.

    `recorded` maps a field's name to its scores, one a solution or one a step: a number as it is; a list of
    "Yes"/"No" as the share of Yes among those given, NaN where none was. `correct` is None where the file does
    not say. `in_steps` says of which solutions the file gives the steps; `rows` how many rows they came from, and
    `where` where the first of them stands. A run's pool was graded by its task; it also has the answers that the task
    read, `extracted`, and in `values` each scorer's own value of each solution, under the scorer's own reducer, NaN
    for none. `values` is empty where the source is no run: there the last recorded score counts. `spent` is what its
    samples (None) and each scorer cost, where all pools are those of runs. What a reader should
    know of how the file was read: `repeated` rows logged the same solutions once more, the row gave `golds` different
    gold answers, `unknown_stops` are words for a stop that are not known, `aside` has the fields that hold numbers but
    were not taken as scores, each with the reason, and `hint` what to do where there is no gold answer.
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
    spent: Mapping[str | None, Spend] = field(default_factory=dict)
    repeated: int = 0
    golds: int = 1
    unknown_stops: tuple[str, ...] = ()
    aside: Mapping[str, str] = field(default_factory=dict)
    hint: str = ""

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
    answer: str | None
    first: str  # where its first row stands
    named: str | None = None
    golds: int = 1
    hint: str = ""
    rows: int = 0
    repeated: int = 0
    views: Counter[tuple[str, str]] = field(default_factory=Counter)
    entries: list[Entry] = field(default_factory=list)


def read_pools(
    sources: Sequence[str | Path], *, columns: Mapping[str, str] | None = None, limit: int | None = None
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
    the sources, or to paths such as "doc.answer", runs excepted. Raises BadInput for a row that is not so, a source
    given twice, and a name in `columns` that matches nothing.
    """
    check_limit(limit)
    names = dict(columns or {})
    if unknown := [name for name in names if name not in COLUMNS]:
        raise BadArgument("columns", f"{unknown[0]}=...", f"use {', '.join(COLUMNS)}")
    given = _each_once(sources)
    mapped = Columns(names)
    groups: dict[object, _Group] = {}
    ids: set[str] = set()
    for source in given:
        of_a_run = is_run_folder(source)
        _read(source, Columns({}) if of_a_run else mapped, groups, ids, limit=limit, of_a_run=of_a_run)
    if not groups:
        raise BadInput(f"{', '.join(given)}: no pools in it")
    mapped.check_used(given)
    problems = _problems(list(groups.values()), ids)
    solutions = [tuple(_solution(e.where, e.fields) for e in group.entries) for group in groups.values()]
    entries = [group.entries for group in groups.values()]
    recorded, aside = recorded_scores(entries, set(names.values()))
    pools = [_pool(*parts, aside=aside) for parts in zip(groups.values(), problems, solutions, recorded, strict=True)]
    return pools if all(pool.spent for pool in pools) else [replace(pool, spent={}) for pool in pools]


def _each_once(sources: Sequence[str | Path]) -> list[str]:
    given = [str(source) for source in sources]
    resolved = [Path(source).resolve() for source in given]
    if twice := [source for source, real in zip(given, resolved, strict=True) if resolved.count(real) > 1]:
        raise BadInput(f"{twice[0]}: given twice; name each source once")
    return given


def _read(
    source: str, columns: Columns, groups: dict[object, _Group], ids: set[str], *, limit: int | None, of_a_run: bool
) -> None:
    """Add a source's rows to their problems' groups, and all `ids` that it names, those past the limit too."""
    stem = Path(source.partition(":")[0]).stem
    for where, given in source_rows(source):
        row = given if of_a_run else columns.row(where, given)
        if row.get("prompt") is None:
            has = ", ".join(map(repr, given)) or "nothing"
            raise BadInput(f"{where}: no 'prompt' in this row; it has {has}{fitting(given, missing(row))}")
        prompt = _prompt(where, row)
        gold = _gold(where, row, of_a_run=of_a_run)
        name = None if row.get("id") is None else check_text(where, "'id'", str(row["id"]))
        if name is not None:
            ids.add(name)
        key: object = (prompt, gold) if name is None else name
        found = columns.solutions(where, given, row)
        if key not in groups:
            if limit is not None and len(groups) == limit:
                continue
            named = row.get("named")
            groups[key] = _Group(name, stem, prompt, gold, where, named and check_text(where, "the id", named))
            if gold is None:
                groups[key].hint = f"; the row has {', '.join(map(repr, given))}{fitting(given, ['answer'])}"
        group = groups[key]
        if (prompt, gold) != (group.prompt, group.answer):
            raise BadInput(
                f"{where}: id {name!r} was used by {group.first} with another prompt or answer; ids must be unique"
            )
        if not of_a_run:
            group.golds = max(group.golds, golds_in(row.get("answer")))
            if _is_logged_again(group, row.get(VIEW), found):
                group.repeated += 1
                continue
        group.rows += 1
        group.entries += [Entry(f"{where}: solution {i}", fields, of_a_run) for i, fields in enumerate(found)]


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
        problems.append(Problem(name, group.prompt, group.answer))
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
        correct=tuple(_verdict(entry.where, entry.fields.get("correct")) for entry in group.entries),
        recorded=recorded,
        in_steps=tuple(entry.steps is not None for entry in group.entries),
        extracted=tuple(e.fields["extracted"] for e in group.entries) if of_runs and all(of_runs) else None,
        rows=group.rows,
        where=group.first,
        values={name: _values(name, group.entries, scores) for name, scores in recorded.items() if any(of_runs)},
        spent=group.entries[0].fields["spent"] if all(of_runs) and group.rows == 1 and group.entries else {},
        repeated=group.repeated,
        golds=group.golds,
        unknown_stops=tuple(filter(None, (entry.fields.get(UNKNOWN) for entry in group.entries))),
        aside=aside,
        hint=group.hint,
    )


def _values(name: str, entries: Sequence[Entry], scores: Scores) -> npt.NDArray[np.float64]:
    """A run's own values; where solutions of a file were added to its problem, their last scores."""
    rows = zip(entries, scores.values().tolist(), strict=True)
    return np.array([e.fields["values"].get(name, np.nan) if e.of_a_run else last for e, last in rows], np.float64)


def _prompt(where: str, row: Row) -> str | tuple[Message, ...]:
    found = row.get("prompt")
    if not isinstance(found, list):
        return text_field(where, row, ("prompt",))
    if not all(isinstance(turn, dict) and "role" in turn and "content" in turn for turn in found):
        raise BadInput(f"{where}: 'prompt' is a list, but not of messages with 'role' and 'content'")
    return tuple(Message(text_field(where, turn, ("role",)), text_field(where, turn, ("content",))) for turn in found)


def _gold(where: str, row: Row, *, of_a_run: bool) -> str | None:
    """The gold answer as a text, None where there is none; a run's is as its task read it."""
    found = row.get("answer") if of_a_run else gold_of(row.get("answer"))
    if isinstance(found, dict):
        inner = next((key for key, value in found.items() if isinstance(value, str | int | float)), None)
        hint = f"; try --columns answer=answer.{inner}" if inner else ""
        raise BadInput(f"{where}: 'answer' is an object of {', '.join(map(repr, found))}; text was expected{hint}")
    return None if found is None else after_hashes(text_field(where, {"answer": found}, ("answer",))) or None


def _verdict(where: str, found: object) -> bool | None:
    if found is None or isinstance(found, bool):
        return found
    if isinstance(found, str) and found.strip().lower() in _TRUTHS:  # as in CSV
        return _TRUTHS[found.strip().lower()]
    if isinstance(found, int | float) and found in (0, 1):
        return bool(found)
    raise BadInput(f"{where}: 'correct' is {found!r}; use true, false, 1, 0, or null where it is not known")


def _solution(where: str, fields: Row) -> Solution:
    found = "eos" if fields.get("stop") in (None, "") else fields["stop"]
    stop = stop_of(found) if isinstance(found, str) else None
    if stop is None:
        raise BadInput(f"{where}: stop is {found!r}; use one of {', '.join(_STOPS)}, or null for eos")
    if fields.get("text") is None and fields.get("steps") is None and fields.keys() & {"text", "steps"}:
        # Nothing was made, or a cut came before any text, as where thinking used up all tokens.
        reason = f"recorded as {found}" if stop is Stop.FAILED else NOT_MADE
        return Solution((), stop) if stop is Stop.LENGTH else Solution((), Stop.FAILED, reason)
    return Solution(_steps(where, fields), stop, f"recorded as {found}" if stop is Stop.FAILED else None)


def _steps(where: str, entry: Row) -> tuple[Step, ...]:
    steps = entry.get("steps")
    if steps is None:
        return split_steps(text_field(where, entry, ("text", "steps")))
    if not isinstance(steps, list) or not all(isinstance(step, str) for step in steps):
        raise BadInput(f"{where}: 'steps' must be a list of texts")
    if entry.get("text") is not None and "".join(steps) != text_field(where, entry, ("text",)):
        raise BadInput(
            f"{where}: 'text' is not its 'steps' joined; leave one of them out, or end each step with its separator"
        )
    return tuple(Step(check_text(where, "'steps'", step)) for step in steps)
