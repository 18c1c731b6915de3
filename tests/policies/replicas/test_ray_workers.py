"""Replicas in a Ray cluster: a killed one costs time alone, and what a job raises comes through."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import policies
import search
from bench.tiny import load_task
from policies.replicas.workers import Job, Replicas, work_off, workers
from verifiers.interface.errors import BadArgument, EngineStoppedError


@contextmanager
def parts() -> Iterator[dict[str, Any]]:
    yield {"pid": os.getpid(), "made": time.monotonic()}


def jobs_of(*work: Callable[[Any], Any]) -> list[Job[Any, Any]]:
    return [Job(f"job {i}", lambda done, call=call: call) for i, call in enumerate(work)]


def kept_by(jobs: list[Job[Any, Any]], replicas: Replicas, make: Callable[[], Any] = parts) -> list[Any]:
    kept: list[Any] = []
    with workers(make, replicas) as them:
        work_off(jobs, them, lambda job, made: kept.append(made))
    return kept


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BadArgument, match=r"ray local: replicas need the package ray: pip install 'stepbeam\[ray\]'"):
        kept_by([], Replicas(2))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1:1", "no cluster answers there .*"),
        ("nonsense", "it is no address"),
        ("127.0.0.1:99999", "no cluster answers there .*"),
        ("no.such.host.example:6379", "no cluster answers there .*"),
    ],
)
def test_where_no_cluster_answers_it_is_said_at_once(address: str, told: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(BadArgument, match=f"^ray {address}: {told}; use local, auto or HOST:PORT$"):
        kept_by([], Replicas(2, ray=address))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    ray = pytest.importorskip("ray")
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False, object_store_memory=1 << 28)
    yield ray
    ray.shutdown()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pids: set[int]) -> bool:
    deadline = time.monotonic() + 30
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(alive, pids))


def napping(i: int) -> Callable[[Any], Any]:
    def work(parts: Any) -> tuple[int, int]:
        time.sleep(0.2)
        return i, parts["pid"]

    return work


@pytest.mark.slow
def test_jobs_are_shared_by_replicas_that_are_made_once_and_end(cluster: Any) -> None:
    kept = kept_by(jobs_of(*map(napping, range(40))), Replicas(2))
    assert [i for i, _ in kept] == list(range(40))
    pids = {pid for _, pid in kept}
    assert len(pids) == 2
    assert os.getpid() not in pids
    assert gone(pids)
    assert cluster.is_initialized()  # it was there before, and stays


@pytest.mark.slow
def test_a_killed_replica_costs_time_and_nothing_else(cluster: Any, tmp_path: Path) -> None:
    def dies_once(parts: Any) -> int:
        if not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return 7

    with pytest.warns(UserWarning, match="job 1: the replica that did it has died; another is started"):
        kept = kept_by(jobs_of(napping(0), dies_once, *map(napping, range(2, 12))), Replicas(2))
    assert kept[1] == 7
    assert [i for i, _ in [kept[0], *kept[2:]]] == [0, *range(2, 12)]


@pytest.mark.slow
def test_a_job_that_kills_whoever_does_it_ends_the_work_with_its_name(cluster: Any) -> None:
    kept: list[Any] = []
    jobs = jobs_of(napping(0), napping(1), lambda parts: os.kill(os.getpid(), signal.SIGKILL), napping(3))
    with (
        workers(parts, Replicas(2)) as them,
        pytest.warns(UserWarning, match="job 2: the replica that did it has died"),
        pytest.raises(EngineStoppedError, match="job 2: 3 replicas died at it"),
    ):
        work_off(jobs, them, lambda job, made: kept.append(made))
    assert [i for i, _ in kept] == [0, 1]


@pytest.mark.slow
def test_what_kills_replicas_while_they_load_ends_the_work_or_leaves_the_others(cluster: Any, tmp_path: Path) -> None:
    @contextmanager
    def deadly() -> Iterator[None]:
        os.kill(os.getpid(), signal.SIGKILL)
        yield

    with (
        pytest.warns(UserWarning, match="a replica could not be made, and 1 go on"),
        pytest.raises(EngineStoppedError, match="loading the models: 3 replicas died at it"),
    ):
        kept_by(jobs_of(napping(0)), Replicas(2), deadly)

    @contextmanager
    def only_once() -> Iterator[dict[str, int]]:
        (tmp_path / str(os.getpid())).touch()
        if len(list(tmp_path.iterdir())) > 1:
            time.sleep(2.0)  # until the first is there
            raise OSError("no room for another model")
        yield {"pid": os.getpid()}

    with pytest.warns(UserWarning, match="a replica could not be made, and 1 go on: no room for another model"):
        kept = kept_by(jobs_of(*map(napping, range(20))), Replicas(2), only_once)
    assert [i for i, _ in kept] == list(range(20))
    assert len({pid for _, pid in kept}) == 1


def raises(parts: Any) -> None:
    error = BadArgument("strategies", "beam_search:orm", "it has no opinion")
    error.add_note("a note")
    raise error


@pytest.mark.slow
def test_what_a_job_raises_comes_through_as_it_was(cluster: Any) -> None:
    with pytest.raises(BadArgument) as caught:
        kept_by(jobs_of(napping(0), raises), Replicas(2))
    assert caught.value.as_option() == "--strategies beam_search:orm: it has no opinion"
    assert caught.value.__notes__ == ["a note"]
    assert "in raises" in str(caught.value.__cause__)  # where that was, in the other process


class OfTwoPartsError(Exception):
    """Cannot be made again from its text alone, as pickle tries."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one}, {other}")


