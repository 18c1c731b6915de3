"""The command in processes that a test may kill or leave without room: forks of one that has imported what is slow.

They begin in the folder and with the import path of the test, and compute with one thread.
"""

import multiprocessing
import os
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from bench.commands.cli import main
from tests.endings import die_at_touch, no_pictures, no_room

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.warm"])


def start_command(
    command: Sequence[str],
    *,
    said: Connection | None = None,
    touch: int | None = None,
    room: int | None = None,
    pictures: bool = True,
    **environment: str,
) -> BaseProcess:
    """A process that runs `stepbeam` with these arguments; what it says goes into the pipe `said`.

    It is killed when it touches a file for the `touch`-th time; with 0 it ends, and the file `touches` says how often
    it did. No file can grow beyond `room` bytes. Pictures, which are slow to draw, may be left out.
    """
    arguments = (list(command), said, touch, room, pictures, environment)
    process = _CONTEXT.Process(target=_run, args=arguments)
    process.start()
    return process


def _run(
    command: list[str],
    said: Connection | None,
    touch: int | None,
    room: int | None,
    pictures: bool,
    environment: dict[str, str],
) -> None:
    import torch

    os.environ.update(environment)
    torch.set_num_threads(1)
    place = os.open(os.devnull, os.O_WRONLY) if said is None else said.fileno()
    os.dup2(place, 1)
    os.dup2(place, 2)
    if not pictures:
        no_pictures()
    if room is not None:
        no_room(room)
    seen = None if touch is None else die_at_touch(os.getcwd(), touch)
    code = main(command)
    if seen is not None:
        Path("touches").write_text(str(seen.count))
    sys.exit(code)
