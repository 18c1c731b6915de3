"""The rows of a run's files: what each of them has, and how it is written and read back."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Set
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
    """What a column holds in JSON: what that is called, of which types it is, and what else holds of it.

    `read` and `write` make of it what a row has, and back; None is for as it is.
    """

    name: str
    types: Set[type]
    holds: Callable[[Any], bool] | None = None
    read: Callable[[Any], Any] | None = None
    write: Callable[[Any], Any] | None = None


_NULL = type(None)
_NUMBER = {float, int}  # and no bool, whose type is another
_SCORE = {*_NUMBER, str, _NULL}
_ALL = {*_SCORE, bool, list, dict}


def _in_range(value: float) -> bool:
    return abs(value) < 1e300


def _from(least: int) -> Callable[[int], bool]:
    return lambda value: least <= value < 2**63  # what other programs read as a whole number


def _known(value: float | None) -> bool:
    return value is None or _in_range(value)


def _score(value: float | str | None) -> bool:
    return value in ("inf", "-inf") if isinstance(value, str) else _known(value)


def _scores(values: list[Any]) -> bool:
    return set(map(type, values)) <= _SCORE and all(map(_score, set(values)))  # most are null


def _all_of(kind: type) -> Callable[[list[Any]], bool]:
    return lambda values: set(map(type, values)) <= {kind}


Text = Annotated[str, _Kind("a text", {str})]
Name = Annotated[str | None, _Kind("a text or null", {str, _NULL})]
# A text in every row: `datasets` takes a column's kind from the first rows of a large file.
Note = Annotated[
    str | None, _Kind("a text", {str, _NULL}, None, lambda value: value or None, lambda value: value or "")
]
Texts = Annotated[tuple[str, ...], _Kind("a list of texts", {list}, _all_of(str), tuple, list)]
Count = Annotated[int, _Kind("a whole number from 1", {int}, _from(1))]
Place = Annotated[int, _Kind("a whole number from 0", {int}, _from(0))]
Parent = Annotated[int, _Kind("a whole number", {int}, _from(-(2**63)))]
Cost = Annotated[
    float,
    _Kind("a number from 0 or null", {*_NUMBER, _NULL}, lambda value: value is None or 0 <= value < 1e300, read_number),
]
Number = Annotated[float, _Kind("a number", _NUMBER, _in_range)]
Known = Annotated[float, _Kind("a number or null", {*_NUMBER, _NULL}, _known, read_number)]
Share = Annotated[float, _Kind("a number from 0 to 1", _NUMBER, lambda value: -1e-9 <= value <= 1 + 1e-9)]
Flag = Annotated[bool, _Kind("true or false", {bool})]
Grade = Annotated[bool | None, _Kind("true, false or null", {bool, _NULL})]
Score = Annotated[float, _Kind("a number or null", _SCORE, _score, read_number, json_number)]
Scores = Annotated[
    tuple[float, ...],
    _Kind(
        "a list of numbers and nulls",
        {list},
        _scores,
        lambda values: tuple(map(read_number, values)),
        lambda scores: list(map(json_number, scores)),
    ),
]
Tokens = Annotated[
    tuple[tuple[int, ...], ...] | None,
    _Kind(
        "lists of tokens",
        {list, _NULL},
        lambda value: value is None or _all_of(list)(value),
        lambda value: None if value is None else tuple(map(tuple, value)),
        lambda tokens: None if tokens is None else list(map(list, tokens)),
    ),
]
Prompt = Annotated[
    str | list[dict[str, Any]] | None,
    _Kind(
        "a text or a list of messages",
        {str, list, _NULL},
        lambda value: type(value) is not list or _all_of(dict)(value),
    ),
]
Answer = Annotated[Any, _Kind("an answer", _ALL, lambda value: type(value) is not float or _in_range(value))]
Fields = Annotated[dict[str, Any] | None, _Kind("an object", {dict, _NULL})]


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
    loss: Known = math.nan
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
_COLUMNS: dict[type[Any], list[tuple[str, _Kind, Any]]] = {
    kind: [(column.name, get_args(column.type)[1], column.default) for column in fields(kind)]
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
    values = ((name, held, getattr(row, name)) for name, held, _ in _COLUMNS[type(row)])
    return {name: value if held.write is None else held.write(value) for name, held, value in values}


def strict(row: Mapping[str, Any]) -> Row:
    """A row with its numbers as strict JSON has them.

    >>> strict({"flops": math.nan, "n": 4})
    {'flops': None, 'n': 4}
    """
    return {name: json_number(value) if isinstance(value, float) else value for name, value in row.items()}


def spend_row(spend: Spend) -> Row:
    """A spend as a JSON object, without what is nought; null is what is not known."""
    return strict({name: cost for name, cost in asdict(spend).items() if cost})


def read_spend(row: Row) -> Spend:
    """The spend that `spend_row` wrote.

    >>> read_spend(spend_row(Spend(policy_calls=2, sampled_tokens=math.nan)))
    Spend(policy_calls=2, sampled_tokens=nan)
    """
    return Spend(**{name: math.nan if cost is None else cost for name, cost in row.items()})


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
    for name, (called, types, holds, read, _), default in _COLUMNS[kind]:
        if name in row:
            value = row[name]
            if type(value) not in types or (holds and not holds(value)):
                raise BadInput(f"{where}: {name!r} is {_shown(value)}, not {called}")
            values[name] = value if read is None else read(value)
        elif default is MISSING:
            raise BadInput(f"{where}: no {name!r} in this row; it has {', '.join(map(repr, row)) or 'nothing'}")
    return kind(**values)


def read_again(kind: type[AnyRow], row: Mapping[str, Any]) -> AnyRow:
    """The row of an object that `from_row` has taken before: nothing is checked again."""
    values = ((name, held, row[name]) for name, held, _ in _COLUMNS[kind] if name in row)
    return kind(**{name: value if held.read is None else held.read(value) for name, held, value in values})


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