@pytest.mark.slow
def test_an_error_that_cannot_be_sent_comes_as_its_text(cluster: Any) -> None:
    def fails(parts: Any) -> None:
        raise OfTwoPartsError("no", "such luck")

    with pytest.raises(RuntimeError, match=r"^OfTwoPartsError: no, such luck$"):
        kept_by(jobs_of(fails), Replicas(1))


@pytest.mark.slow
def test_parts_that_cannot_be_made_or_sent_are_refused_at_once(cluster: Any, tmp_path: Path) -> None:
    @contextmanager
    def broken() -> Iterator[None]:
        raise BadArgument("policy", "transformers:nowhere", "no such folder")
        yield

    with pytest.raises(BadArgument, match="policy transformers:nowhere: no such folder"):
        kept_by(jobs_of(napping(0)), Replicas(2), broken)
    file = (tmp_path / "open").open("w")

    @contextmanager
    def holding() -> Iterator[Any]:
        yield file

    with file, pytest.raises(BadArgument, match="replicas 2: a part cannot be sent to other processes"):
        kept_by(jobs_of(napping(0)), Replicas(2), holding)


@pytest.mark.slow
def test_more_gpus_than_there_are_is_said(cluster: Any) -> None:
    with pytest.raises(
        BadArgument, match="replicas 3: with gpus_per_replica 2 the cluster, which has 0 GPUs, has room for 0"
    ):
        kept_by([], Replicas(3, gpus=2))


@pytest.mark.slow
@pytest.mark.parametrize(("said", "threads"), [(None, "2"), ("1", "1"), ("3", "3")])
def test_replicas_share_the_cores_unless_the_number_of_threads_is_set(
    cluster: Any, monkeypatch: pytest.MonkeyPatch, said: str | None, threads: str
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if said is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert kept_by(jobs_of(lambda parts: os.environ["OMP_NUM_THREADS"]), Replicas(2)) == [threads]


@pytest.mark.slow
def test_an_interruption_ends_the_replicas(cluster: Any) -> None:
    pids: set[int] = set()

    def interrupted(job: Any, made: tuple[int, int]) -> None:
        pids.add(made[1])
        if len(pids) == 2:
            raise KeyboardInterrupt

    with workers(parts, Replicas(2)) as them, pytest.raises(KeyboardInterrupt):
        work_off(jobs_of(*map(napping, range(200))), them, interrupted)
    assert gone(pids)


@contextmanager
def embedded() -> Iterator[dict[str, Any]]:
    yield {"pid": os.getpid(), "policy": policies.load("tiny:policy")}


@pytest.mark.alone
def test_two_replicas_on_two_idle_cores_take_at_most_0_65_of_one_ones_time(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("it needs two cores")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    task = load_task("chain", count=96)

    def samples(problems: Any) -> Callable[[Any], int]:
        def work(parts: Any) -> int:
            drawn = search.sample(problems, parts["policy"], n=32, sampling=task.sampling)
            return sum(len(result.pool) for result in drawn)

        return work

    def seconds(count: int) -> float:
        with workers(embedded, Replicas(count)) as them:
            seen: set[int] = set()
            while len(seen) < count:  # until all are there
                work_off(jobs_of(*[napping(0)] * count), them, lambda job, made: seen.add(made[1]))
            started = time.perf_counter()
            made: list[int] = []
            jobs = jobs_of(*[samples(task.problems[i : i + 4]) for i in range(0, 96, 4)])
            work_off(jobs, them, lambda job, count: made.append(count))
            assert made == [4 * 32] * 24
            return time.perf_counter() - started

    one, two = seconds(1), seconds(2)
    assert two <= 0.65 * one, f"one replica {one:.1f} s, two {two:.1f} s: {two / one:.2f}"
