"""Rows under way in vLLM's engine, each given out when it ends."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from policies.backends.drawn_row import DrawnRow
from policies.backends.in_flight import NumberedRows
from policies.backends.vllm_engine import Reply, reply_of
from policies.checks import Call
from policies.models.prompts import Continuation
from verifiers.interface.scoring import Spend
from verifiers.interface.solution import Solution, failed

if TYPE_CHECKING:
    from policies.backends.vllm import VLLM


@dataclass(frozen=True, slots=True)
class _UnderWay:
    number: int
    prefix: Solution
    drawn: DrawnRow


# A row's number; its solution, or what that is to be made of; and its cost.
_Settled: TypeAlias = tuple[int, Solution | _UnderWay, Spend]


class VLLMStream(NumberedRows):
    """A `RowStream` of the engine, which a thread of its own takes on until all rows have ended or are cancelled.

    So the engine goes on while its caller scores what has ended.
    """

    def __init__(self, policy: VLLM) -> None:
        self._policy = policy
        self._engine = policy.engine
        self._changed = threading.Condition()  # guards what follows
        self._rows: dict[str, _UnderWay] = {}  # by their names in the engine
        self._settled: list[_Settled] = []
        self._thread: threading.Thread | None = None  # None while it does not run
        self._error: BaseException | None = None  # that has ended it, for whoever waits for the rows
        self._open = True

    def _begin(self, call: Call, numbers: range) -> None:
        if not self._open:
            raise RuntimeError("this stream of rows is closed: open another one")
        rows: list[_UnderWay] = []
        settled: list[_Settled] = []
        openings = self._policy.prompts.openings(call.problems, call.prefixes, call.sampling, call.seeds)
        for number, prefix, opening in zip(numbers, call.prefixes, openings, strict=True):
            if isinstance(opening, Continuation):
                rows.append(_UnderWay(number, prefix, self._policy.begun(opening, call.until, call.sampling)))
            else:
                settled.append((number, opening, Spend(policy_calls=1)))
        names = self._start(rows)  # not within the lock: the thread may hold the engine for a step
        with self._changed:
            self._rows.update(zip(names, rows, strict=True))
            self._settled += settled  # a call that is refused has left nothing behind
            self._go_on()

    def _start(self, rows: Sequence[_UnderWay]) -> list[str]:
        return self._engine.start([self._policy.request(row.drawn) for row in rows])

    def _go_on(self) -> None:
        if self._rows and self._thread is None:
            self._thread = threading.Thread(target=self._work, name="stepbeam vLLM", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        try:
            while True:
                self._engine.step()
                with self._changed:
                    self._collect()
                    if not self._rows:
                        self._thread = None
                        return
        except BaseException as error:  # noqa: BLE001  (it is raised to whoever waits for the rows)
            with self._changed:
                self._error, self._thread = error, None
                self._changed.notify_all()

    def _collect(self) -> None:
        again: list[_UnderWay] = []
        for name, output in self._engine.ended(self._rows.keys()).items():
            row = self._rows.pop(name)
            # One that another caller's error has swept out of the engine is drawn again: its seed is the same.
            if output is None:
                again.append(row)
                continue
            reply = reply_of(output)
            if not reply.ids:
                told = failed("vLLM's engine gave up on it without a token", row.prefix.steps)
                self._settled.append((row.number, told, self._policy.cost(row.drawn)))
            elif _goes_on(row.drawn, reply):
                again.append(row)
            else:
                self._settled.append((row.number, row, self._policy.cost(row.drawn)))
        if self._settled:
            self._changed.notify_all()
        if again:
            self._rows.update(zip(self._start(again), again, strict=True))

    def ended(self, *, seconds: float | None = None) -> list[tuple[int, Solution, Spend]]:
        """The rows that have ended; it waits for the first, for at most so long."""
        with self._changed:
            if self._error is None:
                self._go_on()  # an error that was raised here has stopped it
            self._changed.wait_for(lambda: self._settled or self._error or not self._rows, seconds)
            settled, self._settled = self._settled, []
            if not settled and self._error is not None:
                error, self._error = self._error, None
                try:
                    raise error
                finally:
                    del error  # which holds this frame
        return [(number, self._solution(row), spend) for number, row, spend in settled]

    def _solution(self, row: Solution | _UnderWay) -> Solution:
        return row if isinstance(row, Solution) else self._policy.solution(row.prefix, row.drawn)

    def cancel(self, rows: Sequence[int]) -> list[tuple[int, Spend]]:
        """Stop rows that have not been given out; what each had cost."""
        wanted = set(rows)
        with self._changed:
            spend = {number: cost for number, _, cost in self._settled if number in wanted}
            self._settled = [row for row in self._settled if row[0] not in wanted]
            stopped = {name: row for name, row in self._rows.items() if row.number in wanted}
            drawn = self._engine.abort(list(stopped))
            for name, row in stopped.items():
                del self._rows[name]
                if name in drawn and drawn[name].ids:
                    _goes_on(row.drawn, drawn[name])
                spend[row.number] = self._policy.cost(row.drawn)
            self._none_left()
        return [(number, spend[number]) for number in rows if number in spend]

    def close(self) -> None:
        """Stop all rows; none can be added any more."""
        with self._changed:
            self._open, thread = False, self._thread
            names = list(self._rows)
            self._rows.clear()
            self._settled.clear()
            self._none_left()
            self._engine.abort(names)
        if thread is not None:
            thread.join()

    def _none_left(self) -> None:
        """Where no rows are left an error concerns nobody, and nobody is to wait."""
        if not self._rows:
            self._error = None
            self._changed.notify_all()


def _goes_on(drawn: DrawnRow, reply: Reply) -> bool:
    return drawn.goes_on(reply.ids, reply.logprobs, reply.cached)
