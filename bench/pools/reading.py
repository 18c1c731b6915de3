"""Reading the rows of pools: each is parsed and checked once, and kept on disk until its problem's turn comes."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from bench.inputs.choices import Places, options_of
from bench.inputs.rows import Row, check_text
from bench.pools.columnar import unfolded
from bench.pools.columns import Columns, missing
from bench.pools.fields import check_solution, golds_in, is_other, prompt_in, verdict_in
from bench.pools.prompts import with_prompt
from bench.pools.recorded_scores import Entry
from bench.pools.shapes.hint import fitting
from bench.pools.shapes.lm_eval import VIEW
from bench.pools.shapes.names import GOLDS
from bench.pools.sources import source_rows
from bench.pools.spool import Spool
from verifiers.interface.errors import BadInput
from verifiers.interface.scoring import ZERO, Spend
from verifiers.interface.solution import Message

Prompt = str | tuple[Message, ...]
_GRADED = {"steps", "stop", "correct", "extracted"}


@dataclass(slots=True)
class Group:
    """What is known of one problem's rows without looking at them again; their texts are in the spool.

    Where they have no `id`, `named` may be one, or else `stem`, their source's, makes one. `asked` tells its prompt
    from others, `said` that and its golds; `views` counts how often the same solutions were logged in each way.
    """

    number: int
    id: str | None
    stem: str
    asked: bytes
    said: bytes
    golds: tuple[str, ...]
    placed: tuple[str, ...]  # the golds if the source's numbers are places of options
    first: str  # where its first row stands
    named: str | None = None
    other_gold: str = ""
    hint: str = ""
    rows: int = 0
    repeated: int = 0
    solutions: int = 0
    drawn: Spend = ZERO
    judged: dict[str, Spend] | None = None
    views: Counter[tuple[bytes, str]] | None = None
    of_runs: bool = True  # whether all rows are a run's
    graded: bool = True  # whether a task has graded all of them: a run's, and those that a run was exported as
    unjudged: bool = False  # whether the source leaves open of any solution whether it is right

    @property
    def gold(self) -> str | None:
        """The gold answer, of several the first."""
        return next(iter(self.golds), None)


@dataclass(slots=True)
class Reading:
    """What is read so far: each problem's group, and all ids that rows name, those past the limit too."""

    asked: Mapping[str, Row]
    limit: int | None
    groups: dict[object, Group] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    spool: Spool = field(default_factory=Spool)
    scored: bool = False  # whether any solution has an object "scores"
    doubts: list[str] = field(default_factory=list)  # what gold answers were taken for, where they may be another thing

    def read(self, source: str, columns: Columns, *, of_a_run: bool) -> None:
        """Add a source's rows to their problems' groups."""
        stem = Path(source.partition(":")[0]).stem
        before, places = len(self.groups), Places()
        for where, given in _rows(source, columns, of_a_run=of_a_run):
            with _not_too_deep(where):
                self._add(where, given, stem, columns, places, of_a_run=of_a_run)
        if places.are_meant:
            for group in islice(self.groups.values(), before, None):
                group.golds = group.placed or group.golds
        if places.doubt is not None:
            told = "where they are another thing, write the options' texts as the gold answers"
            self.doubts.append(f"{source}: {places.doubt}; {told}")

    def saved(self, group: Group) -> tuple[Prompt, Row, list[Entry]]:
        """A problem's prompt, what else is known of it, and its solutions as they are saved."""
        prompt: Prompt = ""
        known: list[Row] = []
        entries: list[Entry] = []
        for where, graded, found, asked, beside in self.spool.of(group.number):
            prompt = prompt or asked
            if not known or beside != known[-1]:
                known.append(beside)
            entries += [Entry(f"{where}: solution {i}", fields, graded) for i, fields in enumerate(found)]
        return prompt, _agreed(known), entries

    def _add(self, where: str, given: Row, stem: str, columns: Columns, places: Places, *, of_a_run: bool) -> None:
        row = given if of_a_run else columns.row(where, given)
        if self.asked and not of_a_run:
            row = with_prompt(where, row, self.asked)
        if row.get("prompt") is None:
            has = ", ".join(map(repr, given)) or "nothing"
            raise BadInput(f"{where}: no 'prompt' in this row; it has {has}{fitting(given, missing(row))}")
        prompt = prompt_in(where, row)
        golds = golds_in(where, row, of_a_run=of_a_run)
        placed, is_so = ((), False) if of_a_run else places.add(row.get("answer"), options_of(row))
        golds = placed if is_so else golds
        name = None if row.get("id") is None else check_text(where, "'id'", str(row["id"]))
        if name is not None:
            self.ids.add(name)
        said = _digest(repr((prompt, golds, placed) if placed else (prompt, golds)))
        key: object = said if name is None else name
        found = columns.solutions(where, given, row)
        is_first = key not in self.groups
        if is_first:
            if self.limit is not None and len(self.groups) == self.limit:
                return
            named = row.get("named")
            group = Group(len(self.groups), name, stem, _digest(repr(prompt)), said, golds, placed, where)
            group.named = named and check_text(where, "the id", named)
            self.groups[key] = group
            if not golds:
                group.hint = f"; the row has {', '.join(map(repr, given))}{fitting(given, ['answer'])}"
            if "answer" in given and "answer" not in columns.names:
                group.other_gold = next((name for name in GOLDS if is_other(given.get(name), (*golds, *placed))), "")
        group = self.groups[key]
        if said != group.said:
            raise BadInput(
                f"{where}: id {name!r} was used by {group.first} with another prompt or answer; ids must be unique"
            )
        if not of_a_run and _is_logged_again(group, row.get(VIEW), found):
            group.repeated += 1
            return
        group.rows += 1
        graded = of_a_run or (bool(found) and all(map(_is_graded, found)))
        group.of_runs, group.graded = group.of_runs and of_a_run, group.graded and graded
        if graded and not of_a_run:  # of a run without scorers too, so that its answers are taken for no scores
            found = [fields | {name: fields.get(name) or {} for name in ("scores", "values")} for fields in found]
        if costs := of_a_run and given["costs"]:
            drawn, judged = costs
            group.drawn += drawn
            before = group.judged or {}
            group.judged = before | {scorer: before.get(scorer, ZERO) + spend for scorer, spend in judged.items()}
        group.solutions += len(found)
        for i, fields in enumerate(found):
            check_solution(f"{where}: solution {i}", fields)
            if verdict_in(f"{where}: solution {i}", fields.get("correct")) is None:
                group.unjudged = True
            self.scored = self.scored or fields.get("scores") is not None
        known = given.get("fields") or {} if of_a_run else columns.of_problem(given, row)
        self.spool.add(group.number, (where, graded, found, prompt if is_first else "", known))


