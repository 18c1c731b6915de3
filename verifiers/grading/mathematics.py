"""Answers of mathematics: read whole, and compared by how they are written or else by algebra."""

from collections.abc import Sequence

from verifiers.grading.equivalence import EquivalencePool, default_pool
from verifiers.grading.extraction import (
    after_answer_is,
    after_hashes,
    boxed,
    first_of,
    in_json,
    in_tags,
    last_option,
    last_word,
    lone_option,
)
from verifiers.grading.final_text import final
from verifiers.grading.last_value import last_value
from verifiers.grading.notation.deciding import settle
from verifiers.grading.notation.numerals import canonical

__all__ = ["STATED", "WEAK", "canonical", "equal", "extract"]

STATED = first_of(in_tags, in_json, lone_option, after_answer_is)
WEAK = first_of(last_value, last_option)

extract = final(first_of(boxed, after_hashes, STATED, last_word, WEAK))


def equal(pairs: Sequence[tuple[str, str]], *, pool: EquivalencePool | None = None) -> list[bool | None]:
    """Whether each answer is its gold; what the notation does not settle is asked of the pool."""
    settled = [settle(answer, gold) for answer, gold in pairs]
    open_pairs = [pair for verdict in settled if not isinstance(verdict, bool) for pair in verdict]
    found = iter((pool or default_pool()).equal(open_pairs) if open_pairs else [])
    return [verdict if isinstance(verdict, bool) else _all([next(found) for _ in verdict]) for verdict in settled]


def _all(verdicts: Sequence[bool | None]) -> bool | None:
    """Whether all are true: one that is false decides, and then one that is unknown."""
    return False if False in verdicts else None if None in verdicts else True
