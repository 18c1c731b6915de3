"""The rows of a run's files: what each of them has, and how it is written and read back."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Annotated, Any, NamedTuple, TypeAlias, TypeVar, get_args

from verifiers.interface.errors import BadInput
from verifiers.interface.files import Row
from verifiers.interface.scoring import Spend


def json_number(value: float) -> float | str | None:
    """A number in strict JSON, which has no NaN (None here) and no infinities (texts here, which `float` reads).

    >>> [json_number(x) for x in (0.5, math.nan, -math.inf)]
    [0.5, None, '-inf']
    """
    return value if math.isfinite(value) else None if math.isnan(value) else str(value)


def read_number(value: float | str | None) -> float:
    """The number that `json_number` wrote."""
    return math.nan if value is None else float(value)


class _Kind(NamedTuple):
    """What a column holds in JSON: what that is called, whether a value is one, and how it is read."""

    name: str
    holds: Callable[[Any], bool]
    read: Callable[[Any], Any] | None = None  # None for as it is
    none: str | None = None  # what stands for None


def _number(value: Any) -> bool:
    return type(value) in (float, int) and abs(value) < 1e300


def _whole(value: Any) -> bool:
    return type(value) is int  # and no bool


def _score(value: Any) -> bool:
    return value is None or _number(value) or value in ("inf", "-inf")


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _listed(value: Any, holds: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(map(holds, value))


def _messages(value: Any) -> bool:
    return _listed(value, lambda message: isinstance(message, dict))


def _tokens(value: Any) -> bool:
    return value is None or _listed(value, lambda ids: isinstance(ids, list))


Text = Annotated[str, _Kind("a text", _text)]
Name = Annotated[str | None, _Kind("a text or null", _text_or_none)]
# A text in every row: `datasets` takes a column's kind from the first rows of a large file.
Note = Annotated[str | None, _Kind("a text", _text_or_none, lambda value: value or None, "")]
Texts = Annotated[tuple[str, ...], _Kind("a list of texts", lambda value: _listed(value, _text), tuple)]
Count = Annotated[int, _Kind("a whole number from 1", lambda value: _whole(value) and value >= 1)]
Place = Annotated[int, _Kind("a whole number from 0", lambda value: _whole(value) and value >= 0)]
Parent = Annotated[int, _Kind("a whole number", _whole)]
Cost = Annotated[float, _Kind("a number from 0 or null", lambda v: v is None or (_number(v) and v >= 0), read_number)]
Number = Annotated[float, _Kind("a number", _number)]
Known = Annotated[float, _Kind("a number or null", lambda value: value is None or _number(value), read_number)]
Share = Annotated[float, _Kind("a number from 0 to 1", lambda value: _number(value) and -1e-9 <= value <= 1 + 1e-9)]
Flag = Annotated[bool, _Kind("true or false", lambda value: isinstance(value, bool))]
Grade = Annotated[bool | None, _Kind("true, false or null", lambda value: value is None or isinstance(value, bool))]
Score = Annotated[float, _Kind("a number or null", _score, read_number)]
Scores = Annotated[
    tuple[float, ...],
    _Kind("a list of numbers and nulls", lambda v: _listed(v, _score), lambda v: tuple(map(read_number, v))),
]
Tokens = Annotated[
    tuple[tuple[int, ...], ...] | None,
    _Kind("lists of tokens", _tokens, lambda value: None if value is None else tuple(map(tuple, value))),
]
Prompt = Annotated[
    str | list[dict[str, Any]] | None,
    _Kind("a text or a list of messages", lambda value: value is None or _text(value) or _messages(value)),
]
Answer = Annotated[Any, _Kind("an answer", lambda value: not isinstance(value, float) or _number(value))]

Fields = Annotated[dict[str, Any] | None, _Kind("an object", lambda value: value is None or isinstance(value, dict))]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRow:
    """A row of `samples.jsonl`: one solution of a pool, graded; `correct` is None where that is not known."""

    problem: Text
    strategy: Text
    scorer: Note = None
    n: Count
    index: Place
    steps: Texts
    tokens: Tokens = None
    logprob: Score = math.nan
    stop: Text
    reason: Note = None
    answer: Name
    correct: Grade
    chosen: Flag = False


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """A row of `scores.jsonl`: what a scorer says of one solution; NaN where it has no opinion."""

    problem: Text
    strategy: Text
    n: Count
    index: Place
    scorer: Text
    steps: Scores
    value: Score
    reason: Note = None


@dataclass(frozen=True, slots=True)
class TreeRow:
    """A row of `trees.jsonl`: one candidate of a tree search, with what it adds to its parent, and that one's place."""

    problem: Text
    strategy: Text
    scorer: Note
    n: Count
    node: Place
    parent: Parent
    depth: Place
    text: Text
    stop: Text
    value: Score
    fate: Text


@dataclass(frozen=True, slots=True)
class ResultRow:
    """A row of `results.jsonl`: one problem at one point of a curve; costs are 0 or NaN where they are not known."""

    problem: Text
    strategy: Text
    scorer: Name
    n: Count
    correct: Share
    flops: Cost
    sampled_tokens: Cost = 0.0
    scored_tokens: Cost = 0.0


@dataclass(frozen=True, slots=True)
class PointRow:
    """A row of `points.jsonl`: one point of a curve; costs are a mean problem's, 0 or NaN where not known."""

    strategy: Text
    scorer: Name
    n: Count
    accuracy: Share
    low: Share
    high: Share
    problems: Count
    flops: Cost = 0.0
    seconds: Cost = 0.0
    prompt_tokens: Cost = 0.0
    sampled_tokens: Cost = 0.0
    scored_tokens: Cost = 0.0
    judged_tokens: Cost = 0.0


