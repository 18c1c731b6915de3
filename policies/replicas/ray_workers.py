"""Replicas as actors of a Ray cluster; one that dies is made anew, and its job done again."""

import logging
import os
import socket
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Generic, TypeVar, cast

from policies.replicas.processes import cores
from policies.replicas.sendable import sendable_errors
from policies.replicas.workers import Failure, Make, Replicas
from verifiers.interface.errors import BadArgument, EngineStoppedError, first_line

P = TypeVar("P")
R = TypeVar("R")

_LOG = logging.getLogger("stepbeam.replicas")
_TRIES = 3  # replicas that may die at one job, before it is held to be the cause
_QUIET = 60.0  # seconds without a replica, after which a word is said
_PATIENCE = 10.0  # seconds for idle replicas to close their engines
_STORE = 1 << 29  # bytes for what is sent to and fro in a cluster of our own; rows are small


class _Replica(Generic[P]):
    """What runs in an actor: the parts, made once, and the jobs that use them."""

    def __init__(self, make: Make[P], folder: str) -> None:
        if os.path.isdir(folder):
            os.chdir(folder)  # so that a relative path means what it means to who gave it
        self.make, self.stack = make, ExitStack()

    def load(self) -> None:
        with sendable_errors():
            self.parts = self.stack.enter_context(self.make())

    def work(self, call: Callable[[P], R]) -> R:
        with sendable_errors():
            return call(self.parts)

    def close(self) -> None:
        self.stack.close()


@contextmanager
def open_replicas(make: Make[P], wanted: Replicas) -> Iterator["RayWorkers[P, Any]"]:
    """Replicas of the parts that `make` opens; see `policies.replicas.workers.workers`."""
    _LOG.info("opening %d replicas in Ray (%s), which may take a minute", wanted.count, wanted.ray)
    ray = _ray(wanted)
    try:
        ray.cloudpickle.dumps(make)
    except Exception as error:
        said = f"{type(error).__name__}: {first_line(error)}"
        raise BadArgument(
            "replicas", wanted.count, f"a part cannot be sent to other processes ({said}); name it by its spec"
        ) from error
    with _cluster(ray, wanted):
        them: RayWorkers[P, Any] = RayWorkers(ray, make, wanted)
        try:
            them.start()
            yield them
        finally:
            them.end()


def _ray(wanted: Replicas) -> Any:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns of what it will do one day
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise BadArgument("ray", wanted.ray, "replicas need the package ray: pip install 'stepbeam[ray]'") from None
    return ray


