"""The rows of saved generations under our own names: `--columns`, and an object for each solution."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.inputs.rows import Row, as_json, decoded, without
from bench.pools.columnar import without_prompt_as_text
from bench.pools.shapes.hint import fitting
from bench.pools.shapes.known import is_usual, own_form
from bench.pools.shapes.names import STOPS
from bench.pools.shapes.solutions import own_solution
from verifiers.interface.errors import BadArgument, BadInput

OF_SOLUTIONS = ("text", "steps", "correct", "stop", "scores")
OF_ROWS = ("id", "prompt", "answer", "solutions")
COLUMNS = (*OF_ROWS, *OF_SOLUTIONS)  # what `columns` may map
_SHORT = 200  # characters of a text that is kept of a problem; the level, subject or source of one is no longer


@dataclass(frozen=True, slots=True)
class Columns:
    """Our names with those of the sources, `names`, and what came of them: which were of use, which names there are."""

    names: Mapping[str, str]
    used: set[str] = field(default_factory=set)
    seen: dict[str, None] = field(default_factory=dict)

    def row(self, where: str, given: Row) -> Row:
        """A row under our names; what belongs to solutions may stand in the row or in its solutions."""
        self.seen.update(dict.fromkeys(given))
        given = {name: None if _is_nan(value) else value for name, value in self.with_paths(given).items()}
        if "text" not in self.names:
            given = without_prompt_as_text(given)
        for ours, theirs in self.names.items():
            if theirs not in given and ours in OF_ROWS:
                raise BadArgument(
                    "columns",
                    f"{ours}={theirs}",
                    f"{where}: no {theirs!r} in this row; it has {', '.join(map(repr, given))}{fitting(given, [ours])}",
                )
        self.used.update(name for name in self.names if name in OF_ROWS)
        return own_form(self._renamed(given))

    def with_paths(self, given: Row) -> Row:
        """The row with what the names find inside of its columns, such as `doc.answer` or `golds.0`."""
        found = {theirs: _inside(given, theirs) for theirs in self.names.values() if theirs not in given}
        return given | {path: value for path, value in found.items() if value is not None}

    def solutions(self, where: str, given: Row, row: Row) -> list[Row]:
        """The solutions of a row, each an object under our names; `row` is `given` under our names."""
        found = row.get("solutions")
        own = {name: value for name, value in row.items() if name not in (*OF_ROWS, "named", "fields")}
        if found is None and ("text" in own or "steps" in own):
            self._use(given, own)
            return [self._with_names(own)]
        if isinstance(found, dict):
            found = _objects(where, found)
        if not isinstance(found, list):
            raise BadInput(
                f"{where}: no list 'solutions' in this row; it has {', '.join(map(repr, given))}"
                f"{fitting(given, missing(row))}"
            )
        beside = self._beside(where, own, len(found))
        self._use(given, beside)
        return [
            {name: values[i] for name, values in beside.items()} | self._own(where, i, s) for i, s in enumerate(found)
        ]

    def of_problem(self, given: Row, row: Row) -> Row:
        """What a row says of its problem beside what is read of it: its "fields", or else its short values."""
        fields = decoded(row.get("fields"))
        if isinstance(fields, dict):
            return dict(as_json(fields))
        for theirs in self.names.values():
            given = without(given, theirs)
        return dict(as_json(_short_values(given)))

    def check_used(self, sources: Sequence[str]) -> None:
        """Raise BadArgument for a name that none of the sources had."""
        for ours, theirs in self.names.items():
            if ours not in self.used:
                seen = ", ".join(map(repr, self.seen)) or "only what a run's folder has"
                raise BadArgument(
                    "columns",
                    f"{ours}={theirs}",
                    f"no solution in {', '.join(sources)} has {theirs!r}, and no row a list "
                    f"of it, one for each solution; the names there are {seen}",
                )

    def _own(self, where: str, i: int, solution: object) -> Row:
        """What a solution itself says, a plain text or an object."""
        if isinstance(solution, str | None):
            return {"text": solution}
        if not isinstance(solution, dict):
            raise BadInput(
                f"{where}: solution {i}: a {type(solution).__name__} where a text or an object with 'text' was expected"
            )
        self.seen.update(dict.fromkeys(solution))
        solution = self.with_paths(solution)
        own = {ours: value for ours, value in own_solution(self._renamed(solution)).items() if ours not in OF_ROWS}
        if not own.keys() & {"text", "steps"}:
            texts = sorted((n for n, v in solution.items() if isinstance(v, str)), key=lambda n: -len(solution[n]))
            hint = f"; try --columns text={texts[0]}" if texts else ""
            has = ", ".join(map(repr, solution)) or "nothing"
            raise BadInput(f"{where}: solution {i}: no 'text' or 'steps' in this row; it has {has}{hint}")
        self._use(solution, own)
        return self._with_names(own)

    def _renamed(self, given: Row) -> Row:
        """All names at once, so that one may be the old name of another column."""
        mapped = {ours: given[theirs] for ours, theirs in self.names.items() if theirs in given}
        gone = {self.names[ours] for ours in mapped}
        return mapped | {name: value for name, value in given.items() if name not in mapped and name not in gone}

    def _use(self, given: Row, ours: Row) -> None:
        there = self.with_paths(given)
        self.used.update(name for name in ours if self.names.get(name) in there)

    def _with_names(self, own: Row) -> Row:
        """Scores of a mapped column have its name; others must bring their names with them."""
        if "scores" in self.names and "scores" in own:
            return own | {"scores": _named(self.names["scores"], own["scores"])}
        return own

    def _beside(self, where: str, own: Row, count: int) -> dict[str, list[Any]]:
        """What stands beside the solutions in lists of its own, one each."""
        beside = {name: values for name, values in own.items() if isinstance(values, list)}
        for name in OF_SOLUTIONS:
            if name in beside and len(beside[name]) != count:
                others = [theirs for theirs in STOPS if theirs in self.seen] if name == "stop" else []
                shown = self.names.get(name, (others or [name])[0])
                raise BadInput(f"{where}: {len(beside[name])} of {shown!r} for {count} solutions: give one each")
        if "scores" in beside:
            beside["scores"] = [_named(self.names.get("scores", "score"), value) for value in beside["scores"]]
        return {name: values for name, values in beside.items() if len(values) == count}


def _short_values(given: Row) -> Row:
    """The numbers, truths and short texts of a row, of objects in it too, without the columns that are read.

    >>> _short_values({"question": "2+2?", "level": 2, "meta": {"topic": "sums", "tags": []}})
    {'level': 2, 'meta': {'topic': 'sums'}}
    """
    found: Row = {}
    for name, value in given.items():
        if name in OF_SOLUTIONS or is_usual(name) or value is None or _is_nan(value):
            continue
        if isinstance(value, dict):
            if inner := _short_values(value):
                found[name] = inner
        elif isinstance(value, int | float) or (isinstance(value, str) and 0 < len(value) <= _SHORT):
            found[name] = value
    return found


def _is_nan(value: object) -> bool:
    """Whether a value is what pandas writes where nothing is."""
    return isinstance(value, float) and math.isnan(value)


def missing(row: Row) -> list[str]:
    """What a row under our names lacks, and should have."""
    lacks = [name for name in ("prompt", "answer") if row.get(name) is None]
    return lacks if row.keys() & {"solutions", "text", "steps"} else ["solutions", *lacks]


def _inside(given: object, path: str) -> object:
    """What stands at a path in objects and lists, also in those that are written as texts; None for nothing."""
    for part in path.split(".") if "." in path else []:
        given = decoded(given)
        if isinstance(given, dict):
            given = given.get(part)
        else:
            given = given[int(part)] if isinstance(given, list) and part in map(str, range(len(given))) else None
    return None if "." not in path else given


def _named(name: str, scores: object) -> object:
    return scores if isinstance(scores, dict) else {name: scores}


def _objects(where: str, lists: Row) -> list[Row]:
    """The objects of an object of lists, which is what `datasets` makes of a list of objects."""
    counts = {name: len(values) if isinstance(values, list) else None for name, values in lists.items()}
    if not counts or None in counts.values() or len(set(counts.values())) > 1:
        raise BadInput(
            f"{where}: 'solutions' is an object, but not of lists of the same length; give a list of objects"
        )
    return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]
