"""Labelled steps as PRM800K, Math-Shepherd, ProcessBench and TRL have them, as rows of our own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.inputs.rows import Row
from verifiers.interface.errors import BadInput

PROMPTS = ("prompt", "question", "problem", "messages")
_READ = "ки"  # where Math-Shepherd's model is read: the end of each step
VERDICTS = {"+": 1.0, "-": 0.0}
_OF_PROCESSBENCH = ("generator", "final_answer_correct")  # what else its rows have
_RATINGS = {-1: 0.0, 0: 1.0, 1: 1.0, None: None}  # a step that is neither good nor bad is no error


def step_data(where: str, row: Row, *, of_steps: bool = True) -> Iterator[Row]:
    """The rows of our own that a published row stands for; any other row as it is.

    >>> list(step_data("rows:1", {"prompt": "2+2?", "completions": ["2+2=5", "It is 5."], "labels": [False, False]}))
    [{'prompt': '2+2?', 'steps': ['2+2=5\\n', 'It is 5.'], 'labels': [False, False]}]

    TRL's steps stand in `completions`, and are joined by line breaks. Of Math-Shepherd's rows the steps end at each
    "ки" of `input`, and `label` has a "+" or "-" in each such place. Of PRM800K's, a row is the path of chosen steps,
    and one more for each other rated continuation of it: a rating of -1 is an error, 0 and 1 are none. ProcessBench's
    `label` is the place of the first error among the `steps`, -1 for none (see `FirstErrors`); it is read so
    only where labels of steps are asked for, `of_steps`. Raises BadInput where a row begins like one of these, and does
    not go on so.
    """
    for is_it, read in _SHAPES:
        if is_it(row) and (of_steps or read is not _processbench):
            yield from read(where, row)
            return
    yield row


def _is_stepwise(row: Row) -> bool:
    return isinstance(row.get("completions"), list) and isinstance(row.get("labels"), list) and "prompt" in row


def _stepwise(where: str, row: Row) -> Iterator[Row]:
    steps = row["completions"]
    if not all(isinstance(step, str) for step in steps):
        raise BadInput(f"{where}: 'completions' must be a list of texts, a step each")
    yield {"prompt": row["prompt"], "steps": _in_lines(steps), "labels": row["labels"]} | _named(row)


def _is_shepherd(row: Row) -> bool:
    texts = isinstance(row.get("input"), str) and isinstance(row.get("label"), str)
    return texts and not any(name in row for name in PROMPTS)


def _shepherd(where: str, row: Row) -> Iterator[Row]:
    *steps, rest = row["input"].split(_READ)
    if not steps:
        raise BadInput(
            f"{where}: 'input' and 'label' are Math-Shepherd's, and no step of this 'input' ends with {_READ!r}"
        )
    labels: list[float] = []
    at = 0
    for step in steps:
        at += len(step)
        verdict = row["label"][at : at + 1]
        if verdict not in VERDICTS or not row["label"][:at].endswith(step):
            raise BadInput(f"{where}: no + or - in 'label' where 'input' has its {len(labels) + 1}. {_READ!r}")
        labels.append(VERDICTS[verdict])
        at += 1
    begins = steps[0].find("Step 1:")
    if begins < 1 or rest.strip():
        told = "text behind the last" if rest.strip() else "no 'Step 1:' before the first"
        raise BadInput(f"{where}: 'input' has {told} {_READ!r}; it should be a question and its steps")
    question, steps[0] = steps[0][:begins].strip(), steps[0][begins:]
    yield {"prompt": question, "steps": _in_lines([step.strip() for step in steps]), "labels": labels} | _named(row)


def _is_processbench(row: Row) -> bool:
    label = row.get("label")
    return isinstance(row.get("steps"), list) and type(label) is int and not row.keys() & {"labels", "correct"}


def _processbench(where: str, row: Row) -> Iterator[Row]:
    count, error = len(row["steps"]), row["label"]
    if not -1 <= error < count:
        raise BadInput(f"{where}: 'label' is {error}, of {count} steps; it is the first wrong one's place, -1 for none")
    right = count if error < 0 else error
    yield row | {"labels": [1.0] * right + [0.0] * (count - right)}


@dataclass(slots=True)
class FirstErrors:
    """Whether a source's `label`s are places of first errors: 0 and 1 alone may as well say wrong and right.

    >>> found = FirstErrors()
    >>> found.add("rows:1", {"problem": "2+2?", "steps": ["=5"], "label": 0})
    >>> found.check()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    verifiers.interface.errors.BadInput: rows:1: 'label' is 0 or 1 in all rows with 'steps', ...
    """

    first: str = ""
    known: bool = False

    def add(self, where: str, row: Row) -> None:
        """Count a row that may be one of ProcessBench's."""
        if _is_processbench(row):
            self.first = self.first or where
            self.known |= row["label"] not in (0, 1) or any(name in row for name in _OF_PROCESSBENCH)

    def check(self) -> None:
        """Raise BadInput where nothing in the source says what its labels are."""
        if self.first and not self.known:
            raise BadInput(
                f"{self.first}: 'label' is 0 or 1 in all rows with 'steps', and may be the first wrong step's place or "
                "say wrong and right; give 'labels', one a step, or keep ProcessBench's 'generator' in its rows"
            )


def _is_prm800k(row: Row) -> bool:
    return isinstance(row.get("label"), dict) and "steps" in row["label"] and isinstance(row.get("question"), dict)


def _prm800k(where: str, row: Row) -> Iterator[Row]:
    path: list[tuple[str, float | None]] = []
    last = gave = False
    try:
        prompt = row["question"]["problem"]
        for step in row["label"]["steps"]:
            rated = [(_text(each), _RATINGS[each["rating"]]) for each in step["completions"] or ()]
            chosen = step.get("chosen_completion")
            if chosen is not None and not 0 <= chosen < len(rated):
                raise IndexError(f"chosen_completion is {chosen}, of {len(rated)} completions")
            others = [each for i, each in enumerate(rated) if i != chosen and each[1] is not None]
            yield from (_labelled(prompt, [*path, other]) for other in others)
            gave = bool(others)
            last = chosen is None and not step.get("human_completion")
            if last:  # where the labeller stopped
                break
            human = step.get("human_completion")
            path.append(rated[chosen] if chosen is not None else (_text(human), 1.0))
    except (KeyError, IndexError, TypeError) as error:
        raise BadInput(f"{where}: begins like a row of PRM800K and is none ({type(error).__name__}: {error})") from None
    if path and not (last and gave):  # else the path is the beginning of other rows
        yield _labelled(prompt, path)


def _text(completion: Row) -> str:
    text = completion["text"]
    if not isinstance(text, str):
        raise TypeError(f"a text was expected, and {text!r} found")
    return text


def _labelled(prompt: str, path: Sequence[tuple[str, float | None]]) -> Row:
    steps = _in_lines([text for text, _ in path])
    return {"prompt": prompt, "steps": steps, "labels": [label for _, label in path], "stop": "open"}


def _in_lines(steps: Sequence[str]) -> list[str]:
    """The steps with the line breaks between them."""
    inner = [step if step.endswith("\n") else f"{step}\n" for step in steps[:-1]]
    return [*inner, *steps[-1:]]


def _named(row: Row) -> Row:
    return {"id": row["id"]} if row.get("id") is not None else {}


_SHAPES: tuple[tuple[Callable[[Row], bool], Callable[[str, Row], Iterator[Any]]], ...] = (
    (_is_stepwise, _stepwise),
    (_is_shepherd, _shepherd),
    (_is_processbench, _processbench),
    (_is_prm800k, _prm800k),
)
