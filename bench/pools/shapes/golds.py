"""The gold answers in what a row holds for them: a text, a number, a list of those of which any counts, a solution."""

import math
from typing import Any

from bench.inputs.rows import after_hashes, decoded
from verifiers.grading.extraction import after_answer_is, boxed

_PROSE, _SENTENCE = 12, 6  # words: what is longer, or ends in a full stop, is no answer but a solution
_INSIDE = ("value", "text", "answer", "target", "ground_truth", "gold", "answers", "aliases")  # of an object


def golds_of(found: object) -> list[Any]:
    r"""The gold answers as texts, none twice; what can be none is given back as it is.

    Evaluations count any of several (Inspect's targets, lighteval's choices, the answers of question answering). Of a
    whole solution it is what stands in its last box, behind its last "####" or behind "the answer is".

    >>> golds_of(204.0), golds_of(["4", "four"]), golds_of("['4']"), golds_of({"value": "4", "aliases": ["four", "4"]})
    (['204'], ['4', 'four'], ['4'], ['4', 'four'])
    >>> golds_of("We add and get \\boxed{4}."), golds_of("2 + 2\n#### 4"), golds_of("[1, 2]")
    (['4'], ['4'], ['[1, 2]'])
    """
    if isinstance(found, str):
        given = decoded(found) if found.strip()[:2] in ("['", '["', "{'", '{"') else found  # "[1, 2]" is an answer
        if isinstance(given, str):
            return [text] if (text := _text(given)) else []
        found = given
    parts: list[object] = []
    if isinstance(found, list):
        parts = found
    elif isinstance(found, dict) and (names := [name for name in _INSIDE if name in found]):
        parts = [found[name] for name in names]
    elif isinstance(found, int | float) and not isinstance(found, bool):
        return [_number(found)]
    else:
        return [] if found is None else [found]
    golds: list[Any] = []
    for gold in (gold for part in parts for gold in golds_of(part)):
        if gold not in golds:
            golds.append(gold)
    return golds


def is_prose(gold: str) -> bool:
    """Whether a gold answer reads like a whole solution, in which no answer was found."""
    words = len(gold.split())
    return words > _PROSE or (words > _SENTENCE and gold.rstrip().endswith("."))


def _text(found: str) -> str:
    text = after_hashes(found)
    return text if "####" in found else boxed(text) or after_answer_is(text) or text


def _number(found: float) -> object:
    if isinstance(found, int):
        return str(found)
    return str(int(found) if found == int(found) else found) if math.isfinite(found) else found
