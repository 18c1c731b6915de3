"""Results by category: the last point of every curve, for each value of a field that the problems have."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.files.rows import PointRow
from bench.inputs.rows import value_at
from bench.report.curves import points_of
from bench.report.results import Key, PointRows, ResultTable
from verifiers.interface.errors import BadArgument

_MOST = 50  # values of a field that is a category
_NONE = "(none)"


@dataclass(frozen=True, slots=True)
class Category:
    """A value of a field, and the points of the problems that have it."""

    field: str
    value: str
    problems: int
    points: tuple[PointRow, ...]


def categories(
    results: ResultTable, fields: Mapping[str, Mapping[str, Any]], by: Sequence[str], *, of: str
) -> list[Category]:
    """Every value of every field in `by`; `fields` are those of the problems `of` a run, by their ids.

    Raises BadArgument for a field that they have not.
    """
    check_by(fields.values(), by, of=of)
    found = []
    for name in by:
        values = np.array([value_of(fields.get(problem, {}), name) for problem in results.numbers], dtype=object)
        for value in sorted(set(values), key=_order):
            points = _last_points(results, values == value)
            if problems := {number for curve in points.values() for p in curve.values() for number in p.problems}:
                table = ResultTable(results.numbers, points)
                found.append(Category(name, value, len(problems), tuple(points_of(table))))
    return found


def _last_points(results: ResultTable, among: npt.NDArray[np.bool_]) -> dict[Key, dict[int, PointRows]]:
    """The last point of every curve, of some problems; a curve that has none of them is left out."""
    last = {key: max(curve.items()) for key, curve in results.points.items()}
    points = {key: (n, point.some(among[point.problems])) for key, (n, point) in last.items()}
    return {key: {n: point} for key, (n, point) in points.items() if len(point.problems)}


def check_by(fields: Iterable[Mapping[str, Any]], by: Sequence[str], *, of: str) -> None:
    """Raise BadArgument for a field that none of the problems has, or that tells them all apart."""
    known: dict[str, None] = {}
    values: dict[str, set[str]] = {name: set() for name in by}
    for one in fields if by else ():
        known |= dict.fromkeys(_paths(one))
        for name, found in values.items():
            found.add(value_of(one, name))
    for name, found in values.items():
        if found <= {_NONE}:
            have = ", ".join(known) or "none beside prompt and answer"
            raise BadArgument("by", name, f"no problem of {of} has this field; they have {have}")
        if len(found) > _MOST:
            raise BadArgument(
                "by", name, f"the problems of {of} have {len(found)} values of it; name one of few values"
            )


def _paths(fields: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """The names of fields, those inside of objects by their paths.

    >>> list(_paths({"doc": {"level": 1, "of": {}}, "year": 2020}))
    ['doc.level', 'doc.of', 'year']
    """
    for name, value in fields.items():
        if isinstance(value, Mapping) and value:
            yield from _paths(value, f"{before}{name}.")
        else:
            yield f"{before}{name}"


def value_of(fields: Mapping[str, Any], name: str) -> str:
    """The category that a problem belongs to by a field.

    >>> value_of({"level": 5}, "level"), value_of({}, "level")
    ('5', '(none)')
    """
    value = value_at(fields, name)
    return _NONE if value is None or value == "" else value if isinstance(value, str) else json.dumps(value)


def _order(value: str) -> tuple[bool, float, str]:
    """Numbers by size, then texts, those in them by size too, and what is missing last.

    >>> sorted(["Level 10", "10", "Level 2", "(none)", "2"], key=_order)
    ['2', '10', 'Level 2', 'Level 10', '(none)']
    """
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isnan(number):
        return False, number, value
    return True, float(value == _NONE), re.sub(r"\d+", lambda digits: digits[0].zfill(20), value)
