"""The rows of collected values, and the training data that they are.

Columns: `problem` (id), `prompt` (text) or `messages` (a conversation), `answer`; `solution` (number of the
sampled solution, None in the problem's own row), `step` (1, 2, ...; 0 for the problem before its first step),
`prefix` (the texts of the steps so far); `successes` of `rollouts`, of which `failed` could not be generated;
`unknown` (rollouts of unknown grade, not among them); `value` (None where no outcome is known) and `reason`;
`stop` (of the prefix: "open" inside a solution) and `outcome` (of the whole sampled solution: 1, 0 or None).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from prms.rollouts import Tally
from verifiers.interface.arguments import check_rows
from verifiers.interface.errors import BadArgument
from verifiers.interface.solution import Message, Problem, Solution, Step, Stop
from verifiers.reward_models.labelled import Labelled

if TYPE_CHECKING:
    from datasets import Dataset

ValueRow = dict[str, Any]


def root_row(problem: Problem, tally: Tally) -> ValueRow:
    """The value of a problem before its first step."""
    return _row(problem, None, (), tally, Stop.OPEN, math.nan)


def solution_rows(
    problem: Problem, number: int, solution: Solution, outcome: float, tallies: Sequence[Tally]
) -> list[ValueRow]:
    """A row for each of the first steps of a sampled solution, as many as there are tallies."""
    rows = []
    for k, tally in enumerate(tallies, start=1):
        stop = solution.stop if k == len(solution.steps) else Stop.OPEN
        rows.append(_row(problem, number, solution.steps[:k], tally, stop, outcome))
    return rows


def labelled(rows: Iterable[Mapping[str, Any]]) -> list[Labelled]:
    """Solutions with their steps' values as labels, and the problem's value as `root`, to train a PRM on.

    >>> problem = Problem("p1", "2+2?")
    >>> solution = Solution((Step("2+2\\n"), Step("=4")), Stop.EOS)
    >>> rows = solution_rows(problem, 0, solution, 1.0, [Tally(3.0, 4), Tally(4.0, 4)])
    >>> [row] = labelled([root_row(problem, Tally(2.0, 4)), *rows])
    >>> row.labels, row.root, row.solution == solution
    ((0.75, 1.0), 0.5, True)

    `rows` is what `prms.collect_values` returned, or a part of it that keeps the order. A solution of which
    only the first steps were kept (`first_pit`) is open. A value that is None becomes NaN. Raises
    ValueError where a step of a solution is missing.
    """
    given = check_rows(rows, object, "give the rows that prms.collect_values returned")
    rows = [_checked(i, row) for i, row in enumerate(given)]
    solutions: list[Labelled] = []
    roots: dict[str, float | None] = {}
    for (name, number), group in groupby(rows, key=lambda row: (row["problem"], row["solution"])):
        steps = list(group)
        last = steps[-1]
        if number is None:
            roots[name] = last["value"]
            continue
        if [row["step"] for row in steps] != list(range(1, len(steps) + 1)):
            raise ValueError(
                f"problem {name!r}, solution {number}: the rows have steps {[row['step'] for row in steps]}; "
                "keep all rows of a solution, in their order"
            )
        solutions.append(
            Labelled(
                Problem(name, _prompt_of(last), last["answer"]),
                Solution(tuple(map(Step, last["prefix"])), Stop(last["stop"])),
                tuple(math.nan if row["value"] is None else row["value"] for row in steps),
                roots.get(name),
            )
        )
    return solutions


def _checked(place: int, row: Any) -> Mapping[str, Any]:
    if not isinstance(row, Mapping) or not {"problem", "solution", "step", "value"} <= row.keys():
        found = ", ".join(map(repr, row)) if isinstance(row, Mapping) else type(row).__name__
        raise BadArgument(
            f"rows[{place}]",
            f"({found})",
            "it is no row of prms.collect_values; others read bench.training.rows.read_step_labels",
        )
    return row


def dataset_of(chunks: Iterable[Sequence[ValueRow]]) -> Dataset:
    """The rows as a data set with the columns of this module, in their types; at least one chunk."""
    from datasets import Dataset, Features, List, Value, concatenate_datasets

    text, integer, number = Value("string"), Value("int64"), Value("float64")
    features = Features(
        {
            "problem": text,
            "prompt": text,
            "messages": List({"role": text, "content": text}),
            "answer": text,
            "solution": integer,
            "step": integer,
            "prefix": List(text),
            "successes": integer,
            "rollouts": integer,
            "failed": integer,
            "unknown": integer,
            "value": number,
            "reason": text,
            "stop": text,
            "outcome": number,
        }
    )
    return concatenate_datasets([Dataset.from_list(list(rows), features=features) for rows in chunks])


def _row(
    problem: Problem, number: int | None, prefix: Sequence[Step], tally: Tally, stop: Stop, outcome: float
) -> ValueRow:
    prompt, value = problem.prompt, _number(tally.value)
    turns = None if isinstance(prompt, str) else [{"role": m.role, "content": m.content} for m in prompt]
    return {
        "problem": problem.id,
        "prompt": prompt if turns is None else None,
        "messages": turns,
        "answer": problem.answer,
        "solution": number,
        "step": len(prefix),
        "prefix": [step.text for step in prefix],
        "successes": round(tally.total),
        "rollouts": tally.rollouts,
        "failed": tally.failed,
        "unknown": tally.unknown,
        "value": value,
        "reason": tally.reason if value is None else None,
        "stop": stop.value,
        "outcome": _number(outcome),
    }


def _prompt_of(row: Mapping[str, Any]) -> str | tuple[Message, ...]:
    if row["messages"] is not None:
        return tuple(Message(turn["role"], turn["content"]) for turn in row["messages"])
    text: str = row["prompt"]
    return text


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
