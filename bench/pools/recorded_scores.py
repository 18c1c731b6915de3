"""The scores that saved solutions carry, in an object "scores" or as plain fields."""

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from bench.inputs.rows import Row, check_text, decoded
from bench.pools.columns import COLUMNS
from bench.pools.shapes.names import IDS
from verifiers.interface.errors import BadInput
from verifiers.interface.scoring import Scores

_LARGEST = float(np.finfo(np.float32).max)  # scores are float32
_SCORES = frozenset(
    re.findall(
        r"\w+",
        """
        score scores reward rewards logprob logp prob probs probability confidence rating value values
        advantage judge verifier verdict verdicts orm prm
        """,
    )
)
# What says how a solution was made or what it cost, and not how good it is.
_BYSTANDERS = frozenset(
    re.findall(
        r"\w+",
        """
        seed seeds token tokens temperature temp top topp topk p k min max idx index id ids uid step latency
        time duration elapsed seconds sec ms cost price usage epoch n num count counts length len chars
        words logprobs created timestamp version attempt attempts retry retries iteration iter round turn
        turns position offset order number row line fold batch rank worker gpu pid level year penalty
        """,
    )
)
_SUMMED = frozenset(("cumulative", "sum", "total", "mean", "avg", "average"))  # log-probabilities as one number
_COUNTED = "it says how a solution was made or what it cost"
_EMPTY = ("", "nan", "none", "null", "n/a")


@dataclass(frozen=True, slots=True)
class Entry:
    """A solution as it is saved, under our own names, and where."""

    where: str
    fields: Row
    graded: bool  # by its task: a run's, or one that was exported

    @property
    def steps(self) -> int | None:
        """How many steps are given, None where the text is all."""
        given = self.fields.get("steps")
        return None if given is None else len(given)


@dataclass(frozen=True, slots=True)
class ScoreNames:
    """The names of the scores that pools hold: in objects "scores" where they are `inside`, else in plain fields.

    `aside` has the fields that could be scores, and why they are none.
    """

    names: tuple[str, ...]
    inside: bool
    aside: Mapping[str, str]


def score_names(pools: Iterable[Sequence[Entry]], mapped: Collection[str], *, inside: bool) -> ScoreNames:
    """The names of the scores in the solutions of pools.

    "steps", where given, must be lists. Where any solution has an object "scores" (`inside`), its fields are scores,
    and it is an error where one is none. Else a plain field is, if over all pools it holds a number (or a list of them,
    one a step, or of "Yes"/"No") and nothing else but nulls; true and false, which may be verdicts, are none there, nor
    is a `mapped` column, nor what by its name counts or sets something (seeds, tokens, temperatures). Numbers written
    as texts are scores where the field's name says so ("score", "reward", "logprob").
    """
    if inside:
        return ScoreNames(tuple(dict.fromkeys(name for pool in pools for name in _named(pool))), True, {})
    names, aside = _plain_names((entry for pool in pools for entry in pool), {*COLUMNS, *mapped})
    return ScoreNames(tuple(names), False, aside)


def scores_of(pool: Sequence[Entry], names: ScoreNames) -> dict[str, Scores]:
    """The scores in a pool's solutions, by their names."""
    if names.inside:
        return _named(pool)
    return {
        name: Scores(tuple(np.array(_floats(e.where, repr(name), e.fields.get(name)), np.float32) for e in pool))
        for name in names.names
        if any(name in entry.fields for entry in pool)
    }


def _plain_names(entries: Iterable[Entry], others: Collection[str]) -> tuple[list[str], dict[str, str]]:
    """The fields that hold scores, or nothing, in every solution and a score in one; and those that seem to."""
    spoken: dict[str, bool] = {}
    bad: set[str] = set(others)
    aside: dict[str, str] = {}
    for entry in entries:
        for name, value in entry.fields.items():
            if name in bad:
                continue
            found = None if _has_truths(value) else _floats(entry.where, repr(name), value)
            why = _reason_against(name, value, found)
            if found is None or why or not _fits(found, entry):
                bad.add(name)
                aside |= {name: why} if why else {}
            else:
                spoken[name] = spoken.get(name, False) or not all(map(math.isnan, found))
                check_text(entry.where, "a field's name", name)
    return [name for name, speaks in spoken.items() if speaks and name not in bad], aside


def _reason_against(name: str, value: object, found: Sequence[float] | None) -> str | None:
    """Why a field that holds numbers, or should by its name, is no scorer; None where nothing needs to be said."""
    words = _words(name)
    is_score = bool(words & _SCORES) and not words & {"token", "tokens", "logprobs"}
    if found is None:
        is_short = isinstance(value, str | int | float) and not isinstance(value, bool) and len(str(value)) <= 40
        return f"{value!r} is no number" if is_score and is_short else None
    if all(map(math.isnan, found)) or is_score:
        return None
    if name in IDS or words & _BYSTANDERS:
        return _COUNTED
    return "its numbers are written as texts" if isinstance(value, str) else None


@lru_cache(maxsize=1 << 10)
def _words(name: str) -> frozenset[str]:
    words = frozenset(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))
    return words - {"logprobs"} | {"logprob"} if "logprobs" in words and words & _SUMMED else words


def _named(pool: Sequence[Entry]) -> dict[str, Scores]:
    """The scores in the objects "scores"."""
    for entry in pool:
        if not isinstance(said := entry.fields.get("scores"), dict | None):
            raise BadInput(f"{entry.where}: 'scores' is {said!r}; an object of names and numbers was expected")
    names = dict.fromkeys(name for entry in pool for name in entry.fields.get("scores") or ())
    return {name: Scores(tuple(np.array(row, np.float32) for row in _rows(pool, name))) for name in names}


def _rows(pool: Sequence[Entry], name: str) -> Iterator[list[float]]:
    for entry in pool:
        value = (entry.fields.get("scores") or {}).get(name)
        check_text(entry.where, "a score's name", name)
        found = _floats(entry.where, f"scores[{name!r}]", value)
        if found is None:
            raise BadInput(
                f"{entry.where}: scores[{name!r}] is {value!r}; use a number, a list of them, or null for none"
            )
        if not _fits(found, entry):
            raise BadInput(f"{entry.where}: scores[{name!r}] has {len(found)} numbers for {entry.steps} steps")
        yield found


def _fits(found: Sequence[float], entry: Entry) -> bool:
    return entry.steps is None or len(found) in (1, entry.steps)


def _has_truths(value: object) -> bool:
    return isinstance(value, bool) or (isinstance(value, list) and any(isinstance(v, bool) for v in value))


def _floats(where: str, name: str, value: object) -> list[float] | None:
    """One score, or one a step, NaN where there is none; None where the value holds no scores."""
    value = decoded(value)
    values = value if isinstance(value, list) else [value]
    if isinstance(value, list) and any(isinstance(v, str) for v in values):
        if not all(v in ("Yes", "No", None) for v in values):
            return None
        given = [v == "Yes" for v in values if v is not None]
        return [sum(given) / len(given)]
    if isinstance(value, str):
        values = [_number_in(value)]
        if values == [None] and value.strip().lower() not in _EMPTY:
            return None
    if not all(v is None or isinstance(v, int | float) for v in values):
        return None
    return [_float(where, name, v) for v in values] or [math.nan]


def _number_in(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else number


def _float(where: str, name: str, value: Any) -> float:
    if value is None:
        return math.nan
    if _LARGEST < abs(value) < math.inf:
        raise BadInput(f"{where}: {name} holds a number beyond {_LARGEST:.1e}, too large for a score; scale it")
    return float(value)
