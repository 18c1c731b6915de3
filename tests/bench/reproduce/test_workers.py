"""Processes that work side by side."""

import torch

from bench.reproduce.workers import workers


def test_each_has_one_thread_and_results_come_in_order():
    with workers(2) as executor:
        assert executor.submit(torch.get_num_threads).result() == 1
        assert list(executor.map(abs, [-1, 2, -3])) == [1, 2, 3]
