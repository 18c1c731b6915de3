"""A run's pools as a log of Inspect's: a sample a problem, an epoch a solution."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from inspect_ai.log import (
    EvalConfig,
    EvalDataset,
    EvalLog,
    EvalMetric,
    EvalResults,
    EvalSample,
    EvalScore,
    EvalSpec,
    write_eval_log,
)
from inspect_ai.model import ChatMessage, ChatMessageAssistant, ChatMessageSystem, ChatMessageUser, ModelOutput
from inspect_ai.scorer import CORRECT, INCORRECT, Score

from bench.files.rows import PointRow, from_row, json_number
from bench.files.run_folder import read_config
from bench.harnesses.inspect_pool import METADATA
from bench.inputs.rows import Row, read_rows
from bench.pools.sources import run_rows
from verifiers.interface.files import replacing
from verifiers.interface.solution import Stop

_MESSAGES = {"system": ChatMessageSystem, "assistant": ChatMessageAssistant}
_STOPS = {Stop.LENGTH: "max_tokens", Stop.FAILED: "unknown"}


def write_log(run: Path, out: Path) -> int:
    """Write the run's pools to `out`, an `.eval` or a `.json`; how many samples it has.

    Every solution has its verdict ("answer") and the value of each scorer; its steps, their scores, and what the run
    read and graded stand in the sample's metadata, from where `stepbeam rerank` reads them again. The log's results are
    the run's curves, a metric a point. Raises BadInput for a folder that is not a run's.
    """
    rows = [row for _, row in run_rows(run)]
    config = read_config(run / "config.toml")
    samples = [sample for row in rows for sample in _samples(row)]
    scores = list(_curves(run))
    spec = EvalSpec(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        task=str(config.get("task", "rerank")),
        model=f"stepbeam/{config.get('policy', 'saved')}",
        dataset=EvalDataset(name=run.name, samples=len(rows), sample_ids=[row["id"] for row in rows]),
        config=EvalConfig(epochs=max((len(row["solutions"]) for row in rows), default=1)),
        metadata={METADATA: dict(config)},
    )
    results = EvalResults(total_samples=len(samples), completed_samples=len(samples), scores=scores)
    log = EvalLog(status="success", eval=spec, results=results, samples=samples)
    with replacing(out) as draft:
        write_eval_log(log, str(draft), format="json" if out.suffix == ".json" else "eval")
    return len(samples)


def _samples(row: Row) -> Iterator[EvalSample]:
    prompt: Any = row["prompt"]
    asked: str | list[ChatMessage] = prompt if isinstance(prompt, str) else [_message(turn) for turn in prompt]
    before: list[ChatMessage] = [ChatMessageUser(content=asked)] if isinstance(asked, str) else asked
    for i, solution in enumerate(row["solutions"]):
        message = ChatMessageAssistant(content="".join(solution["steps"]))
        right = solution["correct"]
        verdict = float("nan") if right is None else CORRECT if right else INCORRECT
        scores = {"answer": Score(value=verdict, answer=solution["extracted"])}
        scores |= {name: Score(value=value) for name, value in solution["values"].items()}
        output = ModelOutput.from_message(message.model_copy(update={"model": "stepbeam"}))
        output.choices[0].stop_reason = _STOPS.get(solution["stop"], "stop")
        own = {name: solution[name] for name in ("steps", "stop", "correct", "extracted")}
        own |= {name: _numbers(solution[name]) for name in ("scores", "values")}
        yield EvalSample(
            id=row["id"],
            epoch=i + 1,
            input=asked,
            target="" if row["answer"] is None else str(row["answer"]),
            messages=[*before, message],
            output=output,
            scores=scores,
            metadata={**(row.get("fields") or {}), METADATA: {"pool": [own]}},
        )


def _numbers(said_by: Row) -> Row:
    """What each scorer said, a number or one a step, as JSON has it."""
    return {
        name: [json_number(score) for score in said] if isinstance(said, list) else json_number(said)
        for name, said in said_by.items()
    }


def _message(turn: Row) -> ChatMessage:
    kind: Any = _MESSAGES.get(turn["role"], ChatMessageUser)
    made: ChatMessage = kind(content=turn["content"])
    return made


def _curves(run: Path) -> Iterator[EvalScore]:
    """The points of each curve as metrics, `n=8` for that of 8 solutions."""
    curves: dict[str, dict[str, EvalMetric]] = {}
    if not (run / "points.jsonl").exists():  # of a run that was killed
        return
    for where, row in read_rows(run / "points.jsonl"):
        point = from_row(PointRow, row, where=where)
        name = point.strategy if point.scorer is None else f"{point.strategy}({point.scorer})"
        bounds = {"low": point.low, "high": point.high}
        metric = EvalMetric(name=f"n={point.n}", value=point.accuracy, metadata=bounds)
        curves.setdefault(name, {})[metric.name] = metric
    for name, metrics in curves.items():
        yield EvalScore(name=name, scorer=name, metrics=metrics)
