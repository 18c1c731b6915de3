"""Rows under way in vLLM's engine, each given out when it ends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

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


class VLLMStream(NumberedRows):
    """A `RowStream` of the engine, which computes while its caller waits in `ended`, and no longer."""

    def __init__(self, policy: VLLM) -> None:
        self._policy = policy
        self._engine = policy.engine
        self._rows: dict[str, _UnderWay] = {}  # by their names in the engine
        self._settled: list[tuple[int, Solution, Spend]] = []

    def _begin(self, call: Call, numbers: range) -> None:
        rows, settled = [], []
        openings = self._policy.prompts.openings(call.problems, call.prefixes, call.sampling, call.seeds)
        for number, prefix, opening in zip(numbers, call.prefixes, openings, strict=True):
            if isinstance(opening, Continuation):
                rows.append(_UnderWay(number, prefix, self._policy.begun(opening, call.until, call.sampling)))
            else:
                settled.append((number, opening, Spend(policy_calls=1)))
        self._start(rows)
        self._settled += settled  # a call that is refused has left nothing behind

    def _start(self, rows: Sequence[_UnderWay]) -> None:
        requests = [self._policy.request(row.drawn) for row in rows]
        self._rows.update(zip(self._engine.start(requests), rows, strict=True))

    def ended(self, *, seconds: float | None = None) -> list[tuple[int, Solution, Spend]]:
        """The rows that have ended; the engine goes on until there is one, for at most so long."""
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            self._collect()
            if self._settled or not self._rows:
                break
            self._engine.step()  # one at the least, so that rows go on however short the waits are
            if until is not None and time.monotonic() >= until:
                self._collect()
                break
        settled, self._settled = self._settled, []
        return settled

    def _collect(self) -> None:
        again = []
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
                solution = self._policy.solution(row.prefix, row.drawn)
                self._settled.append((row.number, solution, self._policy.cost(row.drawn)))
        self._start(again)

    def cancel(self, rows: Sequence[int]) -> list[tuple[int, Spend]]:
        """Stop rows that have not been given out; what each had cost."""
        wanted = set(rows)
        spend = {number: spend for number, _, spend in self._settled if number in wanted}
        self._settled = [row for row in self._settled if row[0] not in wanted]
        stopped = {name: row for name, row in self._rows.items() if row.number in wanted}
        drawn = self._engine.abort(list(stopped))
        for name, row in stopped.items():
            del self._rows[name]
            if name in drawn and drawn[name].ids:
                _goes_on(row.drawn, drawn[name])
            spend[row.number] = self._policy.cost(row.drawn)
        return [(number, spend[number]) for number in rows if number in spend]

    def close(self) -> None:
        """Stop all rows."""
        self._engine.abort(list(self._rows))
        self._rows.clear()
        self._settled.clear()


def _goes_on(drawn: DrawnRow, reply: Reply) -> bool:
    return drawn.goes_on(reply.ids, reply.logprobs, reply.cached)
