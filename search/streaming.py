"""Rows that a streaming policy has under way for many searches."""

import time
from collections.abc import Sequence

from policies.policy import Policy, RowStream, Sampling, Until
from search.calls import Calls
from search.requests import Extend
from search.searching import Row, Search
from verifiers.interface.errors import EngineStoppedError
from verifiers.interface.scoring import Spend
from verifiers.interface.solution import failed


class Streamed:
    """A policy's stream, and whose each of its rows is."""

    def __init__(self, stream: RowStream, calls: Calls) -> None:
        self._stream = stream
        self._calls = calls
        self._rows: dict[int, Row] = {}

    def turn(self, asking: Sequence[Search], *, wait: float | None) -> None:
        """Start the rows that searches ask for, take those that have ended, and answer whoever has all.

        Where none has ended it waits for the first, for at most `wait` seconds.
        """
        started = time.perf_counter()
        for search in asking:
            if search.late and search.under_way:
                self.cancel(search)  # and is told so, as it is granted no more
        self._start([s for s in asking if not s.under_way])
        if self._rows:
            paying = [row.search for row in self._rows.values()]
            for number, solution, spend in self._stream.ended(seconds=self._patience(wait)):
                self._rows.pop(number).answer(solution, spend)
            seconds = (time.perf_counter() - started) / len(paying)
            for search in paying:
                search.policy_seconds += seconds
        for search in asking:
            search.settle()

    def _start(self, searches: Sequence[Search]) -> None:
        alike: dict[tuple[Until, Sampling], list[Row]] = {}
        for search in searches:
            assert isinstance(search.request, Extend)
            kind = (search.request.until, search.sampling)
            if granted := search.grant():
                alike.setdefault(kind, []).extend(granted)
        for (until, sampling), rows in alike.items():
            try:
                self._add(rows, until, sampling)
            except EngineStoppedError:
                raise
            except Exception as error:  # noqa: BLE001  (it is raised to whoever waits for these searches)
                for search in dict.fromkeys(row.search for row in rows):
                    self.cancel(search)
                    search.fail(error)

    def _add(self, rows: Sequence[Row], until: Until, sampling: Sampling) -> None:
        problems = [row.search.problem for row in rows]
        prefixes = [row.prefix for row in rows]
        seeds = [row.seed for row in rows]

        def call(i: int, j: int) -> list[None]:
            numbers = self._stream.add(problems[i:j], prefixes[i:j], until=until, sampling=sampling, seeds=seeds[i:j])
            self._rows.update(zip(numbers, rows[i:j], strict=True))
            return [None] * len(numbers)

        def fail(i: int, reason: str) -> None:
            rows[i].answer(failed(reason, rows[i].prefix.steps), Spend(policy_calls=1))

        self._calls.row_by_row(Policy, "policy", call, fail, problems)

    def _patience(self, wait: float | None) -> float | None:
        """How long to wait for a row: until the first deadline, if need be."""
        deadlines = [row.search.deadline for row in self._rows.values() if row.search.deadline is not None]
        if not deadlines:
            return wait
        left = max(0.0, min(deadlines) - time.monotonic())
        return left if wait is None else min(wait, left)

    def cancel(self, search: Search) -> None:
        """Stop a search's rows; each is one that failed, at the cost that it had."""
        numbers = {number: row for number, row in self._rows.items() if row.search is search}
        for number, spend in self._stream.cancel(list(numbers)):
            row = self._rows.pop(number)
            row.answer(failed("it was stopped before its end", row.prefix.steps), spend)

    def close(self) -> None:
        self._rows.clear()
        self._stream.close()
