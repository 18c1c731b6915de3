"""The reference shows docstrings as they are written: examples as code, and a field's comment as what it is."""

import re
from typing import Any

import griffe


class AsWritten(griffe.Extension):
    """Fences `>>>` examples; an attribute without a docstring has the comment behind it, or the one above it."""

    def on_instance(self, *, obj: Any, **_: Any) -> None:
        if obj.is_alias:
            return
        if obj.docstring:
            obj.docstring.value = fenced(obj.docstring.value)
        elif obj.is_attribute and obj.lineno:
            lines = obj.filepath.read_text(encoding="utf-8").splitlines()
            if comment := comment_of(lines, obj.lineno - 1, obj.endlineno - 1):
                obj.docstring = griffe.Docstring(comment, parent=obj)


def comment_of(lines: list[str], first: int, last: int) -> str | None:
    """What is said of a statement behind its last line, or above it.

    >>> comment_of(["# One of", "# these.", "NAMES = 1", "seed: int = 0  # of a run"], 2, 2)
    'One of these.'
    >>> comment_of(["seed: int = 0  # of a run"], 0, 0)
    'Of a run.'
    """
    if behind := re.search(r"  # (?!noqa|type:)(.+)$", lines[last]):
        return behind[1][:1].upper() + behind[1][1:] + "."
    above = []
    while first > 0 and lines[first - 1].startswith("# "):
        first -= 1
        above.insert(0, lines[first][2:])
    return " ".join(above) or None


def fenced(text: str) -> str:
    """A doctest ends at the next blank line.

    >>> print(fenced("Adds.\\n\\n>>> 1 + 1\\n2\\n\\nRaises nothing."))
    Adds.
    <BLANKLINE>
    ```pycon
    >>> 1 + 1
    2
    ```
    <BLANKLINE>
    Raises nothing.
    """
    return re.sub(r"(?m)^>>> (?:.+\n?)+", lambda found: f"```pycon\n{found[0].rstrip()}\n```\n", text).rstrip()