@contextmanager
def _cluster(ray: Any, wanted: Replicas) -> Iterator[None]:
    """A connection to the cluster; one that is there already is used, and stays."""
    if ray.is_initialized():
        yield
        return
    own: dict[str, Any] = {}
    if wanted.ray == "local":
        own = {"num_cpus": max(cores(), wanted.count), "include_dashboard": False, "object_store_memory": _STORE}
    host, _, port = (wanted.ray or "").rpartition(":")
    try:
        if port.isdecimal() and "/" not in host:  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), _PATIENCE).close()
        ray.init(address=wanted.ray, log_to_driver=False, logging_level="ERROR", **own)
    except (RuntimeError, ValueError, OverflowError, OSError) as error:
        raise BadArgument(
            "ray", wanted.ray, f"no cluster answers there ({first_line(error)}); use local, auto or HOST:PORT"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


class RayWorkers(Generic[P, R]):
    """The replicas of a cluster as `policies.replicas.workers.Workers`."""

    def __init__(self, ray: Any, make: Make[P], wanted: Replicas) -> None:
        self.ray, self.make = ray, make
        self.options, self.wanted = _options(ray.nodes(), wanted), wanted.count
        self.idle: list[Any] = []
        self.running: dict[Any, tuple[Any, str, Any]] = {}  # reference -> actor, job's name, job; None: it is loading
        self.dropped: set[Any] = set()  # references of jobs that nobody waits for any more
        self.again: list[tuple[str, Callable[[P], R]]] = []  # jobs whose replica died
        self.deaths: Counter[str] = Counter()
        self.unloaded = 0  # replicas that died while they made their parts, one after another
        self.loaded = False  # whether any replica ever had its parts

    @property
    def count(self) -> int:
        return self.wanted

    @property
    def free(self) -> bool:
        return bool(self.idle)

    def start(self) -> None:
        """Begin all replicas, and wait until one has its parts."""
        for _ in range(self.wanted):
            self._begin()
        _LOG.info("waiting for the first of %d replicas to load its models", self.wanted)
        if not self.ray.wait(list(self.running), num_returns=1, timeout=_QUIET)[0]:
            warnings.warn(
                f"no replica has its parts after {_QUIET:g} s: they load, or wait for a place in the cluster",
                stacklevel=2,
            )
        while not self.idle:
            self._next()

    def give(self, name: str, work: Callable[[P], R]) -> None:
        """Send a job to a replica that has none."""
        actor = self.idle.pop()
        self.running[actor.work.remote(work)] = actor, name, work

    def take(self) -> tuple[str, R | Failure] | None:
        """The next job that is done; None where none is begun and a replica has become free."""
        while (made := self._next()) is None:
            begun = any(work is not None and ref not in self.dropped for ref, (_, _, work) in self.running.items())
            if self.idle and not begun:
                return None
        return made

    def drop(self) -> None:
        """Forget the jobs under way; their replicas are free when they have done them."""
        self.dropped.update(ref for ref, (_, _, work) in self.running.items() if work is not None)
        self.again.clear()

    def end(self) -> None:
        """Close what is idle, and end all."""
        closing = [actor.close.remote() for actor in self.idle]
        if closing:
            self.ray.wait(closing, num_returns=len(closing), timeout=_PATIENCE)
        for actor in [*self.idle, *(actor for actor, _, _ in self.running.values())]:
            self.ray.kill(actor)

    def _begin(self) -> None:
        actor = self.ray.remote(_Replica).options(**self.options).remote(self.make, os.getcwd())
        self.running[actor.load.remote()] = actor, "loading the models", None

    def _next(self) -> tuple[str, R | Failure] | None:
        """What comes of the first that is done; None where a replica has its parts, died, or did what was dropped."""
        [reference], _ = self.ray.wait(list(self.running), num_returns=1)
        actor, name, work = self.running.pop(reference)
        wanted = reference not in self.dropped
        self.dropped.discard(reference)
        made: R | Failure
        try:
            made = self.ray.get(reference)
        except (self.ray.exceptions.RayTaskError, self.ray.exceptions.UnserializableException) as error:
            made = Failure(_cause_of(error))
        except self.ray.exceptions.RayError as error:  # it was killed, its node was lost, or what it made was
            self.ray.kill(actor)
            return self._died(name, work if wanted else None, error, loading=work is None)
        if work is None and isinstance(made, Failure):
            self.ray.kill(actor)
            if not self.loaded:  # so it will be with all of them
                raise made.error
            self._do_without(made.error)
            return None
        self.loaded, self.unloaded = True, 0
        self.deaths.pop(name, None)
        self.idle.append(actor)
        if self.again:
            self.give(*self.again.pop(0))
        return (name, made) if work is not None and wanted else None

    def _died(self, name: str, work: Any, error: Exception, *, loading: bool) -> tuple[str, Failure] | None:
        """Begin another replica and do its job again; or not, where one after another has died of it."""
        said = EngineStoppedError(
            f"{name}: {_TRIES} replicas died at it, one after another "
            f"({type(error).__name__}); look whether memory suffices, and run the same command again"
        )
        self.unloaded += loading
        if loading and self.unloaded >= _TRIES:
            self._do_without(said)
            return None
        self._begin()
        if work is None:
            return None
        self.deaths[name] += 1
        if self.deaths[name] == _TRIES:
            del self.deaths[name]
            return name, Failure(said)
        told = f"{name}: the replica that did it has died; another is started, and it is done again"
        warnings.warn(told, stacklevel=2)
        if self.idle:
            self.give(name, work)
        else:
            self.again.append((name, work))
        return None

    def _do_without(self, error: Exception) -> None:
        """Go on with the other replicas; raises the error where there is none."""
        if not (self.idle or self.running):
            raise error
        self.wanted -= 1
        warnings.warn(f"a replica could not be made, and {self.wanted} go on: {first_line(error)}", stacklevel=2)


def _cause_of(error: Any) -> Exception:
    """What a job raised; where that was, Ray's error behind it says."""
    cause = getattr(error, "cause", None)
    if not isinstance(cause, Exception):
        return cast(Exception, error)
    cause.__cause__ = error
    return cause


def _options(nodes: list[dict[str, Any]], wanted: Replicas) -> dict[str, Any]:
    """An actor's share of the cluster: GPUs, and on a CPU as many threads as leave each replica its own cores."""
    have = [node["Resources"] for node in nodes if node["Alive"]]
    total = sum(node.get("GPU", 0.0) for node in have)
    gpus = wanted.gpus if wanted.gpus is not None else float(total > 0)
    places = sum(_places(int(node.get("GPU", 0)), gpus) for node in have) if gpus else wanted.count
    if places < wanted.count:
        raise BadArgument(
            "replicas",
            wanted.count,
            f"with gpus_per_replica {gpus:g} the cluster, which has {total:g} GPUs, has room for {places}; "
            "give fewer, or a smaller share",
        )
    cores = [node["CPU"] for node in have if node.get("CPU") and (not gpus or node.get("GPU"))]
    side_by_side = -(-wanted.count // max(1, len(cores)))  # on one machine
    share = max(1, int(min(cores, default=1) // side_by_side))
    # Two processes with all threads each are slower than one. Who sets the number sets it for all: a CPU's last digits
    # depend on it.
    variables = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(share))}
    if not gpus:
        variables["CUDA_VISIBLE_DEVICES"] = ""  # the GPUs of others
    if wanted.ray == "local":
        variables["PYTHONPATH"] = os.pathsep.join(place or os.getcwd() for place in sys.path)
    return {"num_gpus": gpus, "num_cpus": 1 if gpus else share, "runtime_env": {"env_vars": variables}}


def _places(have: int, gpus: float) -> int:
    """How many replicas find room on a machine: a share is of one GPU, and none has GPUs of two machines."""
    return have * int(1 / gpus + 1e-9) if gpus < 1 else have // int(gpus)