@dataclass(frozen=True, slots=True)
class ProblemRow:
    """A row of `problems.jsonl`; a conversation is a list of its messages, `fields` is what else is known of it."""

    id: Text
    prompt: Prompt
    answer: Answer
    fields: Fields = None


@dataclass(frozen=True, slots=True)
class LogRow:
    """What is read of a row of a training's `metrics.jsonl` or `log.jsonl` by name; it may have any other numbers."""

    step: Place
    reward: Known = math.nan
    dead: Known = math.nan
    prm_share: Known = math.nan
    prm: Known = math.nan
    held_out: Known = math.nan
    gap: Known = math.nan
    rank_correlation: Known = math.nan
    repeated: Known = math.nan
    steps: Known = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditRow:
    """A row of `attributions.jsonl`: a step of a solution, at a training step, and what it was credited with."""

    step: Place
    problem: Text
    solution: Place
    place: Place
    text: Text
    tokens: Place
    reward: Known
    score: Known
    advantage: Number
    group: Text
    signal: Text


WrittenRow: TypeAlias = SampleRow | ScoreRow | TreeRow
T = TypeVar("T")
K = TypeVar("K")
SolutionRow = TypeVar("SolutionRow", SampleRow, ScoreRow, TreeRow)
TrainingRow = TypeVar("TrainingRow", LogRow, CreditRow)
_Any: TypeAlias = SampleRow | ScoreRow | TreeRow | ResultRow | PointRow | ProblemRow | LogRow | CreditRow
AnyRow = TypeVar("AnyRow", bound=_Any)


# What each kind's columns hold, and their defaults: looked up once for all rows.
_COLUMNS: dict[type[Any], dict[str, tuple[_Kind, Any]]] = {
    kind: {column.name: (get_args(column.type)[1], column.default) for column in fields(kind)}
    for kind in get_args(_Any)
}


def by_problem(rows: Iterable[SolutionRow]) -> dict[str, list[SolutionRow]]:
    """Each problem's rows, by its id."""
    return grouped(rows, lambda row: row.problem)


def grouped(rows: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """The rows of each key, in the order in which the keys first occur.

    >>> grouped(["ape", "bat", "ant"], lambda word: word[0])
    {'a': ['ape', 'ant'], 'b': ['bat']}
    """
    groups: dict[K, list[T]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def to_row(row: WrittenRow) -> Row:
    """One of these rows as a JSON object.

    >>> to_row(ScoreRow("p", "sample", 1, 0, "orm", (math.nan, math.inf), 0.5))["steps"]
    [None, 'inf']
    """
    columns = _COLUMNS[type(row)].items()
    return {
        name: kind.none if (value := getattr(row, name)) is None else _written(value) for name, (kind, _) in columns
    }


def strict(row: Mapping[str, Any]) -> Row:
    """A row with its numbers as strict JSON has them.

    >>> strict({"flops": math.nan, "n": 4})
    {'flops': None, 'n': 4}
    """
    return {name: _written(value) for name, value in row.items()}


def spend_row(spend: Spend) -> Row:
    """A spend as a JSON object, without what is nought; null is what is not known."""
    return strict({name: cost for name, cost in asdict(spend).items() if cost})


def read_spend(row: Row) -> Spend:
    """The spend that `spend_row` wrote.

    >>> read_spend(spend_row(Spend(policy_calls=2, sampled_tokens=math.nan)))
    Spend(policy_calls=2, sampled_tokens=nan)
    """
    return Spend(**{name: math.nan if cost is None else cost for name, cost in row.items()})


def _written(value: Any) -> Any:
    if isinstance(value, float):
        return json_number(value)
    if isinstance(value, tuple):
        return list(value) if all(type(part) is str for part in value) else [_written(part) for part in value]
    return value


def from_row(kind: type[AnyRow], row: Mapping[str, Any], *, where: str) -> AnyRow:
    """The row of this kind that a JSON object holds; what else it has is left out.

    >>> from_row(ScoreRow, {"problem": "p", "strategy": "sample", "n": "four"}, where="scores.jsonl:7")
    Traceback (most recent call last):
    verifiers.interface.errors.BadInput: scores.jsonl:7: 'n' is "four", not a whole number from 1

    Raises BadInput that says which field of which row is missing or wrong.
    """
    if not isinstance(row, Mapping):
        raise BadInput(f"{where}: not an object")
    values: dict[str, Any] = {}
    for name, (expected, default) in _COLUMNS[kind].items():
        if name in row:
            value = row[name]
            if not expected.holds(value):
                raise BadInput(f"{where}: {name!r} is {_shown(value)}, not {expected.name}")
            values[name] = value if expected.read is None else expected.read(value)
        elif default is MISSING:
            raise BadInput(f"{where}: no {name!r} in this row; it has {', '.join(map(repr, row)) or 'nothing'}")
    return kind(**values)


def read_again(kind: type[AnyRow], row: Mapping[str, Any]) -> AnyRow:
    """The row of an object that `from_row` has taken before: nothing is checked again."""
    columns = ((name, expected.read) for name, (expected, _) in _COLUMNS[kind].items() if name in row)
    return kind(**{name: row[name] if read is None else read(row[name]) for name, read in columns})


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
