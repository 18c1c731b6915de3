"""Processes that work side by side, each with one thread."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from bench.memory import keep_freed_memory


def workers(count: int) -> ProcessPoolExecutor:
    """So many of them: two single-threaded trainings use two cores better than one after the other."""
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"), initializer=_alone)


def _alone() -> None:
    import torch

    torch.set_num_threads(1)
    keep_freed_memory()
