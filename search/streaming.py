"""Rows that a streaming policy has under way for many searches."""

import contextlib
import time
from collections.abc import Sequence
from functools import partial

from policies.policy import UNKNOWN, RowStream, Sampling, Until
from search.calls import POLICY, guarded, row_by_row
from search.requests import Extend
from search.searching import Row, Search
from verifiers.interface.errors import EngineStoppedError
from verifiers.interface.scoring import Spend
from verifiers.interface.solution import Solution, failed


class Streamed:
    """A policy's stream, and whose each of its rows is."""

    def __init__(self, stream: RowStream) -> None:
        self._stream = stream
        self._rows: dict[int, Row] = {}
        self._of: dict[Search, set[int]] = {}  # the rows of each search that are under way

    def turn(self, asking: Sequence[Search], *, wait: float | None) -> None:
        """Start the rows that searches ask for, take those that have ended, and answer whoever has all.

        Where none has ended it waits for the first, for at most `wait` seconds.
        """
        started = time.perf_counter()
        for search in asking:
            if search.under_way and search.late:
                self.cancel(search)  # and is told so, as it is granted no more
        beginning = [s for s in asking if not (s.over or s.under_way)]
        self._start(beginning)
        answered = dict.fromkeys(beginning)
        if self._rows:
            shares = {search: len(numbers) for search, numbers in self._of.items()}
            for number, solution, spend in self._stream.ended(seconds=self._patience(wait)):
                if (row := self._rows.pop(number, None)) is None:
                    raise ValueError(f"the policy's stream says that row {number} has ended, and it is not under way")
                self._of[row.search].discard(number)
                row.answer(solution, spend)
                answered[row.search] = None
            seconds = (time.perf_counter() - started) / sum(shares.values())
            for search, share in shares.items():
                search.policy_seconds += share * seconds
        for search in answered:
            if not self._of.get(search):
                self._of.pop(search, None)
            elif search.over:  # by an answer that is none
                self.cancel(search)
            search.settle()

    def _start(self, searches: Sequence[Search]) -> None:
        alike: dict[tuple[Until, Sampling], list[Row]] = {}
        for search in searches:
            assert isinstance(search.request, Extend)
            kind = (search.request.until, search.sampling)
            if granted := search.grant():
                alike.setdefault(kind, []).extend(granted)
        for (until, sampling), rows in alike.items():
            starting = list(dict.fromkeys(row.search for row in rows))
            guarded(starting, partial(self._add, rows, until, sampling))
            for search in starting:
                if isinstance(search.error, EngineStoppedError):
                    raise search.error  # to all that wait for the engine

    def _add(self, granted: Sequence[Row], until: Until, sampling: Sampling, searches: Sequence[Search]) -> None:
        asked = set(searches)
        rows = [row for row in granted if row.search in asked]
        added: list[int] = []

        def call(asked: Sequence[Row]) -> list[int | Solution]:
            problems = [row.search.problem for row in asked]
            prefixes = [row.prefix for row in asked]
            seeds = [row.seed for row in asked]
            given = self._stream.add(problems, prefixes, until=until, sampling=sampling, seeds=seeds)
            numbers = [number for number in dict.fromkeys(given) if number not in self._rows]
            added.extend(numbers)
            if len(numbers) == len(asked):  # else it is told, and they are taken back
                for number, row in zip(numbers, asked, strict=True):
                    self._rows[number] = row
                    self._of.setdefault(row.search, set()).add(number)
            return [*numbers]

        def fail(row: Row, reason: str) -> int | Solution:
            return failed(reason, row.prefix.steps)

        try:
            outcomes = row_by_row(POLICY, "policy", call, fail, rows, [row.search for row in rows])
        except Exception:
            self._take_back(added)  # they are asked for again, without those at fault
            raise
        for row, outcome in zip(rows, outcomes, strict=True):
            if outcome is None:
                row.drop()
            elif isinstance(outcome, Solution):
                row.answer(outcome, Spend(policy_calls=1))

    def _take_back(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            if (row := self._rows.pop(number, None)) is not None:
                self._of[row.search].discard(number)
        with contextlib.suppress(Exception):  # what went wrong first is told
            self._stream.cancel(numbers)

    def _patience(self, wait: float | None) -> float | None:
        """How long to wait for a row: until the first deadline, if need be."""
        deadlines = [search.deadline for search in self._of if search.deadline is not None]
        if not deadlines:
            return wait
        left = max(0.0, min(deadlines) - time.monotonic())
        return left if wait is None else min(wait, left)

    def cancel(self, search: Search) -> None:
        """Stop a search's rows; each is one that failed, at the cost that it had, as far as the policy tells."""
        rows = {number: self._rows.pop(number) for number in self._of.pop(search, ())}
        spent: dict[int, Spend] = {}
        try:
            spent = dict(self._stream.cancel(list(rows)))
        finally:  # whatever the policy makes of it, the search has these rows no more
            for number, row in rows.items():
                row.answer(failed("it was stopped before its end", row.prefix.steps), spent.get(number, UNKNOWN))

    def close(self) -> None:
        """Stop all rows."""
        self._rows.clear()
        self._of.clear()
        self._stream.close()
