"""A run's pools as a data set: a row a problem, with all its solutions, their verdicts and their scores."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from bench.inputs.rows import Row
from bench.pools.sources import run_rows
from policies.models.sources import is_hub_name
from verifiers.interface.errors import BadInput, first_line
from verifiers.interface.files import replacing

SPLIT = "test"


def to_dataset(run: Path) -> Any:
    """The pools of a run's folder as a `datasets.Dataset`, whose rows `stepbeam rerank` reads as it reads the run.

    A row has "id", "prompt" (a text, or messages), "answer", "fields" (what else is known of the problem, as a text of
    JSON, where there is anything), and "solutions": objects with "steps", "stop", "correct",
    "extracted" and, for each scorer, "scores", a number a step, and "values", null where it has no opinion.
    Raises BadInput for a folder that is not a run's.
    """
    from datasets import Dataset, Features, List, Value

    rows = [row for _, row in run_rows(run)]
    if not rows:
        raise BadInput(f"{run}: no pools in it")
    scorers = sorted({name for row in rows for solution in row["solutions"] for name in solution["scores"]})
    talks = any(not isinstance(row["prompt"], str) for row in rows)
    text, texts = Value("string"), List(Value("string"))
    solution = {"steps": texts, "stop": text, "correct": Value("bool"), "extracted": text}
    if scorers:
        solution["scores"] = {name: List(Value("float64")) for name in scorers}
        solution["values"] = {name: Value("float64") for name in scorers}
    prompt = List({"role": text, "content": text}) if talks else text
    fields = {"fields": text} if any(row.get("fields") for row in rows) else {}
    features = Features({"id": text, "prompt": prompt, "answer": text, **fields, "solutions": List(solution)})
    found = [_row(row, scorers, talks=talks) for row in rows]
    return Dataset.from_list([{name: row[name] for name in features} for row in found], features=features, split=SPLIT)


def save(run: Path, out: Path) -> int:
    """Write the data set into a folder, or into a `.parquet`; how many rows it has."""
    made = to_dataset(run)
    with replacing(out) as draft:
        if out.suffix == ".parquet":
            made.to_parquet(str(draft))
        else:
            made.save_to_disk(str(draft))
    return len(made)


def push(run: Path, name: str, *, public: bool = False) -> int:
    """Send the data set to the hub as `owner/name`, private unless it is to be `public`; how many rows it has.

    Raises BadInput where there is a data set of that name, which would keep its own visibility and lose its rows, and
    for whatever the hub refuses.
    """
    from huggingface_hub import HfApi

    if not is_hub_name(name):
        raise BadInput(f"hub:{name}: not a name on the hub; write hub:OWNER/NAME")
    made = to_dataset(run)
    try:
        there = HfApi().repo_exists(name, repo_type="dataset")
        if not there:
            made.push_to_hub(name, split=SPLIT, private=not public)
    except Exception as error:  # noqa: BLE001  (each layer of the hub's client fails in its own way)
        why = f"{type(error).__name__}: {first_line(error)}"
        raise BadInput(f"hub:{name}: the hub could not take it ({why}); is there a network, and an account?") from None
    if there:
        raise BadInput(f"hub:{name}: it is there already; remove it, or choose another name")
    return len(made)


def _row(row: Row, scorers: list[str], *, talks: bool) -> Row:
    prompt = row["prompt"]
    if talks and isinstance(prompt, str):
        prompt = [{"role": "user", "content": prompt}]
    solutions = []
    for solution in row["solutions"]:
        kept = {name: solution[name] for name in ("steps", "stop", "correct", "extracted")}
        if scorers:
            kept["scores"] = {name: _numbers(solution["scores"].get(name)) for name in scorers}
            kept["values"] = {name: _number(solution["values"].get(name)) for name in scorers}
        solutions.append(kept)
    known = json.dumps(row["fields"]) if row.get("fields") else None
    return {"id": row["id"], "prompt": prompt, "answer": row["answer"], "fields": known, "solutions": solutions}


def _numbers(said: Any) -> list[float | None] | None:
    """A number a step; nothing where the scorer has no opinion of any."""
    return list(map(_number, said)) if isinstance(said, list) else None


def _number(said: float | None) -> float | None:
    return None if said is None or math.isnan(said) else said
