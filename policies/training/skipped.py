"""What is not learnt from: rows that cannot be trained on are left out with a warning, never cut to size."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")
_NAMED = 5


class SkippedRowsWarning(UserWarning):
    """Some rows are not trained on; the text counts them and says why."""


class NothingLearntWarning(UserWarning):
    """A training goes on and on, or begins, without anything to learn from."""


def warn_of_skipped(
    skipped: Mapping[str, Sequence[str]], total: int, *, what: str = "rows", stacklevel: int = 5
) -> None:
    """Warn of what was left out, by reason, with the ids of the problems.

    Raises ValueError where nothing is left to train on.
    """
    count = sum(map(len, skipped.values()))
    parts = "; ".join(f"{len(ids)} {reason} ({_named(ids)})" for reason, ids in skipped.items() if ids)
    if count >= total:
        raise ValueError(f"none of the {total} {what} can be trained on: {parts or 'there are none'}")
    if count:
        warnings.warn(
            f"{count} of {total} {what} are not trained on: {parts}", SkippedRowsWarning, stacklevel=stacklevel
        )


def _named(ids: Sequence[str]) -> str:
    counts = Counter(ids)
    shown = [repr(name) + (f" x{n}" if n > 1 else "") for name, n in list(counts.items())[:_NAMED]]
    more = f" and {len(counts) - _NAMED} more" if len(counts) > _NAMED else ""
    return f"problem{'s' if len(counts) > 1 else ''} {', '.join(shown)}{more}"
