"""The command in processes that a test may kill: forks of one that has imported what is slow to import, once for all.

They begin in the folder and with the import path of the test, and say nothing.
"""

import multiprocessing
import os
import sys
from collections.abc import Sequence
from multiprocessing.process import BaseProcess

from bench.commands.cli import main

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["bench.runs.run", "bench.pools.rerank", "policies.backends.transformers", "prms.prm"])


def start_command(command: Sequence[str], **environment: str) -> BaseProcess:
    """A process that runs `stepbeam` with these arguments."""
    process = _CONTEXT.Process(target=_run, args=(list(command), environment))
    process.start()
    return process


def _run(command: list[str], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.exit(main(command))