def _agreed(rows: Sequence[Row]) -> Row:
    """What rows say that none of them contradicts.

    >>> _agreed([{"level": 2, "try": 0}, {"level": 2, "try": 1}, {"topic": "sums"}])
    {'level': 2, 'topic': 'sums'}
    """
    found: Row = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        first, *others = [row[name] for row in rows if name in row]
        if others and all(isinstance(value, dict) for value in (first, *others)):
            first = _agreed([first, *others])
        elif any(value != first for value in others):
            continue
        found[name] = first
    return found


def _digest(said: str) -> bytes:
    return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).digest()


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


def _is_graded(solution: Row) -> bool:
    """Whether a task has graded it: it has the answer that was read, as `stepbeam export` writes it."""
    return solution.keys() >= _GRADED and isinstance(solution["extracted"], str | None)


def _is_logged_again(group: Group, view: object, found: Sequence[Row]) -> bool:
    """Whether these solutions were logged as often in another way, such as under another filter."""
    if view is None:
        return False
    views = group.views = Counter() if group.views is None else group.views
    texts = _digest(json.dumps([solution.get("text") for solution in found]))
    views[texts, str(view)] += 1
    others = [n for (same, other), n in views.items() if same == texts and other != str(view)]
    return views[texts, str(view)] <= max(others, default=0)
