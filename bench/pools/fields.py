"""What stands in single fields of rows under our own names: prompts, gold answers, verdicts, solutions."""

from collections.abc import Sequence

from bench.inputs.rows import Row, after_hashes, check_text, prompt_field, text_field
from bench.pools.shapes.golds import golds_of
from bench.pools.shapes.stops import stop_of
from verifiers.interface.errors import BadInput
from verifiers.interface.solution import Message, Solution, Step, Stop, split_steps

_TRUTHS = {"true": True, "false": False, "1": True, "0": False, "": None}
_STOPS = (*Stop, "stop", "max_tokens", "abort", "error", "content_filter", "tool_calls")  # those that a message names
NOT_MADE = "no text was recorded"  # the reason of a solution that is null


def prompt_in(where: str, row: Row) -> str | tuple[Message, ...]:
    """The prompt, a text or messages."""
    return prompt_field(where, row, ("prompt",))


def golds_in(where: str, row: Row, *, of_a_run: bool) -> tuple[str, ...]:
    """The gold answers as texts; a run's is as its task read it."""
    given = row.get("answer")
    found = [given] if of_a_run and given is not None else golds_of(given)
    for gold in found:
        if isinstance(gold, dict):
            inner = next((key for key, value in gold.items() if isinstance(value, str | int | float)), None)
            hint = f"; try --columns answer=answer.{inner}" if inner else ""
            raise BadInput(f"{where}: 'answer' is an object of {', '.join(map(repr, gold))}; text was expected{hint}")
    return tuple(after_hashes(text_field(where, {"answer": gold}, ("answer",))) for gold in found)


def is_other(found: object, golds: Sequence[str]) -> bool:
    """Whether a column of another name holds gold answers, and none of these."""
    others = golds_of(found)
    return bool(others) and not any(gold in golds for gold in others)


def verdict_in(where: str, found: object) -> bool | None:
    """What a file says of right and wrong, None for nothing."""
    if found is None or isinstance(found, bool):
        return found
    if isinstance(found, str) and found.strip().lower() in _TRUTHS:  # as in CSV
        return _TRUTHS[found.strip().lower()]
    if isinstance(found, int | float) and found in (0, 1):
        return bool(found)
    raise BadInput(f"{where}: 'correct' is {found!r}; use true, false, 1, 0, or null where it is not known")


def solution_in(where: str, fields: Row) -> Solution:
    """A solution, finished where nothing is said; one of which nothing was made has failed, or was cut."""
    stop, found, text = _read(where, fields)
    if text is None:
        # Nothing was made, or a cut came before any text, as where thinking used up all tokens.
        reason = f"recorded as {found}" if stop is Stop.FAILED else NOT_MADE
        return Solution((), stop) if stop is Stop.LENGTH else Solution((), Stop.FAILED, reason)
    steps = split_steps(text) if isinstance(text, str) else tuple(map(Step, text))
    return Solution(steps, stop, f"recorded as {found}" if stop is Stop.FAILED else None)


def check_solution(where: str, fields: Row) -> None:
    """Raise BadInput for what `solution_in` would, in less time."""
    _read(where, fields)


def _read(where: str, fields: Row) -> tuple[Stop, str, str | list[str] | None]:
    """Where a solution stops, the word for it, and its text or its steps; None where nothing was made."""
    found = "eos" if fields.get("stop") in (None, "") else fields["stop"]
    stop = stop_of(found) if isinstance(found, str) else None
    if stop is None:
        raise BadInput(f"{where}: stop is {found!r}; use one of {', '.join(_STOPS)}, or null for eos")
    if fields.get("text") is None and fields.get("steps") is None and fields.keys() & {"text", "steps"}:
        return stop, found, None
    return stop, found, _text_or_steps(where, fields)


def _text_or_steps(where: str, entry: Row) -> str | list[str]:
    steps = entry.get("steps")
    if steps is None:
        return text_field(where, entry, ("text", "steps"))
    if not isinstance(steps, list) or not all(isinstance(step, str) for step in steps):
        raise BadInput(f"{where}: 'steps' must be a list of texts")
    if entry.get("text") is not None and "".join(steps) != text_field(where, entry, ("text",)):
        raise BadInput(
            f"{where}: 'text' is not its 'steps' joined; leave one of them out, or end each step with its separator"
        )
    return [check_text(where, "'steps'", step) for step in steps]
