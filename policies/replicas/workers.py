"""Jobs that are worked off here or by replicas, and kept in their order whoever was done first."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from verifiers.interface.arguments import check_kind
from verifiers.interface.errors import BadArgument, check_kinds

P = TypeVar("P")
R = TypeVar("R")
P_co = TypeVar("P_co", covariant=True)
J = TypeVar("J", bound="Job[Any, Any]")
Make: TypeAlias = Callable[[], AbstractContextManager[P]]

_MOST = 256  # processes of one machine
_AHEAD = 8  # jobs a worker may be ahead of the one that is to be kept next: what a kill loses, and memory


@dataclass(frozen=True, slots=True)
class Replicas:
    """So many processes that work side by side, each with models of its own: here, or in a Ray cluster with GPUs.

    >>> Replicas(8, ray="auto", gpus=1)
    Replicas(count=8, ray='auto', gpus=1)

    `ray` is "local" for a cluster that is started on this machine and ends with the work, "auto" for the one that
    `ray start` has begun here, or an address; None is for models on a CPU, without Ray: processes of this machine that
    share its cores. `gpus` may be a share below 1; None is one each where the cluster has any, else none. Raises
    BadArgument for a count below 1, or above 256 on this machine, for an address that is none, for a number of GPUs
    that no process can have, and for GPUs without a cluster.
    """

    count: int = 2
    ray: str | None = "local"
    gpus: float | None = None

    def __post_init__(self) -> None:
        check_kinds(self)
        if self.count < 1:
            raise BadArgument("replicas", self.count, "it must be 1 or more")
        if self.ray is not None and not re.fullmatch(r"local|auto|\w+://\S+|\S+:\d+", self.ray):
            raise BadArgument("ray", self.ray, "it is no address; use local, auto or HOST:PORT")
        if self.ray is None and self.count > _MOST:
            raise BadArgument("replicas", self.count, f"one machine takes at most {_MOST}")
        if self.gpus is not None and not (0 <= self.gpus <= 1 or (self.gpus > 1 and self.gpus % 1 == 0)):
            raise BadArgument("gpus_per_replica", self.gpus, "give a whole number, or a share below 1")
        if self.gpus and self.ray is None:
            raise BadArgument(
                "gpus_per_replica", self.gpus, "GPUs are shared out by Ray; add ray local, auto or HOST:PORT"
            )


@dataclass(frozen=True, slots=True)
class Job(Generic[P, R]):
    """What is done as a whole and known by its `name`.

    `prepare` is called by who owns the results once a worker is free: given what is done and not committed yet, by
    name, it returns what a worker is to do with its parts; all of that may be sent to another process. A job that
    `needs` another one's result comes after it.
    """

    name: str
    prepare: Callable[[Mapping[str, R]], Callable[[P], R]]
    needs: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Failure:
    """What a job raised."""

    error: Exception


class Workers(Protocol[P_co, R]):
    """Who does jobs, up to `count` at once."""

    @property
    def count(self) -> int: ...

    @property
    def free(self) -> bool:
        """Whether a job would be begun at once."""
        ...

    def give(self, name: str, work: Callable[[P_co], R]) -> None:
        """Begin a job; only where a worker is free."""
        ...

    def take(self) -> tuple[str, R | Failure] | None:
        """Wait for a job that was begun, whichever is done first, and return its name with what came of it.

        None where no job is begun, and a worker has become free.
        """
        ...

    def drop(self) -> None:
        """Forget the jobs that were begun: nothing that comes of them is taken."""
        ...


@dataclass(slots=True)
class Here(Generic[P, R]):
    """This process, with the parts that its jobs use; what a job raises comes through as it is."""

    parts: P
    given: list[tuple[str, Callable[[P], R]]] = field(default_factory=list)
    count: int = 1

    @property
    def free(self) -> bool:
        return not self.given

    def give(self, name: str, work: Callable[[P], R]) -> None:
        self.given.append((name, work))

    def take(self) -> tuple[str, R | Failure]:
        name, work = self.given.pop()
        return name, work(self.parts)

    def drop(self) -> None:
        self.given.clear()


@contextmanager
def workers(make: Make[P], replicas: Replicas | None) -> Iterator[Workers[P, Any]]:
    """This process, or replicas of it, each with the parts that `make` opens; they are closed in the end.

    Returns when the parts of a first worker are there, and raises what `make` raises; BadArgument where there is no
    cluster, or one without the GPUs that are asked for, and without the extra `ray`.
    """
    check_kind("replicas", replicas, Replicas | None, "write policies.Replicas(2)")
    if replicas is None:
        with make() as parts:
            yield Here(parts)
    elif replicas.ray is None:
        from policies.replicas.processes import open_processes

        with open_processes(make, replicas.count) as processes:
            yield processes
    else:
        from policies.replicas.ray_workers import open_replicas

        with open_replicas(make, replicas) as them:
            yield them


def work_off(jobs: Sequence[J], workers: Workers[Any, R], commit: Callable[[J, R], object]) -> None:
    """Have the jobs done, and commit what comes of each in the order of the jobs.

    >>> jobs = [Job(name, lambda done, name=name: lambda greeting: f"{greeting} {name}") for name in ("a", "b")]
    >>> work_off(jobs, Here("hello"), lambda job, made: print(made))
    hello a
    hello b

    What a job raises is raised when its turn to be committed comes, so that whatever comes before it is kept, and
    nothing behind: as where they are done one after another.
    """
    try:
        _work_off(jobs, workers, commit)
    except BaseException:
        workers.drop()  # or the next jobs of these names would be given what comes of these
        raise


def _work_off(jobs: Sequence[J], workers: Workers[Any, R], commit: Callable[[J, R], object]) -> None:
    waiting, opened = list(jobs), {job.name for job in jobs}
    done: dict[str, R] = {}
    failed: dict[str, Exception] = {}
    for job in jobs:
        while job.name in opened:
            while workers.free and (ready := _next(job, waiting, opened, len(done) < _AHEAD * workers.count)):
                waiting.remove(ready)
                workers.give(ready.name, ready.prepare(done))
            if (taken := workers.take()) is None:
                continue
            name, made = taken
            opened.discard(name)
            if isinstance(made, Failure):
                failed[name] = made.error
                before = {other.name for other in takewhile(lambda other: other.name not in failed, jobs)}
                waiting = [other for other in waiting if other.name in before]
            else:
                done[name] = made
        if job.name in failed:
            raise failed[job.name]
        commit(job, done.pop(job.name))


def _next(due: J, waiting: Sequence[J], opened: Collection[str], more: bool) -> J | None:
    """The first job that can be begun; `more` says whether others than the one that is due may."""
    can = (job for job in waiting if job.needs not in opened and (more or job is due))
    return next(can, None)
