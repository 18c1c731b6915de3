"""Processes that work side by side."""

from functools import partial

import pytest
import torch

from bench.reproduce.workers import carry_out, workers


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
