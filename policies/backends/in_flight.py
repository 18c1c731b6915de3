"""Rows that wait for others' answers beside each other, on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias, TypeVar

from policies.checks import Call
from policies.policy import UNKNOWN, Sampling, Until
from verifiers.interface.errors import BadInput, EngineStoppedError, is_a_rows
from verifiers.interface.scoring import Spend
from verifiers.interface.solution import Problem, Solution, failed

T = TypeVar("T")
Answer: TypeAlias = tuple[Solution, Spend]
Row: TypeAlias = Coroutine[Any, Any, Answer]


class Loop:
    """An event loop in a thread, which ends with `close`, or with the object or the program that it belongs to.

    `at_end` lists what is then awaited on it, and must not name that object.
    """

    def __init__(self) -> None:
        self.at_end: list[Callable[[], Awaitable[None]]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="stepbeam requests", daemon=True)
        self._thread.start()
        self._stop = weakref.finalize(self, _stop, self._loop, self._thread, self.at_end)

    def start(self, work: Sequence[Coroutine[Any, Any, T]]) -> list[Future[T]]:
        """Begin some work on the loop. Raises EngineStoppedError where the loop was closed."""
        if not self._stop.alive:
            for one in work:
                one.close()
            raise EngineStoppedError("the policy was closed: make it again")
        return [asyncio.run_coroutine_threadsafe(one, self._loop) for one in work]

    def run(self, *work: Coroutine[Any, Any, T]) -> list[T]:
        """What all of the work comes to; where one raises or the program is interrupted, the others are stopped."""
        futures = self.start(work)
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def close(self) -> None:
        """Stop all work; a second call does nothing."""
        self._stop()


def _stop(
    loop: asyncio.AbstractEventLoop, thread: threading.Thread, at_end: Sequence[Callable[[], Awaitable[None]]]
) -> None:
    async def end() -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for close in at_end:
            await close()

    if thread is threading.current_thread():  # the last reference went with a row of its own
        loop.stop()
        return
    asyncio.run_coroutine_threadsafe(end(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


class NumberedRows(ABC):
    """Rows that are known by their numbers, counted from 0: what starting them is to any `policies.RowStream`."""

    _count = 0

    def add(
        self,
        problems: Sequence[Problem],
        prefixes: Sequence[Solution],
        *,
        until: Until,
        sampling: Sampling,
        seeds: Sequence[int],
    ) -> list[int]:
        """Start a row each; their numbers."""
        call = Call(problems, prefixes, until, sampling, seeds)
        numbers = range(self._count, self._count + len(call))
        self._begin(call, numbers)
        self._count = numbers.stop
        return list(numbers)

    @abstractmethod
    def _begin(self, call: Call, numbers: range) -> None:
        """Start the rows of a call; where that raises, none is started."""


class RowsInFlight(NumberedRows):
    """Rows as `policies.policy.RowStream` has them, of one thread.

    `work` makes what each is to do on the loop; `lost` says why no row can be answered, if so.

    A row that fails is an answer as well. Where every row has ended and `lost` says why none will ever be answered,
    `ended` raises that as an EngineStoppedError: a server that is not there fails a search, and not each of its rows.
    """

    def __init__(self, loop: Loop, work: Callable[[Call], list[Row]], lost: Callable[[], str | None]) -> None:
        self._loop, self._work, self._lost = loop, work, lost
        self._futures: dict[int, Future[Answer]] = {}
        self._done: SimpleQueue[int] = SimpleQueue()

    def _begin(self, call: Call, numbers: range) -> None:
        for number, future in zip(numbers, self._loop.start(self._work(call)), strict=True):
            self._futures[number] = future
            future.add_done_callback(partial(self._note, number))

    def _note(self, number: int, _: Future[Answer]) -> None:
        self._done.put(number)

    def ended(self, *, seconds: float | None = None) -> list[tuple[int, Solution, Spend]]:
        """The rows that have ended since the last call; where none has, wait for the first, at most so long."""
        until = None if seconds is None else time.monotonic() + seconds
        answers: list[tuple[int, Solution, Spend]] = []
        while self._futures or not self._done.empty():
            try:
                left = None if until is None else max(0.0, until - time.monotonic())
                number = self._done.get_nowait() if answers else self._done.get(timeout=left)
            except Empty:
                break
            if (future := self._futures.pop(number, None)) is not None:  # else it was cancelled
                answers.append((number, *_answer(future)))
        if answers and not self._futures and (why := self._lost()) is not None:
            raise EngineStoppedError(why)
        return answers

    def cancel(self, rows: Sequence[int]) -> list[tuple[int, Spend]]:
        """Stop rows, whose requests are closed; what those had spent that had ended, NaN of the others."""
        futures = [(number, self._futures.pop(number)) for number in rows if number in self._futures]
        return [(number, UNKNOWN if future.cancel() else _cost(future)) for number, future in futures]

    def close(self) -> None:
        """Stop every row that is still in flight."""
        self.cancel(list(self._futures))


def _answer(future: Future[Answer]) -> Answer:
    """What a row came to; a fault of ours is its reason."""
    try:
        return future.result()
    except CancelledError:
        raise EngineStoppedError("the policy was closed while rows were under way: make it again") from None
    except Exception as error:  # one row's, which leaves the others alone
        if isinstance(error, BadInput) or not is_a_rows(error):
            raise
        return failed(f"{type(error).__name__}: {error}"), UNKNOWN


def _cost(future: Future[Answer]) -> Spend:
    """What a row cost that has ended, if it came to an answer."""
    return UNKNOWN if future.cancelled() or future.exception() else future.result()[1]
