"""Samples of Inspect AI's logs, an epoch a sample."""

from typing import Any

from bench.inputs.rows import Row, decoded
from bench.pools.shapes.texts import is_of_the_model, is_talk

_VERDICTS = {"C": True, "I": False}
_OBJECTS = ("input", "output", "messages", "scores", "attachments", "error", "limit", "metadata")
_OURS = "stepbeam"  # where our solvers keep the pool that they chose from, in a sample's metadata
_ATTACHED = "attachment://"


def inspect(row: Row) -> Row | None:
    """A sample with its input, its target, and the solutions in its output.

    >>> sample = {"id": 1, "epoch": 1, "input": "2+2?", "target": "4", "output": {"completion": "It is 4"}}
    >>> inspect(sample)
    {'named': '1', 'prompt': '2+2?', 'answer': '4', 'solutions': [{'text': 'It is 4'}]}
    """
    row = {name: decoded(value) if name in _OBJECTS else value for name, value in row.items()}
    of_a_sample = {"target", "epoch", "scores"} & row.keys()
    if "input" not in row or not of_a_sample or not (isinstance(row.get("output"), dict) or "messages" in row):
        return None
    if attachments := _object(row, "attachments"):  # what is long, or stands in several places, is kept beside
        row = {name: _attached(value, attachments) for name, value in row.items() if name != "attachments"}
    solutions = _pool(row.get("metadata"))
    if solutions is None:
        said = _scores(_object(row, "scores"))
        solutions = [said | solution for solution in _solutions(row, _object(row, "output"))]
    prompt = row["input"]
    kept: Row = {"named": str(row["id"])} if row.get("id") is not None else {}
    if isinstance(beside := row.get("metadata"), dict):
        kept["fields"] = {name: value for name, value in beside.items() if name != _OURS}
    return kept | {"prompt": prompt, "answer": row.get("target"), "solutions": solutions}


def _pool(metadata: Any) -> list[Row] | None:
    """All solutions that a solver of ours has drawn, of which the output is one."""
    ours = metadata.get(_OURS) if isinstance(metadata, dict) else None
    pool = ours.get("pool") if isinstance(ours, dict) else None
    return pool if isinstance(pool, list) and all(isinstance(solution, dict) for solution in pool) else None


def _solutions(row: Row, output: Row) -> list[Row]:
    """The choices of a sample; none where it failed, which is a failed solution."""
    if row.get("error"):
        return [{"text": None, "stop": "error"}]
    cut = {"stop": "length"} if row.get("limit") else {}  # the sample's own, of tokens, time or messages
    choices = output.get("choices")
    if isinstance(choices, list) and choices and all(isinstance(choice, dict) for choice in choices):
        return [choice | cut for choice in choices]
    if output.get("completion"):
        return [{"text": output["completion"]} | cut]
    messages = row.get("messages")
    if isinstance(messages, list) and is_talk(messages) and is_of_the_model(messages[-1]):
        return [{"message": messages[-1]} | cut]
    return [{"text": None} | cut]


def _object(row: Row, name: str) -> Row:
    """A field that is an object; an empty one where it is none."""
    return found if isinstance(found := row.get(name), dict) else {}


def _scores(scores: Row) -> Row:
    """The verdict of the first scorer that has one, and the numbers of the others."""
    values = {name: score["value"] for name, score in scores.items() if isinstance(score, dict) and "value" in score}
    said: Row = {}
    for name, value in values.items():
        if (isinstance(value, str) and value in _VERDICTS) or value in (0, 1):
            said.setdefault("correct", _VERDICTS[value] if isinstance(value, str) else bool(value))
        elif isinstance(value, int | float):
            said[name] = value
    return said


def _attached(value: Any, attachments: Row) -> Any:
    if isinstance(value, str) and value.startswith(_ATTACHED):
        return attachments.get(value.removeprefix(_ATTACHED), value)
    if isinstance(value, list):
        return [_attached(each, attachments) for each in value]
    if isinstance(value, dict):
        return {name: _attached(each, attachments) for name, each in value.items()}
    return value
