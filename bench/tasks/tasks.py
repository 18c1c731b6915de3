"""Tasks by name: the embedded ones, real ones, any file of problems, and those of one's own."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from bench.inputs.data_sets import hub_rows, is_hub_source, is_saved, named_rows, saved_rows
from bench.inputs.rows import Row, after_hashes, check_limit, read_rows
from bench.inputs.specs import load_answers
from bench.inputs.tables import file_rows
from bench.inputs.task import Task
from bench.tasks.own import own_answers, own_task
from bench.tasks.prompts import Wording, check_shots
from bench.tasks.rows import check_columns, problems_of
from bench.tiny import load_task as load_tiny
from bench.tiny.worlds.worlds import Split
from policies.policy import Sampling
from verifiers.grading.answer_verifier import AnswerVerifier
from verifiers.grading.answers import GSM8K, MATH, Answers
from verifiers.interface.errors import BadArgument, BadInput
from verifiers.interface.own import own_name
from verifiers.interface.solution import Problem

_FILES = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".csv", ".csv.gz", ".tsv", ".parquet")
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


def load_task(
    spec: str,
    *,
    limit: int | None = None,
    seed: int = 0,
    split: Split = "test",
    columns: Mapping[str, str] | None = None,
    system: str | None = None,
    instruction: str | None = None,
    shots: str | None = None,
    answers: str | None = None,
    separator: str | None = None,
) -> Task:
    """A task from its name: `chain`, `gsm8k`, `gsm8k:FILE`, a file's path, a data set, or `module:name`.

    A data set is `owner/name:split` of the hub, or the folder of one saved to disk. It or a file has a row a problem,
    with a prompt (a text or messages) and an answer (a text or a number); what it has beside is kept in the problems'
    `fields`. `columns` maps "prompt", "answer", "id" and "solution" to other names.
    `limit` keeps the first so many problems (100 for the embedded tasks where it is None, whose
    problems are drawn of `split` with `seed`). `system`, `instruction` and `shots` (`FILE` or `FILE:K`, rows of solved
    problems) say how problems are asked, see `bench.tasks.prompts`; `answers` how they are graded; `separator` what
    ends a step; None is the task's own. Raises BadInput for an unknown name and for files that are
    missing, torn, or hold rows without a prompt or with an id used before.
    """
    check_limit(limit)
    given = columns or {}
    check_columns(given)
    if spec.removesuffix(":") in TINY:
        for option, value in (("system", system), ("instruction", instruction or None), ("shots", shots)):
            if value is not None:
                raise BadArgument(option, value, f"{spec} reads its problems from their prompts alone; leave this out")
    kind, task = _loaded(spec, limit, seed, split, given)
    shown = _shots(shots, kind, given) if shots is not None else []
    if shots is not None:
        check_shots(shown, task.problems, shots)
    wording = Wording(kind.instruction if instruction is None else instruction, system, shown)
    task = replace(task, problems=tuple(map(wording.asked, task.problems)))
    if answers is not None:
        task = task.with_answers(load_answers(answers))
    return task if separator is None else replace(task, sampling=replace(task.sampling, separator=separator))


def answers_of(spec: str) -> Answers:
    """How the task of a name reads and compares answers; its problems are not read.

    Raises BadInput where a task of one's own is not there; a file or a data set need not be.
    """
    name, _, file = spec.partition(":")
    if name in TINY and not file:
        return load_tiny(name, count=1).answers
    if name in _REAL or own_name(spec) is None or is_saved(spec):  # a file or a data set, which may have moved
        return _REAL.get(name, _REAL["jsonl"]).answers
    answers = own_answers(spec)
    if answers is None:
        raise BadArgument("task", spec, "there is no such task here")
    return answers


def _loaded(
    spec: str, limit: int | None, seed: int, split: Split, columns: Mapping[str, str]
) -> tuple[_RealTask, Task]:
    """The task with its problems as they stand there, and its kind."""
    name, _, file = spec.partition(":")
    own = _REAL["jsonl"]
    if name in TINY and not file:
        if columns:
            raise BadArgument("columns", next(iter(columns)), f"{spec} is read from no file; leave this out")
        try:
            return own, load_tiny(name, count=limit or 100, seed=seed, split=split)
        except ValueError as error:
            raise BadInput(f"{spec}: {error}") from None
    if name not in _REAL and (spec.endswith(_FILES) or is_saved(spec) or is_hub_source(spec)):
        name, file = "jsonl", spec
    elif name not in (*TINY, *_REAL) and (task := own_task(spec, limit=limit, columns=columns)) is not None:
        return own, task
    if name not in _REAL or (name == "jsonl" and not file):
        known = ", ".join((*TINY, *(n for n in _REAL if n != "jsonl")))
        raise BadArgument(
            "task",
            spec,
            f"unknown task; use one of {known}, NAME:FILE, a JSON-lines file or another ({', '.join(_FILES)}), a data "
            "set's folder, or its name and split (owner/name:split), or module:name of your own, such as mine:problems "
            "of a mine.py in this folder",
        )
    kind = _REAL[name]
    rows = _file_rows(file) if file else _hub_rows(spec, kind)
    problems = tuple(p for p, _ in islice(problems_of(rows, name, kind.prompt_fields, columns, kind.gold), limit))
    if not problems:
        raise BadInput(f"{file or spec}: no problems in it")
    return kind, Task(name, problems, kind.answers, AnswerVerifier(kind.answers), kind.sampling)


def _file_rows(file: str) -> Iterator[tuple[str, Row]]:
    """The rows of a file, or of a data set; a file of JSON lines is read as such, whatever it holds."""
    if is_saved(file):
        return saved_rows(file)
    if is_hub_source(file) and not file.endswith(_FILES):
        return named_rows(file)
    return read_rows(Path(file)) if file.endswith((".jsonl", ".jsonl.gz")) else file_rows(Path(file))


def _shots(given: str, kind: _RealTask, columns: Mapping[str, str]) -> list[tuple[Problem, str]]:
    """The solved problems of `FILE`, or the first K of `FILE:K`."""
    file, colon, count = given.rpartition(":")
    file, most = (file, int(count)) if colon and count.isdecimal() else (given, None)
    solved = problems_of(_file_rows(file), "shot", kind.prompt_fields, columns, kind.gold, or_ours=True)
    found = list(islice(solved, most))
    if not found:
        raise BadArgument("shots", given, "no solved problems in it; give a file of them, or leave this out")
    return found


def _hub_rows(spec: str, kind: _RealTask) -> Iterator[tuple[str, Row]]:
    assert kind.hub is not None
    name, configuration, split = kind.hub
    try:
        return hub_rows(name, split, configuration)
    except BadInput as error:
        raise BadArgument("task", spec, f"{error}; give a file as {spec}:FILE") from None
