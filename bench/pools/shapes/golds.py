"""The gold answer in what a row holds for it: a text, a number, a list of one, or a whole solution."""

import math
from typing import Any

from bench.inputs.rows import after_hashes
from bench.pools.shapes.texts import decoded
from verifiers.grading.extraction import after_answer_is, boxed

_PROSE = 12  # words: what is longer is no answer but a solution


def gold_of(found: object) -> object:
    r"""The gold answer as a text, None for none; what can be none is given back as it is.

    Of a list it is the first; of a whole solution what stands in its last box, behind its last "####" or behind
    "the answer is", where it has one of them.

    >>> gold_of(204.0), gold_of(["4", "four"]), gold_of("['4']")
    ('204', '4', '4')
    >>> gold_of("We add and get \\boxed{4}."), gold_of("2 + 2\n#### 4"), gold_of("[1, 2]")
    ('4', '4', '[1, 2]')
    """
    found = _first(found)
    if isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found):
        return str(int(found) if found == int(found) else found)
    if not isinstance(found, str):
        return found
    text = after_hashes(found)
    if "####" in found:
        return text or None
    return boxed(text) or (after_answer_is(text) if is_prose(text) else None) or text or None


def golds_in(found: object) -> int:
    """How many gold answers that differ stand there."""
    given = _list(found)
    return 1 if given is None else len(set(map(str, given)))


def is_prose(gold: str) -> bool:
    """Whether a gold answer reads like a whole solution, in which no answer was found."""
    return len(gold.split()) > _PROSE


def _first(found: object) -> object:
    given = _list(found)
    return found if given is None else (_first(given[0]) if given else None)


def _list(found: object) -> list[Any] | None:
    """A list, also one of texts that is written as a text; "[1, 2]" is an answer."""
    given = decoded(found) if isinstance(found, str) and found.strip()[:2] in ("['", '["') else found
    return given if isinstance(given, list) else None
