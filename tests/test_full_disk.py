"""A file that can grow no more ends a command in a line, and the same command with room ends with the same bytes."""

from collections.abc import Sequence
from multiprocessing import Pipe
from pathlib import Path

import pytest

from tests.processes import start_command
from tests.small_commands import COMMANDS, promised, write_inputs

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_inputs(tmp_path, monkeypatch)


def ends(command: Sequence[str], *, room: int | None = None) -> int | None:
    """The code with which a command ends; where it is not 0, after one line."""
    heard, said = Pipe(duplex=False)
    process = start_command(command, said=said, room=room, pictures=False)
    said.close()
    with open(heard.fileno(), encoding="utf-8", closefd=False) as file:
        text = file.read()
    process.join()
    lines = [line for line in text.splitlines() if line.startswith(("stepbeam: ", "Traceback"))]
    assert len(lines) == (process.exitcode != 0), text
    for line in lines:
        assert "File too large; make room and give the same command again" in line
        assert "out" in line
    return process.exitcode


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_goes_on_where_there_was_no_room(name: str) -> None:
    command = COMMANDS[name]
    assert ends([*command.arguments, "--out=whole"]) == 0
    # The report's size is not the same each time: it tells seconds, and is packed.
    sizes = [p.stat().st_size for p in Path("whole").rglob("*") if p.is_file() and p.name != "report.html"]
    largest = max(sizes)
    for room in (0, 100, 1500, 4000, largest // 2, largest - 1):
        assert ends([*command.arguments, "--out=out"], room=room) == 2, room
    assert ends([*command.arguments, "--out=out"]) == 0
    assert promised(command, "out") == promised(command, "whole")


def test_a_report_and_a_reproduction() -> None:
    assert ends([*COMMANDS["run"].arguments, "--out=out"]) == 0
    Path("out/report.html").rename("whole.html")
    assert ends(["report", "out"], room=5000) == 2
    assert not list(Path("out").glob("*report*"))
    assert ends(["report", "out"]) == 0
    assert Path("out/report.html").read_bytes() == Path("whole.html").read_bytes()
    assert ends(["reproduce", "pav", "--out=new/out"], room=0) == 2
    assert not Path("new").exists()
