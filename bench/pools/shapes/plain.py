"""Rows with the usual names: a prompt, a gold answer, and solutions in a list or one a row."""

from typing import Any

from bench.inputs.rows import Row, decoded
from bench.pools.shapes.golds import golds_of
from bench.pools.shapes.names import (
    ANSWERS,
    GOLDS,
    IDS,
    ONE_SOLUTION,
    OPTIONS,
    PROMPTS,
    SOLUTIONS,
    STOPS,
)
from bench.pools.shapes.solutions import is_of_lists, own_solution, solutions_in, with_verdict
from bench.pools.shapes.stops import UNKNOWN, stop_of, with_stop
from bench.pools.shapes.texts import is_of_the_model, is_talk, talk_of, text_of

_OF_PROBLEMS = ("id", "prompt", "answer", *PROMPTS, *ANSWERS)
_BESIDE_A_GENERATION = {  # columns of texts that are none of a model
    *(*_OF_PROBLEMS[:3], *PROMPTS, *GOLDS, *IDS, *STOPS, "stop", "named", UNKNOWN, "contexts", "retrieved_contexts")
}
_NO_NUMBERS = ("label", "labels", "solution", "reference")  # where a number is something else


def plain(row: Row) -> Row:
    """A row under our own names, as far as it has them; ours win over others.

    >>> plain({"question": "2+2?", "response": "It is 4", "target": "4", "finish_reason": "length"})
    {'answer': '4', 'prompt': '2+2?', 'stop': 'length', 'text': 'It is 4'}
    """
    row = _with_solutions(with_verdict(with_stop(row)))
    if row.get("prompt") is None or row["prompt"] == "":
        row = row | {name: _asked(row[name]) for name in PROMPTS if isinstance(row.get(name), dict | list)}
        row = _moved(row, "prompt", next((name for name in PROMPTS if _is_prompt(row.get(name))), None))
    row = _with_talk(row)
    if "text" in row and isinstance(row.get(UNKNOWN), list) and len(row[UNKNOWN]) == 1:  # a list of reasons of one
        row = row | {"stop": row["stop"][0], UNKNOWN: row[UNKNOWN][0]}
    if row.get("answer") is None:
        row = _moved(row, "answer", next((name for name in ANSWERS if _is_gold(name, row.get(name))), None))
    if row.get("id") is None and "named" not in row:
        named = next((row[name] for name in IDS if isinstance(row.get(name), str | int)), None)
        row = row if named is None else row | {"named": str(named)}
    return row


def has_solutions(row: Row) -> bool:
    """Whether a row has solutions under our own names."""
    return any(row.get(name) is not None for name in ("solutions", "text", "steps"))


def _moved(row: Row, ours: str, theirs: str | None) -> Row:
    if theirs is None:
        return row
    return {ours: row[theirs]} | {name: value for name, value in row.items() if name not in (ours, theirs)}


def _with_solutions(row: Row) -> Row:
    """The row with "solutions", or with "text" where it is one solution itself."""
    if row.get("solutions") is not None:
        return _as_solutions(row, "solutions", several=True) or row
    if has_solutions(row):
        return row if isinstance(row.get("text"), str | None) else row | {"text": text_of(row["text"])}
    names = [(name, True) for name in SOLUTIONS] + [(name, False) for name in ONE_SOLUTION]
    names += [(name, True) for name in OPTIONS]
    for name, several in names:
        if row.get(name) is not None and (found := _as_solutions(row, name, several=several)) is not None:
            return found
    empty: list[str] = [name for name in ("solutions", "text", "steps") if name in row]
    empty += [name for name, _ in names if name in row and row[name] is None]
    if empty and not any(is_talk(turns := decoded(row.get(n))) and is_of_the_model(turns[-1]) for n in PROMPTS):
        # Nothing was made: a failed solution, which stays in the denominator.
        return {name: value for name, value in row.items() if name not in empty} | {"text": None}
    return _moved(row, "text", "answer") if not empty and _is_generation(row) else row


def _is_generation(row: Row) -> bool:
    """Whether "answer" is what a model said: another column is the gold answer, and nothing else can be a solution."""
    if not isinstance(row.get("answer"), str) or not any(_is_gold(name, row.get(name)) for name in GOLDS):
        return False
    turns = [turn for name in ("prompt", *PROMPTS) if is_talk(talk := decoded(row.get(name))) for turn in talk]
    others = row.keys() - _BESIDE_A_GENERATION
    return not any(map(is_of_the_model, turns)) and not any(_may_be_said(row[name]) for name in others)


