"""One solution, a text or an object of whatever shape, as an object with "text" (or "steps") and "stop"."""

from typing import Any

from bench.inputs.rows import Row, decoded
from bench.pools.shapes.names import TEXTS, VERDICT_LISTS, VERDICTS
from bench.pools.shapes.stops import with_stop
from bench.pools.shapes.texts import is_of_the_model, is_talk, text_of


def own_solution(fields: Row) -> Row:
    """An object under our names; a null text is one that was not made.

    >>> own_solution({"index": 0, "message": {"role": "assistant", "content": "4"}, "finish_reason": "length"})
    {'index': 0, 'stop': 'length', 'text': '4'}
    """
    fields = with_verdict(with_stop(fields))
    if fields.get("text") is None and fields.get("steps") is None:
        # Of several the first that is no null, else the first, so that a null says that nothing was made.
        found = [name for name in TEXTS if name in fields and _is_wrapped(fields[name])]
        if found:
            name = next((name for name in found if text_of(fields[name]) is not None), found[0])
            fields = {k: v for k, v in fields.items() if k != name} | {"text": text_of(fields[name])}
    elif not isinstance(fields.get("text"), str | None):
        fields = fields | {"text": text_of(fields["text"])}
    return fields


def with_verdict(fields: Row) -> Row:
    """The fields with "correct" from a field of another name that holds verdicts and nothing else."""
    if fields.get("correct") is not None:
        return fields
    lists = [name for name in VERDICT_LISTS if isinstance(fields.get(name), list)]
    name = next((name for name in (*VERDICTS, *lists) if name in fields and _is_verdict(fields[name])), None)
    return fields if name is None else {k: v for k, v in fields.items() if k != name} | {"correct": fields[name]}


def solutions_in(found: object, *, several: bool) -> list[Any] | None:
    """The solutions in a column: each a text, an object or null; None where it holds no solutions.

    `several` says whether its name is that of a list. A talk is one solution, its last answer, unless all of it are
    answers and the name is that of a list; lists of lists are laid out flat.

    >>> solutions_in([["a", "b"]], several=True), solutions_in("['a', None]", several=True)
    (['a', 'b'], ['a', None])
    >>> solutions_in("[1, 2]", several=True), solutions_in([1, 2], several=True)
    (['[1, 2]'], None)
    """
    given = decoded(found)
    if isinstance(found, str) and not (_is_list(given) if several else is_talk(given)):
        return [found]
    if isinstance(given, int | float) and not isinstance(given, bool) and not several:
        return [str(given)]  # a model that was asked for a number alone
    if is_talk(given):
        all_answers = several and all(map(is_of_the_model, given))
        return list(given) if all_answers else [text_of(given)]
    if isinstance(given, dict):
        return [given] if _is_wrapped(given) and given and not _all_lists(given) else None
    if not isinstance(given, list) or not _is_list(given):
        return None
    if given and all(isinstance(part, list) and not is_talk(part) for part in given):
        inner = [solutions_in(part, several=True) for part in given]
        return None if None in inner else [each for part in inner if part for each in part]
    return [text_of(each) if isinstance(each, list) else each for each in given]


def _is_list(given: object) -> bool:
    """Whether it is a list of what solutions may be."""
    return isinstance(given, list) and all(
        isinstance(each, str | None) or is_talk(each) or (isinstance(each, dict | list) and _is_wrapped(each))
        for each in given
    )


def _is_wrapped(found: object) -> bool:
    """Whether a text can be in it."""
    if isinstance(found, list):
        return all(isinstance(each, str | dict | list | None) for each in found)
    return isinstance(found, str | dict | None)


def _all_lists(found: Row) -> bool:
    return all(isinstance(value, list) for value in found.values())


def is_of_lists(found: object) -> bool:
    """Whether it is an object of lists of one length, one object's fields at each place."""
    if not isinstance(found, dict) or not _all_lists(found):
        return False
    return len({len(value) for value in found.values()}) == 1


def _is_verdict(found: object) -> bool:
    if isinstance(found, list):
        return bool(found) and all(_is_verdict(each) or each is None for each in found)
    if isinstance(found, str):
        return found.strip().lower() in ("true", "false")
    return isinstance(found, bool) or (isinstance(found, int | float) and found in (0, 1))
