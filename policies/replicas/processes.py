"""Replicas as processes of this machine, for models on its CPU; nothing else needs to be installed."""

import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar, cast

from policies.replicas.sendable import sendable_errors
from policies.replicas.workers import Failure, Make
from verifiers.interface.errors import BadArgument, EngineStoppedError, first_line

P = TypeVar("P")
R = TypeVar("R")

_PATIENCE = 10.0  # seconds for an idle process to close what it has


@contextmanager
def open_processes(make: Make[P], count: int) -> Iterator["ProcessWorkers[P, Any]"]:
    """So many processes, each with the parts that `make` opens; see `policies.replicas.workers.workers`."""
    them: ProcessWorkers[P, Any] = ProcessWorkers(count)
    try:
        for _ in range(count):
            them.begin(make)
        them.wait_for_parts()
        yield them
    finally:
        them.end()


@dataclass(slots=True)
class ProcessWorkers(Generic[P, R]):
    """The processes as `policies.replicas.workers.Workers`; one that dies fails its job."""

    count: int
    processes: dict[Connection, BaseProcess] = field(default_factory=dict)
    idle: list[Connection] = field(default_factory=list)
    busy: dict[Connection, str] = field(default_factory=dict)  # the job's name
    dropped: set[Connection] = field(default_factory=set)  # with a job that nobody waits for any more

    @property
    def free(self) -> bool:
        return bool(self.idle)

    def begin(self, make: Make[P]) -> None:
        """Start a process, which loads its parts."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, make))
        try:
            with _threads(max(1, cores() // self.count)):
                process.start()
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            said = f"{type(error).__name__}: {first_line(error)}"
            raise BadArgument(
                "replicas",
                self.count,
                f"a part cannot be sent to other processes ({said}); name it by its spec, or work by Ray",
            ) from error
        theirs.close()
        self.processes[ours] = process
        self.busy[ours] = "loading the models"

    def wait_for_parts(self) -> None:
        """Wait for all processes' parts; raises what the first that fails has raised."""
        while self.busy:
            if (loaded := self._next()) is not None and isinstance(loaded[1], Failure):
                raise loaded[1].error

    def give(self, name: str, work: Callable[[P], R]) -> None:
        """Send a job to a process that has none."""
        connection = self.idle.pop()
        with _alive(name):
            connection.send(work)
        self.busy[connection] = name

    def take(self) -> tuple[str, R | Failure] | None:
        """The next job that is done; None where one is done that nobody waits for."""
        return self._next()

    def drop(self) -> None:
        """Forget the jobs under way; their processes are free when they have done them."""
        self.dropped.update(self.busy)

    def end(self) -> None:
        """Let what is idle close its parts, and end all."""
        for connection, process in self.processes.items():
            connection.close()
            if connection in self.busy:
                process.terminate()
        for process in self.processes.values():
            process.join(_PATIENCE)
            process.kill()

    def _next(self) -> tuple[str, R | Failure] | None:
        connection = cast(Connection, wait(list(self.busy))[0])
        name = self.busy.pop(connection)
        with _alive(name):
            made: R | Failure = connection.recv()
        self.idle.append(connection)
        if connection in self.dropped:
            self.dropped.discard(connection)
            return None
        return name, made


@contextmanager
def _alive(name: str) -> Iterator[None]:
    """Say of a connection that is broken that its process has ended."""
    try:
        yield
    except (EOFError, ConnectionError):
        raise EngineStoppedError(
            f"{name}: the process that did it was ended, perhaps for want of memory; run the same command again, "
            "with fewer replicas if so (a script calls it under `if __name__ == '__main__':`)"
        ) from None


def _serve(connection: Connection, make: Make[Any]) -> None:
    """What runs in a process: the parts, made once, and the jobs that use them, until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asked is told, and ends this
    with ExitStack() as stack, suppress(EOFError, ConnectionError):  # they have ended, or were killed
        try:
            with sendable_errors():
                parts = stack.enter_context(make())
        except Exception as error:  # noqa: BLE001  (it is raised by who asked)
            connection.send(Failure(error))
            return
        connection.send(None)
        while True:
            connection.send(_done(connection.recv(), parts))


def _done(work: Callable[[Any], Any], parts: Any) -> Any:
    try:
        with sendable_errors():
            return work(parts)
    except Exception as error:  # noqa: BLE001  (it is raised by who asked)
        return Failure(error)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Processes that are started meanwhile compute in so many threads, where nobody has said otherwise."""
    if "OMP_NUM_THREADS" in os.environ:
        yield
        return
    os.environ["OMP_NUM_THREADS"] = str(count)
    try:
        yield
    finally:
        del os.environ["OMP_NUM_THREADS"]


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
