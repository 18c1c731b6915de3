"""A run's pools as a data set: a row a problem, with all its solutions, their verdicts and their scores."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.inputs.rows import Row
from bench.pools.sources import source_rows
from verifiers.interface.errors import BadInput

SPLIT = "test"


def to_dataset(run: Path) -> Any:
    """The pools of a run's folder as a `datasets.Dataset`, whose rows `stepbeam rerank` reads as it reads the run.

    A row has "id", "prompt" (a text, or messages), "answer", and "solutions": objects with "steps", "stop", "correct",
    "extracted" and, for each scorer, "scores", a number a step, and "values", null where it has no opinion.
    Raises BadInput for a folder that is not a run's.
    """
    from datasets import Dataset, Features, List, Value

    scorers = sorted(_scorers(run))
    talks = any(not isinstance(row["prompt"], str) for _, row in source_rows(str(run)))
    text, texts = Value("string"), List(Value("string"))
    solution = {"steps": texts, "stop": text, "correct": Value("bool"), "extracted": text}
    if scorers:
        solution["scores"] = {name: List(Value("float64")) for name in scorers}
        solution["values"] = {name: Value("float64") for name in scorers}
    prompt = List({"role": text, "content": text}) if talks else text
    features = Features({"id": text, "prompt": prompt, "answer": text, "solutions": List(solution)})

    def rows() -> Iterator[Row]:
        for _, row in source_rows(str(run)):
            yield _row(row, scorers, talks=talks)

    with tempfile.TemporaryDirectory() as scratch:  # what is written on the way is of no use afterwards
        made = Dataset.from_generator(rows, features=features, cache_dir=scratch, keep_in_memory=True, split=SPLIT)
    if not len(made):
        raise BadInput(f"{run}: no pools in it")
    return made


def save(run: Path, out: Path) -> int:
    """Write the data set into a folder, or into a `.parquet`; how many rows it has."""
    made = to_dataset(run)
    if out.suffix == ".parquet":
        made.to_parquet(str(out))
    else:
        made.save_to_disk(str(out))
    return len(made)


def push(run: Path, name: str, *, public: bool = False) -> int:
    """Send the data set to the hub as `owner/name`, private unless it is to be `public`; how many rows it has."""
    made = to_dataset(run)
    made.push_to_hub(name, split=SPLIT, private=not public)
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
    return {"id": row["id"], "prompt": prompt, "answer": row["answer"], "solutions": solutions}


def _numbers(said: Any) -> list[float | None] | None:
    """A number a step; nothing where the scorer has no opinion of any."""
    return list(map(_number, said)) if isinstance(said, list) else None


def _number(said: float | None) -> float | None:
    return None if said is None or math.isnan(said) else said


def _scorers(run: Path) -> set[str]:
    path = run / "scores.jsonl"
    if not path.is_file():
        return set()
    with open(path, encoding="utf-8") as file:
        return {json.loads(line)["scorer"] for line in file if line.endswith("\n")}
