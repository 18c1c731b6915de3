"""Rows under way in vLLM's engine, each given out when it ends."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
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


# Its number; what it came to, where it is not yet put together its ids; and its cost.
_Settled: TypeAlias = tuple[int, Solution | _UnderWay, Spend]


class VLLMStream(NumberedRows):
    """A `RowStream` of the engine, which computes on a thread of its own until all rows have ended or are cancelled.

    So the engine goes on while its caller scores what has ended. That thread alone starts rows and stops them, in
    turn with the engine's steps: whoever asks waits for one step at most.
    """

    def __init__(self, policy: VLLM) -> None:
        self._policy = policy
        self._engine = policy.engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="stepbeam vLLM")
        self._changed = threading.Condition()  # guards what follows
        self._steps = False  # whether the next step is planned
        self._rows: dict[str, _UnderWay] = {}  # by their names in the engine
        self._settled: list[_Settled] = []
        self._error: BaseException | None = None
        self._open = True

    def _begin(self, call: Call, numbers: range) -> None:
        rows: list[_UnderWay] = []
        settled: list[_Settled] = []
        openings = self._policy.prompts.openings(call.problems, call.prefixes, call.sampling, call.seeds)
        for number, prefix, opening in zip(numbers, call.prefixes, openings, strict=True):
            if isinstance(opening, Continuation):
                rows.append(_UnderWay(number, prefix, self._policy.begun(opening, call.until, call.sampling)))
            else:
                settled.append((number, opening, Spend(policy_calls=1)))
        self._thread.submit(self._start, rows).result()
        with self._changed:
            self._settled += settled  # a call that is refused has left nothing behind

    def ended(self, *, seconds: float | None = None) -> list[tuple[int, Solution, Spend]]:
        """The rows that have ended; it waits for the first, for at most so long."""
        with self._changed:
            if self._rows and not self._steps:  # an error has stopped it, which was raised here
                self._thread.submit(self._go_on)
            self._changed.wait_for(lambda: self._settled or self._error or not self._rows, seconds)
            settled, self._settled = self._settled, []
            if not settled and self._error is not None:
                error, self._error = self._error, None
                raise error
        return [(number, self._solution(row), spend) for number, row, spend in settled]

    def _solution(self, row: Solution | _UnderWay) -> Solution:
        return row if isinstance(row, Solution) else self._policy.solution(row.prefix, row.drawn)

    def cancel(self, rows: Sequence[int]) -> list[tuple[int, Spend]]:
        """Stop rows that have not been given out; what each had cost."""
        wanted = set(rows)
        spend = self._thread.submit(self._stop, wanted).result()
        with self._changed:
            spend |= {number: cost for number, _, cost in self._settled if number in wanted}
            self._settled = [row for row in self._settled if row[0] not in wanted]
        return [(number, spend[number]) for number in rows if number in spend]

    def close(self) -> None:
        """Stop all rows; none can be added any more."""
        with self._changed:
            is_open, self._open = self._open, False
        if is_open:
            try:
                self._thread.submit(self._stop, None).result()
            finally:
                self._thread.shutdown()
            self._settled.clear()

    # What follows runs on the thread.

    def _start(self, rows: Sequence[_UnderWay]) -> None:
        names = self._engine.start([self._policy.request(row.drawn) for row in rows])
        with self._changed:
            self._rows.update(zip(names, rows, strict=True))
        self._go_on()

    def _go_on(self) -> None:
        if self._rows and not self._steps:
            self._steps = True
            self._thread.submit(self._step)

    def _step(self) -> None:
        try:
            self._engine.step()
            self._collect()
        except BaseException as error:  # noqa: BLE001  (it is raised to whoever waits for the rows)
            with self._changed:
                self._error, self._steps = error, False
                self._changed.notify()
        else:
            self._steps = False
            self._go_on()

    def _collect(self) -> None:
        again: list[_UnderWay] = []
        settled: list[_Settled] = []
        outputs = self._engine.ended(self._rows.keys())
        for name, output in outputs.items():
            row = self._rows[name]
            # One that another caller's error has swept out of the engine is drawn again: its seed is the same.
            if output is None:
                again.append(row)
                continue
            reply = reply_of(output)
            if not reply.ids:
                told = failed("vLLM's engine gave up on it without a token", row.prefix.steps)
                settled.append((row.number, told, self._policy.cost(row.drawn)))
            elif _goes_on(row.drawn, reply):
                again.append(row)
            else:
                settled.append((row.number, row, self._policy.cost(row.drawn)))
        if again:
            self._start(again)
        with self._changed:
            for name in outputs:
                del self._rows[name]
            self._settled += settled
            if settled:
                self._changed.notify()

    def _stop(self, numbers: set[int] | None) -> dict[int, Spend]:
        stopped = {name: row for name, row in self._rows.items() if numbers is None or row.number in numbers}
        drawn = self._engine.abort(list(stopped))
        spend = {}
        for name, row in stopped.items():
            if name in drawn and drawn[name].ids:
                _goes_on(row.drawn, drawn[name])
            spend[row.number] = self._policy.cost(row.drawn)
        with self._changed:
            for name in stopped:
                del self._rows[name]
        return spend


def _goes_on(drawn: DrawnRow, reply: Reply) -> bool:
    return drawn.goes_on(reply.ids, reply.logprobs, reply.cached)
