"""Reading a person's JSON-lines files, with errors that name the row."""

import ast
import gzip
import json
import math
import sys
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from verifiers.interface.errors import BadArgument, BadInput
from verifiers.interface.files import Row as Row
from verifiers.interface.solution import Message

_LONGEST = 64 << 20  # bytes of a line: a longer one is refused before it is read whole


def read_rows(path: Path, *, if_torn: str = "remove it") -> Iterator[tuple[str, Row]]:
    """Pairs of (where, row) from a `.jsonl` or `.jsonl.gz` file; `where` is "FILE:LINE" for error messages.

    Raises BadInput for a missing or unreadable file, a line that is not JSON (a torn last line too; `if_torn` says
    what to do about it) or over 64 MiB, and a line that is not an object.
    """
    for where, line in _lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except UnicodeDecodeError as error:
            raise BadInput(f"{where}: not UTF-8 (byte {error.start} of the line); convert the file to UTF-8") from None
        except (ValueError, RecursionError) as error:
            if "set_int_max_str_digits" in str(error):
                raise BadInput(
                    f"{where}: a whole number of over {sys.get_int_max_str_digits()} digits; quote it"
                ) from None
            todo = "mend or remove the line" if line.endswith(b"\n") else f"the last line is torn; {if_torn}"
            raise BadInput(f"{where}: not JSON ({error}); {todo}") from None
        if not isinstance(row, dict):
            raise BadInput(f'{where}: a {type(row).__name__} where an object such as {{"prompt": ...}} was expected')
        yield where, row


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    if not path.is_file():
        raise BadInput(f"{path}: no such file")
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb") as file:
            number = 1
            while line := file.readline(_LONGEST + 1):
                where = f"{path}:{number}"
                if len(line) > _LONGEST:
                    raise BadInput(
                        f"{where}: this line has over {_LONGEST >> 20} MiB; give its solutions in several rows with "
                        "the same id"
                    )
                yield where, line
                number += 1
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path}: cannot be read ({error}); is it a complete file?") from None


def text_field(where: str, row: Row, names: tuple[str, ...]) -> str:
    """The first of the named fields that the row has; raises BadInput where it has none, or not as text."""
    for name in names:
        if name in row:
            if not isinstance(row[name], str):
                raise BadInput(f"{where}: {name!r} is a {type(row[name]).__name__}; text was expected")
            return check_text(where, repr(name), row[name])
    wanted = " or ".join(map(repr, names))
    raise BadInput(f"{where}: no {wanted} in this row; it has {', '.join(map(repr, row)) or 'nothing'}")


def prompt_field(where: str, row: Row, names: tuple[str, ...]) -> str | tuple[Message, ...]:
    """A prompt in the first of the named fields that the row has, a text or messages; BadInput for another thing."""
    name = next((name for name in names if name in row), names[0])
    found = row.get(name)
    if not isinstance(found, list):
        return text_field(where, row, names)
    if not found or not all(isinstance(turn, dict) and "role" in turn and "content" in turn for turn in found):
        raise BadInput(f"{where}: {name!r} is a list, but not of messages with 'role' and 'content'")
    turns = [(text_field(where, turn, ("role",)), text_field(where, turn, ("content",))) for turn in found]
    if not all(role for role, _ in turns):
        raise BadInput(f"{where}: {name!r} has a message with an empty 'role'; write one, such as 'user'")
    return tuple(Message(*turn) for turn in turns)


def value_at(row: Any, path: str) -> Any:
    """What stands in a row under a name, or at a path such as `doc.answer` or `golds.0`; None for nothing.

    >>> value_at({"a.b": 1}, "a.b"), value_at({"doc": {"golds": ["4"]}}, "doc.golds.0"), value_at({"doc": 1}, "doc.a")
    (1, '4', None)
    """
    if isinstance(row, dict) and path in row:
        return row[path]
    first, dot, rest = path.partition(".")
    if isinstance(row, list) and first.isdecimal() and int(first) < len(row):
        inner = row[int(first)]
    elif isinstance(row, dict) and dot:
        inner = row.get(first)
    else:
        return None
    return value_at(inner, rest) if dot else inner


