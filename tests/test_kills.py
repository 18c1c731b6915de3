"""Killed for real, wherever it is, and started again and again, a command ends with the same bytes."""

import random
import signal
import time
from pathlib import Path

import pytest

from tests.processes import start_command
from tests.small_commands import COMMANDS, promised, write_inputs

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_inputs(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", COMMANDS)
def test_twenty_five_kills(name: str) -> None:
    """Where it touches a file, and at moments of the time that a whole pass takes, in turn."""
    command = COMMANDS[name]
    start_command(["none"]).join()  # what forks has imported everything now
    process, begun = start_command([*command.arguments, "--out=whole"], touch=0, pictures=False), time.monotonic()
    process.join()
    took, touches = time.monotonic() - begun, int(Path("touches").read_text())
    assert process.exitcode == 0
    whole, rng, found = promised(command, "whole"), random.Random(name), set()
    kills = passes = 0
    while kills < 25:
        out, turn = f"killed{passes}", 0
        while True:
            turn += 1  # there is less to do at each, so the point is sought further ahead
            touch = rng.randint(1, 1 + touches // turn) if turn % 2 else None
            process = start_command([*command.arguments, f"--out={out}"], touch=touch, pictures=False)
            process.join(None if touch or turn > 6 else rng.uniform(0, took / turn**0.5))
            process.kill()
            process.join()
            if process.exitcode != -signal.SIGKILL:
                break
            kills += 1
            found.add(tuple(sorted((str(p), p.stat().st_size) for p in Path(out).rglob("*") if p.is_file())))
        assert process.exitcode == 0, out
        assert promised(command, out) == whole, out
        passes += 1
    assert len(found) > 5  # in so many states did the kills find the folders
