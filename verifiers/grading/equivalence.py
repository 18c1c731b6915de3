"""Whether two answers are the same mathematics: Math-Verify in worker processes that can be killed."""

from __future__ import annotations

import atexit
import os
import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Final
from weakref import WeakSet

from verifiers.grading._worker_process import Pair, Verdict, Worker
from verifiers.grading.notation.numerals import LONGEST, clean
from verifiers.interface.errors import check_least

_PAIRS_A_THREAD: Final = 100  # fewer do not repay the start of another worker


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
        check_least(1, {"workers": count, "recycle_after": recycle_after})
        check_least(0, {"cache_size": cache_size})
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
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
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

    def _borrow(self) -> Worker:
        with self._lock:
            self._refuse_if_closed()
            worker = self._idle.pop() if self._idle else None
        worker = worker or Worker(seconds=self.seconds, memory=self.memory)
        with self._lock:
            self._busy.add(worker)
            if self._closed:
                worker.usable = False
        return worker

    def _give_back(self, worker: Worker) -> None:
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

    def __exit__(self, *_: object) -> None:
        self.shutdown()


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
