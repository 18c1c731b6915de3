"""The reference shows docstrings as they are written: examples as code, and a field's comment as what it is."""

import re
from typing import Any

import griffe


class AsWritten(griffe.Extension):
    """Fences `>>>` examples; takes the comment behind a field as its docstring."""

    def on_instance(self, *, obj: Any, **_: Any) -> None:
        if obj.is_alias:
            return
        if obj.docstring:
            obj.docstring.value = fenced(obj.docstring.value)
        elif obj.is_attribute and obj.parent.is_class and obj.lineno:
            line = obj.filepath.read_text(encoding="utf-8").splitlines()[obj.endlineno - 1]
            if comment := re.search(r"  # (?!noqa|type:)(.+)$", line):
                obj.docstring = griffe.Docstring(comment[1][:1].upper() + comment[1][1:] + ".", parent=obj)


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
