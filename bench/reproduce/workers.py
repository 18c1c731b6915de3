"""Processes that work side by side, each with one thread."""

import multiprocessing
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from tqdm import tqdm

from bench.files.memory import keep_freed_memory
from policies.replicas.processes import end_with_parent
from verifiers.interface.errors import EngineStoppedError

T = TypeVar("T")


def workers(count: int) -> ProcessPoolExecutor:
    """So many of them: two single-threaded trainings use two cores better than one after the other."""
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"), initializer=_alone)


def carry_out(jobs: Sequence[Callable[[], T]], *, processes: int, title: str) -> list[T]:
    """Make these calls, the first ones first, and return what they do in their order.

    Where one fails, or somebody interrupts this, all end at once: what is done is in the files, and the rest would take
    hours.
    """
    if processes == 1:
        return [job() for job in tqdm(jobs, desc=title)]
    others = multiprocessing.active_children()
    with workers(processes) as executor:
        try:
            futures = [executor.submit(job) for job in jobs]
            for future in tqdm(as_completed(futures), total=len(jobs), desc=title):
                future.result()
        except BrokenProcessPool:
            raise EngineStoppedError(
                f"{title}: a process of it ended, perhaps for want of memory (what it said of itself is above); the "
                "same command goes on from there, with --processes 1 in less memory"
            ) from None
        except BaseException:
            for process in set(multiprocessing.active_children()).difference(others):
                process.kill()
            raise
        return [future.result() for future in futures]


def _alone() -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started this is told, and ends it
    end_with_parent()
    tqdm.set_lock(threading.RLock())  # its own is one between processes, which one that is killed leaves behind
    torch.set_num_threads(1)
    keep_freed_memory()
