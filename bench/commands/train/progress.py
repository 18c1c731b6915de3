"""Who is told of a training as it goes: a tracker, and a log that has no bar."""

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

from bench.commands.options import tracker_in
from policies.training.hooks import OnMetrics, told
from policies.training.skipped import NothingLearntWarning, SkippedRowsWarning

_NOTES = (SkippedRowsWarning, NothingLearntWarning)
_EVERY = 30.0  # seconds between lines of a log


@contextmanager
def told_in(options: argparse.Namespace, config: Any, *, name: str) -> Iterator[OnMetrics]:
    """What tells the tracker of `--report-to`, where one is given, and a log now and then how far the training is."""
    say = said_in_log(f"train {name}", options.steps)
    with tracker_in(options, config, name=name) as tracker:

        def tell(row: Mapping[str, Any]) -> None:
            nonlocal tracker
            say(row)
            if tracker is not None:
                tracker = told(tracker, [row])

        yield tell


def said_in_log(
    name: str, steps: int | None, *, to: TextIO | None = None, clock: Callable[[], float] = time.monotonic
) -> OnMetrics:
    r"""What prints a row's step where no line was printed for half a minute; nothing in a terminal, which has a bar.

    >>> import io
    >>> said, clock = io.StringIO(), iter([0.0, 10.0, 60.0])
    >>> tell = said_in_log("train prm", 200, to=said, clock=lambda: next(clock))
    >>> for step in (10, 20):
    ...     tell({"step": step, "loss": 0.6931})
    >>> said.getvalue()
    'train prm: step 20 of 200 after 1 min, loss 0.6931\n'
    """
    from bench.files.progress import duration  # help is quick without it

    to = sys.stderr if to is None else to
    begun = said = clock()

    def tell(row: Mapping[str, Any]) -> None:
        nonlocal said
        if to.isatty() or (now := clock()) - said < _EVERY:
            return
        said = now
        numbers = [f", {key} {row[key]:.4f}" for key in ("reward", "loss") if row.get(key) is not None][:1]
        of = f" of {steps}" if steps else ""
        print(f"{name}: step {row['step']}{of} after {duration(now - begun)}{''.join(numbers)}", file=to, flush=True)

    return tell


@contextmanager
def notes() -> Iterator[None]:
    """Print at once, as a note, what is left out and what teaches nothing; other warnings go their way."""
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, _NOTES):
            print(f"- {message}", flush=True)
        else:
            usual(message, category, *place, **more)

    with warnings.catch_warnings():
        for category in _NOTES:
            warnings.simplefilter("always", category)
        warnings.showwarning = show
        yield