def without(row: Any, path: str) -> Any:
    """A row without what `value_at` finds in it; null takes its place in a list, and what it leaves empty goes too.

    >>> without({"a.b": 1, "c": 2}, "a.b"), without({"doc": {"gold": 4, "level": 1}}, "doc.gold")
    ({'c': 2}, {'doc': {'level': 1}})
    >>> without({"golds": [4, 5], "doc": {"gold": 4}}, "doc.gold"), without({"golds": [4, 5]}, "golds.0")
    ({'golds': [4, 5]}, {'golds': [None, 5]})
    """
    first, dot, rest = path.partition(".")
    if isinstance(row, dict) and path in row:
        return {name: value for name, value in row.items() if name != path}
    if value_at(row, path) is None:
        return row
    if isinstance(row, list):
        inner = without(row[int(first)], rest) if dot else None
        return [*row[: int(first)], inner, *row[int(first) + 1 :]]
    inner = without(row[first], rest)
    return {name: inner if name == first else value for name, value in row.items() if name != first or inner}


def as_json(value: Any) -> Any:
    r"""A value as JSON has it; what it has not as a text, and null for no number.

    >>> as_json({1: [float("inf"), {2}], "\ud800": "\ud801"})
    {'1': [None, '{2}'], '?': '?'}
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {_in_utf8(key): as_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(inner) for inner in value]
    known = value is None or isinstance(value, int | float)
    return value if known else _in_utf8(value)


def _in_utf8(value: Any) -> str:
    """A value as a text that UTF-8 can hold: without half characters."""
    return str(value).encode("utf-8", "replace").decode()


def decoded(found: object) -> Any:
    r"""What a text holds that is a list or an object written down, as JSON or as Python shows it; else what was given.

    >>> decoded('["a", "b"]'), decoded("['a']"), decoded("[1, x"), decoded(7)
    (['a', 'b'], ['a'], '[1, x', 7)
    """
    if not isinstance(found, str) or (text := found.strip())[:1] + text[-1:] not in ("[]", "{}"):
        return found
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        with warnings.catch_warnings():  # of backslashes, in a text that is none of Python's
            warnings.simplefilter("ignore")
            given = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return found
    return given if isinstance(given, list | dict) else found


def check_text(where: str, name: str, text: str) -> str:
    r"""The text; raises BadInput for half a character, which JSON can hold ("\ud800") and no file of ours can."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(
            f"{where}: {name} holds a lone surrogate at character {error.start}; remove it or write U+FFFD in its place"
        ) from None
    return text


def after_hashes(answer: str) -> str:
    r"""The gold answer in a text of GSM8K's form; of other texts the whole, stripped.

    >>> after_hashes("2 + 2 = 4\n#### 4"), after_hashes(" 4 ")
    ('4', '4')
    """
    return answer.rpartition("####")[2].strip()


def unique_id(where: str, row: Row, default: str, seen: dict[str, str]) -> str:
    """The row's "id", or `default` where it has none; raises BadInput where an earlier row has it."""
    given = id_in(where, row)
    name = default if given is None else given
    if name in seen:
        raise BadInput(f"{where}: id {name!r} was used by {seen[name]}; ids must be unique")
    seen[name] = where
    return name


def id_in(where: str, row: Row) -> str | None:
    """The row's "id" as a text, None where it has none; raises BadInput for what is no text and no number."""
    given = row.get("id")
    if isinstance(given, bool | list | dict) or given != given:  # NaN
        raise BadInput(f"{where}: 'id' is {json.dumps(given, default=str)[:40]}; a text or a number was expected")
    return None if given is None else check_text(where, "'id'", str(given))


def real_path(path: str | Path) -> Path:
    """Where a path leads; raises BadInput for a link that leads to itself."""
    try:
        return Path(path).resolve()
    except (OSError, RuntimeError):  # by Python's version
        raise BadInput(f"{path}: a link that leads to itself; remove it") from None


def check_limit(limit: int | None) -> None:
    """Raise BadArgument for a limit that leaves nothing, and for one that nothing could reach."""
    if limit is not None and not 1 <= limit <= sys.maxsize:
        raise BadArgument("limit", limit, "it must be 1 or more" if limit < 1 else "it is too large; leave it out")
