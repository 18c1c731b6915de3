"""Replicas as processes of this machine: jobs in their order, what one raises, and who is killed."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from policies.replicas.workers import Job, Replicas, work_off, workers
from verifiers.interface.errors import BadArgument, EngineStoppedError

TWO = Replicas(2, ray=None)


@contextmanager
def parts(folder: Path) -> Iterator[int]:
    yield os.getpid()
    (folder / str(os.getpid())).touch()


@contextmanager
def no_parts() -> Iterator[None]:
    raise BadArgument("policy", "transformers:nowhere", "no such folder")
    yield


def nap(i: int, pid: int) -> tuple[int, int]:
    time.sleep(0.05)
    return i, pid


class Unsendable:
    def __reduce__(self) -> str:
        raise TypeError("not this")


def unsendable(pid: int) -> Unsendable:
    return Unsendable()


def no_server(pid: int) -> None:
    raise ConnectionRefusedError("no server there")


def refused(pid: int) -> None:
    raise BadArgument("strategies", "beam_search:orm", "it has no opinion")


def killed(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def jobs_of(*work: Callable[[int], Any]) -> list[Job[int, Any]]:
    return [Job(f"job {i}", lambda done, call=call: call) for i, call in enumerate(work)]  # type: ignore[misc]


def test_jobs_are_shared_and_kept_in_order_and_what_one_raises_comes_through(tmp_path: Path) -> None:
    kept: list[tuple[int, int]] = []
    with workers(partial(parts, tmp_path), TWO) as them:
        work_off(jobs_of(*(partial(nap, i) for i in range(12))), them, lambda job, made: kept.append(made))
        with pytest.raises(BadArgument, match="strategies beam_search:orm: it has no opinion"):
            work_off(jobs_of(partial(nap, 12), refused, partial(nap, 0)), them, lambda job, made: kept.append(made))
        with pytest.raises(RuntimeError, match="what came of it cannot be sent"):
            work_off(jobs_of(unsendable), them, lambda job, made: None)
        with pytest.raises(ConnectionRefusedError, match="no server there"):
            work_off(jobs_of(no_server), them, lambda job, made: None)
        with pytest.raises(BadArgument, match="replicas 2: a part cannot be sent to other processes"):
            work_off(jobs_of(lambda pid: pid), them, lambda job, made: None)
        work_off(jobs_of(partial(nap, 13)), them, lambda job, made: kept.append(made))  # they can be used again
    assert [i for i, _ in kept] == list(range(14))
    pids = {pid for _, pid in kept}
    assert len(pids) == 2
    assert {file.name for file in tmp_path.iterdir()} == {str(pid) for pid in pids}


@pytest.mark.slow
def test_a_killed_process_ends_the_work_with_its_jobs_name(tmp_path: Path) -> None:
    kept: list[tuple[int, int]] = []
    with (
        workers(partial(parts, tmp_path), TWO) as them,
        pytest.raises(EngineStoppedError, match=r"job 1: the process that did it has ended \(it was killed"),
    ):
        work_off(jobs_of(partial(nap, 0), killed), them, lambda job, made: kept.append(made))
    assert [i for i, _ in kept] == [0]


def test_parts_that_cannot_be_made_or_sent_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match="policy transformers:nowhere: no such folder"), workers(no_parts, TWO):
        pass

    @contextmanager
    def local() -> Iterator[None]:
        yield

    with (
        pytest.raises(
            BadArgument, match=r"replicas 2: a part cannot be sent to other processes .*; name it by its spec"
        ),
        workers(local, TWO),
    ):
        pass


def test_gpus_are_for_ray() -> None:
    with pytest.raises(BadArgument, match="gpus_per_replica 1: GPUs are shared out by Ray; add ray local"):
        Replicas(2, ray=None, gpus=1)
