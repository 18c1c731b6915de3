"""Processes that work side by side, each with one thread."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any

from tqdm import tqdm

from bench.files.memory import keep_freed_memory


def workers(count: int) -> ProcessPoolExecutor:
    """So many of them: two single-threaded trainings use two cores better than one after the other."""
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"), initializer=_alone)


def carry_out(work: Callable[..., Any], jobs: Sequence[tuple[Any, ...]], *, processes: int, title: str) -> None:
    """Call `work` with each job's arguments, the first ones first; for what it leaves behind in files."""
    with tqdm(total=len(jobs), desc=title) as bar:
        if processes == 1:
            for job in jobs:
                work(*job)
                bar.update()
            return
        with workers(processes) as executor:
            for future in as_completed([executor.submit(work, *job) for job in jobs]):
                future.result()
                bar.update()


def _alone() -> None:
    import torch

    torch.set_num_threads(1)
    keep_freed_memory()
