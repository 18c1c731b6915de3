"""One worker process of the grading pool: how it is started, asked, timed and ended."""

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Pair = tuple[str, str]

_SCRIPT: Final = Path(__file__).with_name("_equivalence_worker.py")
_START_SECONDS: Final = 120.0  # a cold import of Math-Verify from a slow disk


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an answer equals the gold one; `equal` is None where that is unknown, and `reason` says why."""

    equal: bool | None
    reason: str | None = None


class Worker:
    """One worker process; used by one thread at a time."""

    def __init__(self, *, seconds: float, memory: int) -> None:
        if not sys.executable:
            raise RuntimeError("there is no Python executable to start a grading worker with: sys.executable is empty")
        self.seconds = seconds
        self.compared = 0
        self.usable = True
        process = subprocess.Popen(  # noqa: S603  (our own file, and two numbers)
            # -P keeps the worker's own folder off its path; the caller's warning filters are not for it.
            [sys.executable, "-P", "-W", "ignore", str(_SCRIPT), str(memory), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,  # so that a forked child can close its copies without sending anything
            env={**os.environ, "PYTHONHASHSEED": "0"},  # the order of sets in there must not vary
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self.process, self._requests, self._replies = process, process.stdin, process.stdout
        try:
            reply = self._receive(_START_SECONDS)
        except BaseException:
            self.end()
            raise
        if reply is None or not reply.get("ready"):
            self.end()
            cause = "it ended before it was ready" if reply is None else str(reply.get("error"))
            raise RuntimeError(
                f"a grading worker could not start: {cause}. Is math-verify installed for {sys.executable}?"
            )

    def compare(self, pair: Pair) -> Verdict | None:
        """The verdict; None where the worker died of something else than its time limit."""
        self.compared += 1
        request = memoryview((json.dumps({"answer": pair[0], "gold": pair[1]}) + "\n").encode())
        try:
            while request:
                request = request[self._requests.write(request) :]
        except OSError:  # the other end of the pipe is gone
            self.usable = False
            return None
        reply = self._receive(self.seconds)
        if reply is not None:
            return Verdict(reply["equal"], reply["reason"])
        if not self.usable:
            return Verdict(None, f"Math-Verify took more than {self.seconds:g} s")
        self.usable = False
        return None

    def _receive(self, seconds: float) -> dict[str, Any] | None:
        """One reply; None where the stream ended first. A worker out of time is no longer `usable`."""
        # A timer that kills, because a pipe cannot be read with a time limit on every platform.
        timer = threading.Timer(seconds, self._time_is_up)
        timer.daemon = True
        timer.start()
        try:
            line = bytearray()
            while not line.endswith(b"\n"):
                piece = self._replies.read(1 << 16)
                if not piece:
                    return None
                line += piece
        finally:
            timer.cancel()
            timer.join()
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _time_is_up(self) -> None:
        self.usable = False
        self.process.kill()

    def end(self) -> None:
        """Kill the process, wait for it and close its pipes."""
        self.process.kill()
        self.process.wait()
        self._requests.close()
        self._replies.close()

    def disown(self) -> None:
        """In a forked child: let go of the parent's process without touching it."""
        self._requests.close()
        self._replies.close()
        self.process.returncode = 0
