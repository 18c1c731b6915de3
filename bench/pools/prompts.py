"""Prompts and gold answers in files of their own, such as the requests of a batch, joined with outputs by their ids."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.inputs.choices import options_of
from bench.inputs.rows import Row
from bench.pools.shapes.known import own_form
from bench.pools.shapes.names import IDS
from bench.pools.shapes.openai import KEYS, request_of
from bench.pools.sources import source_rows
from verifiers.interface.errors import BadInput

_JOINED = ("prompt", "answer")


def read_prompts(sources: Sequence[str | Path]) -> dict[str, Row]:
    """What the rows of these files say of each id's problem; several files may each say a part.

    Raises BadInput for a row without an id, or without a prompt or an answer, and for one that says another thing.
    """
    found: dict[str, Row] = {}
    for where, row in (pair for source in sources for pair in source_rows(str(source))):
        key = next(_ids(row), None)
        own = own_form(request_of(row) | row)
        said = {name: own[name] for name in _JOINED if own.get(name) is not None}
        if key is None or not said:
            lacks = "id such as 'custom_id'" if key is None else "prompt and no answer"
            raise BadInput(f"{where}: no {lacks} in this row of --prompts; it has {', '.join(map(repr, row))}")
        if (options := options_of(own)).texts:  # of which the gold answer may be the place
            said["options"] = {"text": list(options.texts), "label": list(options.labels)}
        known = found.setdefault(key, {})
        if other := [name for name in said if known.setdefault(name, said[name]) != said[name]]:
            raise BadInput(f"{where}: id {key!r} has another {other[0]} than before; ids must be unique")
    return found


def with_prompt(where: str, row: Row, prompts: Mapping[str, Row]) -> Row:
    """A row under our names with what its problem's id adds to it; raises BadInput for an id that has no prompt."""
    key = row.get("named", row.get("id"))
    added = prompts.get(str(key), {})
    if row.get("prompt") is None and "prompt" not in added:
        raise BadInput(f"{where}: --prompts has no prompt for id {key!r}; add a row with it, or give its file too")
    return row | {name: value for name, value in added.items() if row.get(name) is None}


def _ids(row: Row) -> Iterator[str]:
    return (str(row[name]) for name in (*KEYS, "id", *IDS) if isinstance(row.get(name), str | int))
