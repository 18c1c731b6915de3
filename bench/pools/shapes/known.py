"""All shapes that are known, and a row of any of them under our own names."""

import re
from collections.abc import Callable

from bench.inputs.rows import Row
from bench.pools.shapes.evaluations import helm, math_eval
from bench.pools.shapes.inspect import inspect
from bench.pools.shapes.lighteval import lighteval
from bench.pools.shapes.lm_eval import lm_eval
from bench.pools.shapes.names import ANSWERS, EQUAL, IDS, ONE_SOLUTION, PROMPTS, SOLUTIONS, STOPS, VERDICTS
from bench.pools.shapes.openai import openai
from bench.pools.shapes.plain import has_solutions, plain
from bench.pools.shapes.rollouts import verl, vllm

# Each gives a row of its shape under our names, as far as it knows better than `plain` does, and None for another.
SHAPES: tuple[Callable[[Row], Row | None], ...] = (inspect, helm, lm_eval, lighteval, vllm, openai, verl, math_eval)
_NUMBERED = re.compile(r"(\D+?)_?(\d{1,4})")  # response_1 and completion2, columns of a wide table
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")  # where a word of a name begins
_OURS = ("id", "prompt", "answer")
_NOT_OF_A_SOLUTION = {*_OURS, "solutions", *PROMPTS, *ANSWERS, *SOLUTIONS, *ONE_SOLUTION, *IDS}
_USUAL = {*_NOT_OF_A_SOLUTION, *STOPS, *VERDICTS}


def own_form(row: Row) -> Row:
    """The row as `{"id", "prompt", "answer", "solutions": [...]}`, as far as it is recognised; our own names win.

    An id of another name is "named": it names a problem, but does not say which rows are one problem's.

    >>> own_form({"doc_id": 3, "doc": {"question": "2+2?"}, "target": "4", "resps": [["4"]], "answer": "5"})
    {'named': '3', 'prompt': '2+2?', 'answer': '5', 'solutions': ['4']}
    """
    row = _in_small_letters(row)
    if not has_solutions(row):
        found = next((found for shape in SHAPES if (found := shape(row)) is not None), None)
        if found is not None:
            ours = {name: row[name] for name in _OURS if row.get(name) is not None and name in found}
            row = found | ours
        else:
            row = _with_numbered(row)
    return plain(row)


def is_usual(name: str) -> bool:
    """Whether a column's name is one that says what it is: a prompt, a gold answer, a solution or a part of one."""
    numbered = _NUMBERED.fullmatch(_small(name))
    return name in _USUAL or _small(name) in _USUAL or bool(numbered and numbered[1] in ONE_SOLUTION)


def _with_numbered(row: Row) -> Row:
    """The row with its columns of one solution each as a list, where they are numbered from 0 or 1.

    Other columns that are numbered alike tell something of each solution, such as its score.

    >>> _with_numbered({"question": "2+2?", "response_1": "4", "response_2": "5", "score_1": 0.9, "score_2": 0.2})
    {'question': '2+2?', 'solutions': ['4', '5'], 'score': [0.9, 0.2]}
    """
    if any(row.get(name) is not None for name in (*SOLUTIONS, *ONE_SOLUTION)):
        return row
    numbered: dict[str, dict[int, str]] = {}
    for column in row:
        if found := _NUMBERED.fullmatch(_small(column)):
            numbered.setdefault(found[1], {})[int(found[2])] = column
    for solution, columns in numbered.items():
        places = sorted(columns)
        in_a_row = len(places) > 1 and places == list(range(places[0], places[0] + len(places))) and places[0] < 2
        if solution in ONE_SOLUTION and in_a_row:
            lists = {"solutions": columns} | {
                name: others
                for name, others in numbered.items()
                if others.keys() == columns.keys() and name not in _NOT_OF_A_SOLUTION and name not in row
            }
            taken = {column for one in lists.values() for column in one.values()}
            rest = {name: value for name, value in row.items() if name not in taken}
            return rest | {name: [row[one[place]] for place in places] for name, one in lists.items()}
    return row


def _small(name: str) -> str:
    return _WORD.sub("_", name.strip()).lower().translate(EQUAL)


def _in_small_letters(row: Row) -> Row:
    """The row with the usual names in small letters: "Question", "Model Response" and "modelResponse" are such too."""
    small = {name: _small(name) for name in row}
    renamed = {name: usual for name, usual in small.items() if usual != name and usual in _USUAL and usual not in row}
    return {renamed.get(name, name): value for name, value in row.items()} if renamed else row
