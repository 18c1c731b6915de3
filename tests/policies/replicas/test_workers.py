"""Jobs are kept in their order, whoever is done first, and a failure keeps what comes before it and nothing behind."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from policies.replicas.workers import Here, Job, Replicas, work_off, workers
from tests.stand_ins import OutOfOrder
from verifiers.interface.errors import BadArgument


def jobs_of(chunks: int, kept: list[str], bad: str | None = None) -> list[Job[str, str]]:
    """A pool a chunk, two jobs that need it and one that does not; `kept` has what is kept already, as a folder."""

    def work(name: str, before: str, parts: str) -> str:
        if name == bad:
            raise ValueError(f"{name} is bad")
        return f"{parts} {name}({before})"

    def prepare(name: str, needs: str | None, done: Any) -> Callable[[str], str]:
        if needs is None:
            return partial(work, name, "")
        before = done[needs] if needs in done else next(row for row in kept if row.split()[1] == f"{needs}()")
        return partial(work, name, before.split()[1])

    plan = [(f"{c}/{what}", f"{c}/pool" if what[0] == "s" else None) for c in range(chunks) for what in WORDS]
    return [Job(name, partial(prepare, name, needs), needs=needs) for name, needs in plan]


WORDS = ("pool", "score/a", "score/b", "beam")


def kept_by(make: Callable[[], Any], bad: str | None = None) -> tuple[list[str], str, Any]:
    kept: list[str] = []
    them = make()
    try:
        work_off(jobs_of(12, kept, bad), them, lambda job, made: kept.append(made))
        said = ""
    except ValueError as error:
        said = str(error)
    return kept, said, them


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_any_number_of_workers_keeps_what_one_keeps(count: int) -> None:
    alone, _, _ = kept_by(lambda: Here("m"))
    assert len(alone) == 48
    assert alone[1] == "m 0/score/a(0/pool())"
    for seed in range(20):
        assert kept_by(lambda seed=seed: OutOfOrder("m", count, random.Random(seed)))[0] == alone


@pytest.mark.parametrize("bad", ["0/pool", "3/score/b", "7/beam", "11/beam"])
def test_a_failure_keeps_what_comes_before_it_and_nothing_behind(bad: str) -> None:
    alone, said, _ = kept_by(lambda: Here("m"), bad)
    assert said == f"{bad} is bad"
    for seed in range(20):
        kept, same, them = kept_by(lambda seed=seed: OutOfOrder("m", 3, random.Random(seed)), bad)
        assert (kept, same) == (alone, said)
        assert len(set(them.begun)) == len(them.begun)


def test_no_worker_runs_far_ahead_of_what_is_kept() -> None:
    class FirstIsSlow(OutOfOrder):
        def take(self) -> tuple[str, Any]:
            name = max(self.running, key=lambda name: (name != "0", int(name)))
            return name, self.running.pop(name)(None)

    them = FirstIsSlow(None, 2, random.Random(0))
    ahead: list[int] = []
    jobs: list[Job[Any, int]] = [Job(str(i), lambda done: lambda parts: len(them.begun)) for i in range(100)]
    work_off(jobs, them, lambda job, made: ahead.append(len(them.begun) - int(job.name)))
    assert len(ahead) == 100
    assert max(ahead) == 2 * 8 + 2 - 1


@pytest.mark.parametrize("bad", ["0/pool", "3/score/b"])
def test_what_was_under_way_at_a_failure_is_not_taken_for_the_next_jobs(bad: str) -> None:
    _, said, them = kept_by(lambda: OutOfOrder("m", 8, random.Random(0)), bad)
    assert said == f"{bad} is bad"
    kept: list[str] = []
    work_off(
        [Job(f"{i}/pool", lambda done: lambda parts: "new") for i in range(12)],
        them,
        lambda job, made: kept.append(made),
    )
    assert kept == ["new"] * 12


def test_parts_are_made_before_the_first_job_and_closed_after_the_last() -> None:
    from contextlib import contextmanager

    seen: list[str] = []

    @contextmanager
    def make():
        seen.append("made")
        yield "parts"
        seen.append("closed")

    with workers(make, None) as here:
        work_off([Job("a", lambda done: seen.append)], here, lambda job, made: None)
    assert seen == ["made", "parts", "closed"]


@pytest.mark.parametrize(
    ("options", "said"), [({"count": 0}, "1 or more"), ({"gpus": 1.5}, "whole"), ({"gpus": -1}, "whole")]
)
def test_replicas_that_cannot_be_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadArgument, match=said):
        Replicas(**options)
