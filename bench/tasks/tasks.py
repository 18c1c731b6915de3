"""Tasks by name: the embedded ones, real ones, and any JSON-lines file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bench.inputs.rows import Row, after_hashes, check_limit, hub_rows, read_rows, text_field, unique_id
from bench.inputs.task import Task
from bench.tiny import load_task as load_tiny
from bench.tiny.worlds.worlds import Split
from policies.policy import Sampling
from verifiers.grading.answer_verifier import AnswerVerifier
from verifiers.grading.answers import GSM8K, MATH, Answers
from verifiers.interface.errors import BadArgument, BadInput
from verifiers.interface.solution import Problem

TINY = ("chain", "countdown", "last_letter", "word_sort")


@dataclass(frozen=True, slots=True)
class _RealTask:
    """How one kind of file or hub dataset becomes problems."""

    prompt_fields: tuple[str, ...]
    instruction: str
    gold: Callable[[str], str]
    answers: Answers
    sampling: Sampling
    hub: tuple[str, str | None, str] | None = None  # dataset, configuration, split


def _boxed(max_tokens: int, hub: tuple[str, str | None, str]) -> _RealTask:
    """A task of mathematics for large models, whose answers stand in boxes."""
    instruction = "\n\nReason step by step, and put your final answer within \\boxed{}."
    sampling = Sampling(temperature=0.8, max_tokens=max_tokens, separator="\n\n")
    return _RealTask(("problem", "prompt"), instruction, str.strip, MATH, sampling, hub)


_REAL = {
    "gsm8k": _RealTask(
        ("question", "prompt"),
        '\n\nReason step by step. End with the line "The answer is N." where N is the final number.',
        after_hashes,
        GSM8K,
        Sampling(temperature=0.8, max_tokens=768),
        ("openai/gsm8k", "main", "test"),
    ),
    "math500": _boxed(2048, ("HuggingFaceH4/MATH-500", None, "test")),
    "aime24": _boxed(8192, ("HuggingFaceH4/aime_2024", None, "train")),
    "jsonl": _RealTask(("prompt",), "", str.strip, MATH, Sampling(max_tokens=1024)),
}


def load_task(spec: str, *, limit: int | None = None, seed: int = 0, split: Split = "test") -> Task:
    """A task from its name: `chain`, `gsm8k`, `gsm8k:FILE`, `math500:FILE`, or a path to a JSON-lines file.

    `limit` keeps the first so many problems (100 for the embedded tasks where it is None, whose
    problems are drawn of `split` with `seed`). Raises BadInput for an unknown name and for files that are
    missing, torn, or hold rows without a prompt or with an id used before.
    """
    check_limit(limit)
    name, _, file = spec.partition(":")
    if name in TINY and not file:
        try:
            return load_tiny(name, count=limit or 100, seed=seed, split=split)
        except ValueError as error:
            raise BadInput(f"{spec}: {error}") from None
    if spec.endswith((".jsonl", ".jsonl.gz", ".json.gz")) and name not in _REAL:
        name, file = "jsonl", spec
    if name not in _REAL or (name == "jsonl" and not file):
        known = ", ".join((*TINY, *(n for n in _REAL if n != "jsonl")))
        raise BadArgument("task", spec, f"unknown task; use one of {known}, NAME:FILE, or a JSON-lines file")
    kind = _REAL[name]
    rows = read_rows(Path(file)) if file else _hub_rows(spec, kind)
    seen: dict[str, str] = {}
    problems = tuple(islice(_problems(name, kind, rows, seen), limit))
    if not problems:
        raise BadInput(f"{file or spec}: no problems in it")
    return Task(name, problems, kind.answers, AnswerVerifier(kind.answers), kind.sampling)


def _problems(name: str, kind: _RealTask, rows: Iterator[tuple[str, Row]], seen: dict[str, str]) -> Iterator[Problem]:
    for number, (where, row) in enumerate(rows):
        prompt = text_field(where, row, kind.prompt_fields)
        answer = kind.gold(text_field(where, row, ("answer",)))
        if not answer:
            raise BadInput(f"{where}: 'answer' is empty, so no solution could be right; give the gold answer")
        yield Problem(unique_id(where, row, f"{name}-{number:05d}", seen), prompt + kind.instruction, answer)


def _hub_rows(spec: str, kind: _RealTask) -> Iterator[tuple[str, Row]]:
    assert kind.hub is not None
    name, configuration, split = kind.hub
    try:
        return hub_rows(name, split, configuration)
    except BadInput as error:
        raise BadArgument("task", spec, f"{error}; give a file as {spec}:FILE") from None
