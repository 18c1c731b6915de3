"""Replicas as processes of this machine, for models on its CPU; nothing else needs to be installed."""

import logging
import multiprocessing
import os
import pickle
import signal
import threading
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

_LOG = logging.getLogger("stepbeam.replicas")
_UNSENDABLE = (pickle.PicklingError, TypeError, AttributeError)  # what pickle raises for what it cannot take
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
            with _environment(self.count):
                process.start()
        except _UNSENDABLE as error:
            raise self._unsendable(error) from error
        theirs.close()
        self.processes[ours] = process
        self.busy[ours] = "loading the models"

    def wait_for_parts(self) -> None:
        """Wait for all processes' parts; raises what the first that fails has raised."""
        _LOG.info("waiting for %d processes to load their models", len(self.busy))
        while self.busy:
            if (loaded := self._next()) is not None and isinstance(loaded[1], Failure):
                raise loaded[1].error

    def give(self, name: str, work: Callable[[P], R]) -> None:
        """Send a job to a process that has none."""
        connection = self.idle.pop()
        try:
            connection.send(work)
        except _UNSENDABLE as error:
            raise self._unsendable(error) from error
        except ConnectionError:  # it has ended, which shows when its answer is waited for
            pass
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
        if not self.busy:
            raise EngineStoppedError("all processes have ended; run the same command again, with fewer replicas")
        connection = cast(Connection, wait(list(self.busy))[0])
        name = self.busy.pop(connection)
        wanted = connection not in self.dropped
        self.dropped.discard(connection)
        try:
            made: R | Failure = connection.recv()
        except (EOFError, ConnectionError):
            made = Failure(_ended(name, self.processes.pop(connection)))
            connection.close()
        else:
            self.idle.append(connection)
        return (name, made) if wanted else None

    def _unsendable(self, error: Exception) -> BadArgument:
        said = f"{type(error).__name__}: {first_line(error)}"
        return BadArgument(
            "replicas",
            self.count,
            f"a part cannot be sent to other processes ({said}); name it by its spec, or work by Ray",
        )


def _ended(name: str, process: BaseProcess) -> EngineStoppedError:
    process.join(_PATIENCE)
    how = f"exit code {process.exitcode}"
    if process.exitcode == -signal.SIGKILL:
        how = "it was killed, perhaps for want of memory: then use fewer replicas"
    return EngineStoppedError(
        f"{name}: the process that did it has ended ({how}); run the same command again, with --ray local where one "
        "that ends is to be started again. (A script of your own needs `if __name__ == '__main__':`.)"
    )


def _serve(connection: Connection, make: Make[Any]) -> None:
    """What runs in a process: the parts, made once, and the jobs that use them, until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asked is told, and ends this
    end_with_parent()
    with ExitStack() as stack, suppress(EOFError, ConnectionError):  # they have ended, or were killed
        try:
            with sendable_errors():
                parts = stack.enter_context(make())
        except Exception as error:  # noqa: BLE001  (it is raised by who asked)
            connection.send(Failure(error))
            return
        connection.send(None)
        while True:
            made = _done(connection, parts)
            try:
                connection.send(made)
            except _UNSENDABLE as error:
                connection.send(Failure(RuntimeError(f"what came of it cannot be sent ({first_line(error)})")))


def _done(connection: Connection, parts: Any) -> Any:
    """What comes of the next job; an error is raised by who asked. Raises EOFError where nobody asks any more."""
    work: Callable[[Any], Any] | Failure = _received(connection)
    if isinstance(work, Failure):
        return work
    try:
        with sendable_errors():
            return work(parts)
    except Exception as error:  # noqa: BLE001
        return Failure(error)


def _received(connection: Connection) -> Any:
    try:
        return connection.recv()
    except (EOFError, ConnectionError):
        raise
    except Exception as error:  # noqa: BLE001  (whatever unpickling it raises here)
        return Failure(RuntimeError(f"{type(error).__name__}: {first_line(error)}"))


def end_with_parent() -> None:
    """Have this process end when the one that started it has ended, however that was: nobody waits for its work."""

    def watch(parent: BaseProcess) -> None:
        wait([parent.sentinel])
        os._exit(1)  # also amid a job

    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=watch, args=(parent,), daemon=True).start()


@contextmanager
def _environment(count: int) -> Iterator[None]:
    """Processes that are started meanwhile share the cores, where nobody has said otherwise, and see no GPU."""
    changed = {"CUDA_VISIBLE_DEVICES": ""}
    if "OMP_NUM_THREADS" not in os.environ:
        changed["OMP_NUM_THREADS"] = str(max(1, cores() // count))
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
