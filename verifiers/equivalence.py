"""Whether two answers are the same mathematics: Math-Verify in worker processes that can be killed."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from weakref import WeakSet

from verifiers.numerals import LONGEST, clean

Pair = tuple[str, str]

_WORKER: Final = Path(__file__).with_name("_equivalence_worker.py")
_START_SECONDS: Final = 120.0  # a cold import of Math-Verify from a slow disk
_PAIRS_A_THREAD: Final = 100  # fewer do not repay the start of another worker


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an answer equals the gold one; `equal` is None where that is unknown, and `reason` says why."""

    equal: bool | None
    reason: str | None = None


class EquivalencePool:
    r"""Compares (answer, gold) pairs with Math-Verify, from any thread, and never hangs.

    >>> with EquivalencePool(workers=1) as pool:
    ...     pool.equal([("x+x", "2x"), (r"\{2,1\}", r"\{1,2\}"), ("(1,2]", "[1,2]")])
    [True, True, False]

    A pair gets `seconds` of wall-clock time; then its worker is killed and replaced, and the pair is
    unknown. A worker has `memory` bytes of address space (where the platform can bound it) and is
    replaced after `recycle_after` pairs. An answer over 10,000 characters is unknown without being
    sent. Workers start when first needed and end with the pool, with the interpreter, or when the
    parent is killed. The last `cache_size` verdicts are kept.

    Raises ValueError for an option out of range; RuntimeError once the pool is shut down, or where
    Math-Verify cannot be loaded.
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        seconds: float = 5.0,
        recycle_after: int = 2_000,
        memory: int = 2 << 30,
        cache_size: int = 100_000,
    ) -> None:
        count = min(4, _cores()) if workers is None else workers
        for name, value, least in (
            ("workers", count, 1),
            ("recycle_after", recycle_after, 1),
            ("cache_size", cache_size, 0),
        ):
            if value < least:
                raise ValueError(f"{name} is {value}: it must be {least} or more")
        if not seconds > 0:
            raise ValueError(f"seconds is {seconds}: a pair needs a time limit above 0")
        if memory < 256 << 20:
            raise ValueError(f"memory is {memory} bytes: Math-Verify needs at least {256 << 20}")
        self.workers = count
        self.seconds = seconds
        self.recycle_after = recycle_after
        self.memory = memory
        self.cache_size = cache_size
        self._reset()
        _POOLS.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(self.workers)
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._cache: OrderedDict[Pair, Verdict] = OrderedDict()
        self._closed = False

    def equal(self, pairs: Sequence[Pair]) -> list[bool | None]:
        """For each (answer, gold) pair: equal, not equal, or None for unknown."""
        return [verdict.equal for verdict in self.verdicts(pairs)]

    def verdicts(self, pairs: Sequence[Pair]) -> list[Verdict]:
        """As `equal`, with the reason why a pair is unknown. Each distinct pair is compared once."""
        cleaned = [(clean(answer), clean(gold)) for answer, gold in pairs]
        known: dict[Pair, Verdict] = {}
        with self._lock:
            self._refuse_if_closed()
            for pair in cleaned:
                if pair in self._cache:
                    self._cache.move_to_end(pair)
                    known[pair] = self._cache[pair]
        for pair in cleaned:
            if pair not in known and (without_work := _decided(pair)):
                known[pair] = without_work
        todo = deque(pair for pair in dict.fromkeys(cleaned) if pair not in known)
        known.update(self._compare_all(todo))
        return [known[pair] for pair in cleaned]

    def _compare_all(self, todo: deque[Pair]) -> dict[Pair, Verdict]:
        done: dict[Pair, Verdict] = {}
        errors: list[BaseException] = []

        def feed() -> None:
            while not errors:
                try:
                    pair = todo.popleft()
                except IndexError:
                    return
                try:
                    done[pair] = self._compare(pair)
                except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
                    errors.append(error)

        helpers = min(self.workers, -(-len(todo) // _PAIRS_A_THREAD)) - 1
        threads = [threading.Thread(target=feed, name="equivalence", daemon=True) for _ in range(helpers)]
        for thread in threads:
            thread.start()
        feed()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return done

    def _compare(self, pair: Pair) -> Verdict:
        verdict = None
        with self._places:
            # A worker that died while idle (an OOM killer, a user) says nothing about the pair: try once more.
            for _ in range(2):
                worker = self._borrow()
                try:
                    verdict = worker.compare(pair)
                except BaseException:
                    worker.usable = False  # its reply may still come, and would be taken for the next pair's
                    raise
                finally:
                    self._give_back(worker)
                if verdict is not None:
                    break
        if verdict is None:
            verdict = Verdict(None, "the worker that compared it died, twice")
        with self._lock:
            self._cache[pair] = verdict
            while len(self._cache) > self.cache_size:
                self._cache.popitem(last=False)
        return verdict

    def _borrow(self) -> _Worker:
        with self._lock:
            self._refuse_if_closed()
            worker = self._idle.pop() if self._idle else None
        worker = worker or _Worker(seconds=self.seconds, memory=self.memory)
        with self._lock:
            self._busy.add(worker)
            if self._closed:
                worker.usable = False
        return worker

    def _give_back(self, worker: _Worker) -> None:
        with self._lock:
            self._busy.discard(worker)
            if worker.usable and not self._closed and worker.compared < self.recycle_after:
                self._idle.append(worker)
                return
        worker.end()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise RuntimeError("this EquivalencePool is shut down: make a new one to compare more answers")

    def shutdown(self) -> None:
        """End all workers; comparing more raises. Calls in flight in other threads raise too."""
        with self._lock:
            self._closed = True
            idle, busy = list(self._idle), list(self._busy)
            self._idle.clear()
        for worker in busy:
            worker.process.kill()  # the thread that uses it closes its pipes
        for worker in idle:
            worker.end()

    def _forget(self) -> None:
        """In a forked child: the workers, and their pipes, belong to the parent."""
        closed = self._closed
        for worker in [*self._idle, *self._busy]:
            worker.disown()
        self._reset()
        self._closed = closed

    def __enter__(self) -> EquivalencePool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()


class _Worker:
    """One worker process; used by one thread at a time."""

    def __init__(self, *, seconds: float, memory: int) -> None:
        if not sys.executable:
            raise RuntimeError("there is no Python executable to start a grading worker with: sys.executable is empty")
        self.seconds = seconds
        self.compared = 0
        self.usable = True
        process = subprocess.Popen(  # noqa: S603  (our own file, and two numbers)
            # -P keeps the worker's own folder off its path; the caller's warning filters are not for it.
            [sys.executable, "-P", "-W", "ignore", str(_WORKER), str(memory), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,  # so that a forked child can close its copies without sending anything
            env={**os.environ, "PYTHONHASHSEED": "0"},  # the order of sets in there must not vary
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self.process, self._requests, self._replies = process, process.stdin, process.stdout
        try:
            reply = self._receive(_START_SECONDS)
        except BaseException:
            self.end()
            raise
        if reply is None or not reply.get("ready"):
            self.end()
            cause = "it ended before it was ready" if reply is None else str(reply.get("error"))
            raise RuntimeError(
                f"a grading worker could not start: {cause}. Is math-verify installed for {sys.executable}?"
            )

    def compare(self, pair: Pair) -> Verdict | None:
        """The verdict; None where the worker died of something else than its time limit."""
        self.compared += 1
        request = memoryview((json.dumps({"answer": pair[0], "gold": pair[1]}) + "\n").encode())
        try:
            while request:
                request = request[self._requests.write(request) :]
        except OSError:  # the other end of the pipe is gone
            self.usable = False
            return None
        reply = self._receive(self.seconds)
        if reply is not None:
            return Verdict(reply["equal"], reply["reason"])
        if not self.usable:
            return Verdict(None, f"Math-Verify took more than {self.seconds:g} s")
        self.usable = False
        return None

    def _receive(self, seconds: float) -> dict[str, Any] | None:
        """One reply; None where the stream ended first. A worker out of time is no longer `usable`."""
        # A timer that kills, because a pipe cannot be read with a time limit on every platform.
        timer = threading.Timer(seconds, self._time_is_up)
        timer.daemon = True
        timer.start()
        try:
            line = bytearray()
            while not line.endswith(b"\n"):
                piece = self._replies.read(1 << 16)
                if not piece:
                    return None
                line += piece
        finally:
            timer.cancel()
            timer.join()
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _time_is_up(self) -> None:
        self.usable = False
        self.process.kill()

    def end(self) -> None:
        """Kill the process, wait for it and close its pipes."""
        self.process.kill()
        self.process.wait()
        self._requests.close()
        self._replies.close()

    def disown(self) -> None:
        """In a forked child: let go of the parent's process without touching it."""
        self._requests.close()
        self._replies.close()
        self.process.returncode = 0


def _decided(pair: Pair) -> Verdict | None:
    """The verdict where it needs no worker."""
    answer, gold = pair
    if not answer or not gold:
        return Verdict(False, "a blank answer equals nothing")
    for text, name in ((answer, "answer"), (gold, "gold answer")):
        if len(text) > LONGEST:
            return Verdict(None, f"the {name} has {len(text)} characters; more than {LONGEST} are not compared")
    return None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_POOLS: Final[WeakSet[EquivalencePool]] = WeakSet()
_default: EquivalencePool | None = None
_default_lock = threading.Lock()


def default_pool() -> EquivalencePool:
    """The pool that the ready-made answers share; it starts no process before it is first asked."""
    global _default
    with _default_lock:
        if _default is None or _default._closed:
            _default = EquivalencePool()
        return _default


def _shut_down_all() -> None:
    for pool in list(_POOLS):
        pool.shutdown()


def _after_fork() -> None:
    global _default_lock
    _default_lock = threading.Lock()
    for pool in list(_POOLS):
        pool._forget()


atexit.register(_shut_down_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
