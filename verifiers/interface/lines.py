"""A row of a file as a line of JSON, and back: plain, or sealed with a checksum at its end."""

import json
import zlib
from collections.abc import Mapping
from typing import Any

Row = dict[str, Any]

_DECODER = json.JSONDecoder()
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_SEAL = b', "crc": '


def json_object(text: bytes) -> Row:
    r"""The object that a JSON text holds; ValueError where it is none, or holds what no file of ours can.

    >>> json_object(rb'{"half a character": "\ud800"}')
    Traceback (most recent call last):
    ValueError: a lone surrogate
    """
    try:
        line = text.decode().strip(" \t\n\r")
        found, end = _DECODER.raw_decode(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if end < len(line):
        raise ValueError("more than an object")
    if not isinstance(found, dict):
        raise ValueError("not an object")
    if b"\\u" in text:
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("a lone surrogate") from None
    return found


def json_line(row: Mapping[str, Any]) -> str:
    """One row as a line of strict JSON; what is not a number must come as None."""
    return _ENCODER.encode(row) + "\n"


def sealed_line(line: str) -> str:
    """A line that holds an object, with its checksum at the end."""
    body = line.removesuffix("}\n")
    return f"{body}{_SEAL.decode()}{zlib.crc32(body.encode())}}}\n"


def read_line(line: bytes, *, sealed: bool = False) -> Row:
    """The row of a line; ValueError where it is none, or not as it was sealed."""
    line = line.removesuffix(b"\n")
    if not sealed:
        return json_object(line)
    body, seal, crc = line.rpartition(_SEAL)
    if not seal and json_object(line):
        raise ValueError("it has no checksum: an earlier version wrote it, or something else")
    if crc != b"%d}" % zlib.crc32(body):
        raise ValueError("not as it was written")
    return json_object(body + b"}")