def _may_be_said(found: object) -> bool:
    """Whether a column of an unknown name can be what a model said, or the place for it."""
    said = text_of(found) if isinstance(found, dict) else found
    return isinstance(said, str | None) or (isinstance(said, list) and solutions_in(said, several=True) is not None)


def _as_solutions(row: Row, name: str, *, several: bool) -> Row | None:
    if name == "trajectories" and isinstance(parts := decoded(row[name]), list):
        row = row | {name: [_whole(part) for part in parts]}
    if is_of_lists(row[name]):  # which is what `datasets` makes of a list of objects
        return _moved(row, "solutions", name)
    found = solutions_in(row[name], several=several)
    if found is None:
        return None
    rest = {key: value for key, value in row.items() if key != name}
    given = decoded(row[name])
    if isinstance(given, list) and not (is_talk(given) and len(found) == 1):
        return _beside(rest, len(found)) | {"solutions": found}
    [one] = found
    if isinstance(one, dict):
        own = {k: v for k, v in own_solution(one).items() if k not in ("id", "prompt", "answer", "solutions")}
        return rest | own
    return rest | {"text": one}


def _whole(found: Any) -> Any:
    """The text of a trajectory that is a list of steps; else what was given."""
    is_of_steps = isinstance(found, list) and found and all(isinstance(step, str) for step in found)
    return "".join(f"{step.rstrip()}\n" for step in found).rstrip() if is_of_steps else found


def _beside(rest: Row, count: int) -> Row:
    """Lists that are written as texts beside the solutions, one each, as lists; one stop for all is that of each."""
    if isinstance(stop := rest.get("stop"), str) and stop_of(stop) is not None:
        rest = rest | {"stop": [stop] * count}
    elif isinstance(stop, list) and len(stop) != count and not any(isinstance(s, str) and stop_of(s) for s in stop):
        rest = {name: value for name, value in rest.items() if name != "stop"}  # texts to stop at, as servers take them
    return {name: value if name in _OF_PROBLEMS else _listed(value, count) for name, value in rest.items()}


def _listed(value: Any, count: int) -> Any:
    given = decoded(value) if isinstance(value, str) and value.lstrip()[:1] == "[" else value
    return given if isinstance(given, list) and len(given) == count else value


def _with_talk(row: Row) -> Row:
    """Prompts as messages of role and content; the model's last message is the solution where there is no other."""
    turns = decoded(row.get("prompt"))
    if isinstance(turns, dict) and "content" in turns:
        turns = [{"role": "user", **turns}]
    if not is_talk(turns):
        return row
    turns = talk_of(turns)
    if len(turns) > 1 and is_of_the_model(turns[-1]):
        if has_solutions(row) and turns[-1].get("content") in ("", *_said(row)):  # to be filled in, or once more
            turns = turns[:-1]
        elif not has_solutions(row) and "text" not in row:
            return row | {"prompt": turns[:-1], "text": turns[-1]["content"]}
    return row | {"prompt": turns}


def _said(row: Row) -> list[object]:
    """The texts of a row's solutions."""
    solutions = row.get("solutions")
    texts = [own_solution(s).get("text") if isinstance(s, dict) else s for s in solutions or ()]
    return [row.get("text"), *texts]


def _asked(found: Any) -> Any:
    """The question in an object of inputs with nothing else to be read, or in a list of one; else what was given."""
    if isinstance(found, dict):
        others = {
            name: value
            for name, value in found.items()
            if name not in ("id", *IDS) and isinstance(value, str | list | dict)
        }
        [name, *more] = [name for name, value in others.items() if value] or [""]
        is_it = not more and name in ("text", "prompt", *PROMPTS) and isinstance(found[name], str)
        return found[name] if is_it else found
    return found[0] if len(found) == 1 and isinstance(found[0], str) else found


def _is_prompt(found: object) -> bool:
    return is_talk(decoded(found)) or (isinstance(found, str) and bool(found.strip()))


def _is_gold(name: str, found: object) -> bool:
    """Whether a column holds a gold answer; numbers under some names are something else."""
    if name in _NO_NUMBERS and not isinstance(found, str):
        found = [each for each in found if isinstance(each, str)] if isinstance(found, list) else None
    golds = golds_of(found)
    return bool(golds) and all(isinstance(gold, str) for gold in golds)
