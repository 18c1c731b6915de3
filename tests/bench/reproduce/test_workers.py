"""Processes that work side by side."""

import multiprocessing
import os
import signal
import time
from functools import partial

import pytest
import torch

from bench.reproduce.workers import carry_out, workers
from tests.waiting import until


@pytest.mark.slow
def test_each_has_one_thread_and_results_come_in_order():
    with workers(2) as executor:
        assert executor.submit(torch.get_num_threads).result() == 1
        assert list(executor.map(abs, [-1, 2, -3])) == [1, 2, 3]


def note(folder, name):
    return (folder / name).write_text("done")


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_every_job_is_carried_out(tmp_path, processes):
    assert carry_out([partial(note, tmp_path, name) for name in "abc"], processes=processes, title="notes") == [4] * 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "c"]
    with pytest.raises(FileNotFoundError):
        carry_out(
            [partial(note, tmp_path / "none", "a"), partial(note, tmp_path, "d")], processes=processes, title="notes"
        )


def note_and_stay(folder):
    (folder / str(os.getpid())).touch()
    time.sleep(600)


def work_in(folder):
    os.setsid()  # a group of its own, as of a command in a terminal
    try:
        carry_out([partial(note_and_stay, folder)] * 4, processes=2, title="naps")
    except KeyboardInterrupt:
        (folder / "interrupted").touch()


def alive(pid):
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "interrupted"])
def test_workers_end_with_the_command_amid_their_work(tmp_path, how):
    owner = multiprocessing.get_context("spawn").Process(target=work_in, args=(tmp_path,))
    owner.start()
    until(lambda: len(list(tmp_path.iterdir())) == 2)
    pids = [path.name for path in tmp_path.iterdir()]
    if how == "killed":
        owner.kill()
    else:
        os.killpg(owner.pid, signal.SIGINT)
    owner.join()
    until(lambda: not any(alive(pid) for pid in pids))
    assert {path.name for path in tmp_path.iterdir()} == {*pids, *(["interrupted"] if how == "interrupted" else [])}


def fail():
    raise FileNotFoundError("no such folder")


@pytest.mark.slow
def test_where_one_fails_nobody_waits_for_the_others(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        carry_out([fail, *[partial(note_and_stay, tmp_path)] * 3], processes=2, title="naps")
