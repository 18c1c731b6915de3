"""Results by category: the last point of every curve, for each value of a field that the problems have."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.files.rows import PointRow, ProblemRow, ResultRow, grouped
from bench.stats.intervals import mean_interval
from verifiers.interface.errors import BadArgument

_MOST = 50  # values of a field that is a category
_NONE = "(none)"
_COSTS = ("flops", "sampled_tokens", "scored_tokens")


@dataclass(frozen=True, slots=True)
class Category:
    """A value of a field, and the points of the problems that have it."""

    field: str
    value: str
    problems: int
    points: tuple[PointRow, ...]


def categories(
    results: Sequence[ResultRow], problems: Sequence[ProblemRow], by: Sequence[str], *, of: str
) -> list[Category]:
    """Every value of every field in `by`; raises BadArgument for a field that the problems `of` a run have not."""
    found = []
    check_by([problem.fields or {} for problem in problems], by, of=of)
    last: dict[tuple[str, str | None], int] = {}
    for row in results:
        last[row.strategy, row.scorer] = max(row.n, last.get((row.strategy, row.scorer), 0))
    rows = [row for row in results if row.n == last[row.strategy, row.scorer]]
    for field in by:
        values = {problem.id: _value(problem.fields or {}, field) for problem in problems}
        groups = grouped(rows, lambda row: values.get(row.problem, _NONE))  # noqa: B023  (used at once)
        for value in sorted(groups, key=_order):
            count = len({row.problem for row in groups[value]})
            curves = grouped(groups[value], lambda row: (row.strategy, row.scorer))
            found.append(Category(field, value, count, tuple(_point(of_one) for of_one in curves.values())))
    return found


def check_by(fields: Sequence[Mapping[str, Any]], by: Sequence[str], *, of: str) -> None:
    """Raise BadArgument for a field that none of the problems has, or that tells them all apart."""
    for name in by:
        values = {_value(one, name) for one in fields}
        if values <= {_NONE}:
            known = ", ".join(dict.fromkeys(key for one in fields for key in one)) or "none beside prompt and answer"
            raise BadArgument("by", name, f"no problem of {of} has this field; they have {known}")
        if len(values) > _MOST:
            raise BadArgument(
                "by", name, f"the problems of {of} have {len(values)} values of it; name one of few values"
            )


def _value(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return _NONE if value is None or value == "" else value if isinstance(value, str) else json.dumps(value)


def _order(value: str) -> tuple[bool, float, str]:
    """Numbers by size, then texts, and what is missing last."""
    try:
        return False, float(value), ""
    except ValueError:
        return True, float(value == _NONE), value


def _point(rows: Sequence[ResultRow]) -> PointRow:
    accuracy, low, high = mean_interval([row.correct for row in rows])
    costs = {name: sum(getattr(row, name) for row in rows) / len(rows) for name in _COSTS}
    one = rows[0]
    return PointRow(one.strategy, one.scorer, one.n, accuracy, low, high, len(rows), **costs)
