"""Problems from the rows of a file: which fields are prompt and answer, and what becomes of the others."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping

from bench.inputs.rows import Row, as_json, prompt_field, text_field, unique_id, value_at, without
from bench.tasks.choices import asked, with_letters
from verifiers.interface.errors import BadArgument, BadInput
from verifiers.interface.solution import Problem

COLUMNS = ("id", "prompt", "answer", "solution")
_PROMPTS = ("prompt", "messages", "question", "problem")
_SOLUTION = "solution"


def check_columns(columns: Mapping[str, str]) -> None:
    """Raise BadArgument for a name that is none of ours."""
    for ours, theirs in columns.items():
        if ours not in COLUMNS:
            raise BadArgument("columns", f"{ours}={theirs}", f"of a task's file use {', '.join(COLUMNS)}")


def problems_of(
    rows: Iterable[tuple[str, Row]],
    name: str,
    prompts: tuple[str, ...],
    columns: Mapping[str, str],
    gold: Callable[[str], str] = str.strip,
    *,
    or_ours: bool = False,
) -> Iterator[tuple[Problem, str]]:
    """A problem of each row, and the text that solves it: its solution, or else all of its answer.

    `prompts` are the fields where a prompt is looked for first, `gold` takes the gold answer out of one. A question of
    multiple choice is asked with its options, and its gold answer is a letter. What a row has beside is kept in the
    problem's `fields`. A row that lacks one of `columns` may have our own name for it with `or_ours`. Raises BadInput,
    with the row's place, for one that has no prompt or answer, or an id used before.
    """
    seen: dict[str, str] = {}

    def named() -> Iterator[tuple[tuple[str, Row], Row]]:
        for where, given in rows:
            theirs = {ours: path for ours, path in columns.items() if not or_ours or value_at(given, path) is not None}
            yield (where, given), _named(where, given, theirs)

    for number, ((where, given), row, letter) in enumerate(with_letters(named())):
        found = next((field for field in (*prompts, *_PROMPTS) if field in row), None)
        if found is None:
            wanted = " or ".join(map(repr, prompts))
            raise BadInput(f"{where}: no {wanted} in this row; it has {_names(given)}{_hint(given, 'prompt')}")
        prompt = prompt_field(where, row, (found,))
        if not prompt:
            raise BadInput(f"{where}: the prompt is empty; give it, or remove the row")
        if letter is not None:
            prompt = asked(prompt, row)
        answer = letter or _answer(where, row)
        if not (right := gold(answer)).strip():
            raise BadInput(f"{where}: 'answer' holds no gold answer to grade by; give one, or remove the row")
        solution = text_field(where, row, (_SOLUTION,)) if isinstance(row.get(_SOLUTION), str) else answer
        kept = {key: as_json(value) for key, value in row.items() if key not in ("id", found, "answer")}
        yield Problem(unique_id(where, row, f"{name}-{number:05d}", seen), prompt, right, fields=kept), solution


def _named(where: str, given: Row, columns: Mapping[str, str]) -> Row:
    """A row under our names, with what it has beside."""
    taken = {ours: value_at(given, theirs) for ours, theirs in columns.items()}
    for ours, theirs in columns.items():
        if taken[ours] is None:
            raise BadArgument(
                "columns", f"{ours}={theirs}", f"{where}: no {theirs!r} in this row; it has {_names(given)}"
            )
    rest: Row = given
    for theirs in columns.values():
        rest = without(rest, theirs)
    return taken | {name: value for name, value in rest.items() if name not in taken}


def _answer(where: str, row: Row) -> str:
    """The gold answer, a text or a number."""
    found = row.get("answer")
    if isinstance(found, list) and len(found) == 1:
        [found] = found
    if "answer" not in row:
        raise BadInput(f"{where}: no 'answer' in this row; it has {_names(row)}{_hint(row, 'answer')}")
    if found is None:
        return ""
    if isinstance(found, float) and math.isfinite(found) and found == int(found):
        found = int(found)
    if isinstance(found, int | float) and not isinstance(found, bool) and found == found and abs(found) != math.inf:
        return str(found)
    return text_field(where, {"answer": found}, ("answer",))


def _names(row: Row) -> str:
    return ", ".join(map(repr, row)) or "nothing"


def _hint(row: Row, ours: str) -> str:
    """What `--columns` could be, of a row that lacks a column of ours."""
    kinds: tuple[type, ...] = (str, list) if ours == "prompt" else (str, int, float)
    others = [name for name, value in row.items() if name not in (*COLUMNS, *_PROMPTS) and isinstance(value, kinds)]
    return f"; if that is {others[0]!r}, give --columns {ours}={others[0]}" if others else ""
