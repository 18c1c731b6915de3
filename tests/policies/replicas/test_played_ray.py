"""RayWorkers on a Ray that is played, whose actors work when waited for: what dies, and what comes of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from policies.replicas.ray_workers import RayWorkers, _places, open_replicas
from policies.replicas.workers import Job, Replicas, work_off
from verifiers.interface.errors import BadArgument, EngineStoppedError


class RayError(Exception):
    pass


class RayTaskError(RayError):
    def __init__(self, cause: Exception) -> None:
        self.cause = cause


class UnserializableException(RayError):  # noqa: N818  (Ray's name)
    pass


class Actor:
    def __init__(self, replica: Any) -> None:
        for name in ("load", "work", "close"):
            setattr(self, name, SimpleNamespace(remote=lambda *asked, name=name: (getattr(replica, name), asked)))


class PlayedRay:
    exceptions = SimpleNamespace(
        RayError=RayError, RayTaskError=RayTaskError, UnserializableException=UnserializableException
    )

    def __init__(self) -> None:
        self.made = 0

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": 2.0}}]

    def remote(self, kind: Callable[..., Any]) -> Any:
        def make(*given: Any) -> Actor:
            self.made += 1
            return Actor(kind(*given))

        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=make))

    def wait(
        self, references: list[Any], *, num_returns: int, timeout: float | None = None
    ) -> tuple[list[Any], list[Any]]:
        assert references, "nothing to wait for"
        return references[:num_returns], references[num_returns:]

    def get(self, reference: Any) -> Any:
        function, asked = reference
        try:
            return function(*asked)
        except RayError:
            raise
        except Exception as error:
            raise RayTaskError(error) from error

    def kill(self, actor: Any) -> None:
        pass


@contextmanager
def parts() -> Iterator[str]:
    yield "parts"


def opened(count: int) -> RayWorkers[str, Any]:
    them: RayWorkers[str, Any] = RayWorkers(PlayedRay(), parts, Replicas(count))
    them.start()
    return them


def done(them: RayWorkers[str, Any], name: str, work: Callable[[str], Any]) -> list[Any]:
    kept: list[Any] = []
    work_off([Job(name, lambda done: work)], them, lambda job, made: kept.append(made))
    return kept


def dies(parts: str) -> None:
    raise RayError("killed")


def test_what_is_waited_for_is_told(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policies.replicas.ray_workers._ray", lambda wanted: SimpleNamespace())
    with caplog.at_level("INFO", "stepbeam.replicas"):
        with pytest.raises(BadArgument), open_replicas(parts, Replicas(2, ray="local")):
            pass
        opened(2)
    assert caplog.messages == [
        "opening 2 replicas in Ray (local), which may take a minute",
        "waiting for the first of 2 replicas to load its models",
    ]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_job_that_kills_its_replicas_ends_every_time_and_harms_no_other(count: int) -> None:
    them = opened(count)
    for _ in range(3):
        before = them.ray.made
        with (
            pytest.warns(UserWarning, match="^p1: the replica that did it has died; another is started"),
            pytest.raises(EngineStoppedError, match="p1: 3 replicas died at it"),
        ):
            done(them, "p1", dies)
        assert them.ray.made == before + 3
        assert done(them, "p1", lambda parts: f"{parts} again") == ["parts again"]
        assert done(them, "", lambda parts: "a job without a name") == ["a job without a name"]


def test_an_error_that_cannot_be_read_is_the_jobs_and_kills_nobody() -> None:
    def unreadable(parts: str) -> None:
        raise UnserializableException("of a class that is not here")

    them = opened(2)
    with pytest.raises(UnserializableException):
        done(them, "p1", unreadable)
    assert them.ray.made == 2


def test_what_is_dropped_comes_to_nothing_and_frees_its_replica() -> None:
    them = opened(1)
    them.give("p1", lambda parts: "old")
    them.drop()
    assert not them.free
    assert done(them, "p1", lambda parts: "new") == ["new"]


@pytest.mark.parametrize(
    ("have", "gpus", "room"),
    [(8, 1.0, 8), (2, 4.0, 0), (8, 4.0, 2), (3, 0.6, 3), (3, 0.5, 6), (1, 0.1, 10), (0, 1.0, 0)],
)
def test_a_share_is_of_one_gpu_and_whole_ones_of_one_machine(have: int, gpus: float, room: int) -> None:
    assert _places(have, gpus) == room


@pytest.mark.parametrize("gpus", [float("nan"), float("inf"), -1.0, 1.5])
def test_a_number_of_gpus_that_none_can_have(gpus: float) -> None:
    with pytest.raises(BadArgument, match="gpus_per_replica"):
        Replicas(2, gpus=gpus)
