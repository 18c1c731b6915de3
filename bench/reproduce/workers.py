"""Processes that work side by side, each with one thread."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from tqdm import tqdm

from bench.files.memory import keep_freed_memory
from verifiers.interface.errors import EngineStoppedError

T = TypeVar("T")


def workers(count: int) -> ProcessPoolExecutor:
    """So many of them: two single-threaded trainings use two cores better than one after the other."""
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"), initializer=_alone)


def carry_out(jobs: Sequence[Callable[[], T]], *, processes: int, title: str) -> list[T]:
    """Make these calls, the first ones first, and return what they do in their order."""
    if processes == 1:
        return [job() for job in tqdm(jobs, desc=title)]
    with workers(processes) as executor:
        futures = [executor.submit(job) for job in jobs]
        try:
            for future in tqdm(as_completed(futures), total=len(jobs), desc=title):
                future.result()
        except BrokenProcessPool:
            raise EngineStoppedError(
                f"{title}: a process of it was ended, perhaps for want of memory; the same command goes on from there, "
                "with --processes 1 in less memory"
            ) from None
        return [future.result() for future in futures]


def _alone() -> None:
    import torch

    torch.set_num_threads(1)
    keep_freed_memory()
