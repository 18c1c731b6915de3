"""`stepbeam reproduce NAME --quick` as the user runs it, in a process that may be killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

Quick: TypeAlias = Callable[[str], Path]
LONGEST = 300.0  # seconds, which are promised of each


@contextmanager
def started(name: str, out: Path) -> Iterator[subprocess.Popen[str]]:
    """The command at work; in the end all processes of it are killed."""
    command = [sys.executable, "-m", "bench", "reproduce", name, "--quick", f"--out={out}"]
    with _log(out).open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, text=True, start_new_session=True)
        try:
            yield process
        finally:
            if process.poll() is None:
                kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    """Kill the command and all of its processes at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def finish(name: str, out: Path) -> float:
    """Have the command come to its end; the seconds that it took."""
    begun = time.monotonic()
    with started(name, out) as process:
        assert process.wait(2 * LONGEST) == 0, _log(out).read_text()[-2000:]
    return time.monotonic() - begun


def _log(out: Path) -> Path:
    return out.with_name(f"{out.name}.log")
