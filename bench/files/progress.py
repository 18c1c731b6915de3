"""How far work is: a bar in a terminal, and a line now and then where there is none, as in a log."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TextIO

from tqdm import tqdm

_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}"
_EVERY = 30.0  # seconds between lines of a log


class Progress:
    """Counts work done of a `total`, and says how long the rest takes at the pace so far.

    Without a `unit` what is counted is a measure of work that nobody wants to read.

    >>> import io
    >>> said, clock = io.StringIO(), iter([0.0, 60.0])
    >>> with Progress(400, "run", unit="sample", to=said, clock=lambda: next(clock)) as progress:
    ...     progress.now("sampling")
    ...     progress.add(100)
    >>> said.getvalue()
    'run: 25%, 100 of 400 samples in 1 min, 3 min left (sampling)\\n'
    """

    def __init__(
        self,
        total: int,
        name: str,
        *,
        unit: str | None = None,
        shown: bool = True,
        to: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._name, self._unit = total, name, unit
        self._to = sys.stderr if to is None else to
        in_terminal = self._to.isatty()
        self._bar: Any = tqdm(total=total, desc=name, disable=not (shown and in_terminal), bar_format=_BAR)
        self._in_log = shown and not in_terminal
        self._clock, self._done, self._doing = clock, 0, ""
        self._begun = self._said = clock()

    def now(self, doing: str) -> None:
        """Say what is being done from now on."""
        self._doing = doing
        self._bar.set_postfix_str(doing)

    def add(self, count: int) -> None:
        """Count work as done."""
        self._done += count
        self._bar.update(count)
        if not self._in_log or self._done >= self._total:
            return
        now = self._clock()
        if self._done and now - self._said >= _EVERY:
            self._said, so_far = now, now - self._begun
            rest = so_far / self._done * (self._total - self._done)
            doing = f" ({self._doing})" if self._doing else ""
            counted = f", {self._done} of {self._total} {self._unit}s" if self._unit else ""
            print(
                f"{self._name}: {100 * self._done // self._total}%{counted} in {duration(so_far)}, "
                f"{duration(rest)} left{doing}",
                file=self._to,
                flush=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bar.close()


def duration(seconds: float) -> str:
    """A time for a reader.

    >>> duration(42), duration(600), duration(9000), duration(200000)
    ('42 s', '10 min', '2 h 30 min', '2 d 7 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"
