"""A file that can grow no more ends a run in a line, and the same command with room ends with the same bytes."""

import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import resource, signal, sys
from bench.commands.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
command = ["run", "--task=chain", "--policy=tiny:policy", "--n=4", "--limit=8", "--chunk=2"]
assert main([*command, "--out=whole"]) == 0
most = resource.getrlimit(resource.RLIMIT_FSIZE)
for size in (100, 1500, 4000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most[1]))
    assert main([*command, "--out=full"]) == 2
resource.setrlimit(resource.RLIMIT_FSIZE, most)
assert main([*command, "--out=full"]) == 0
"""


@pytest.mark.slow
def test_a_run_goes_on_where_there_was_no_room(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("stepbeam: ")]
    assert len(said) == 3
    assert all("File too large" in line for line in said)
    for name in ("config.toml", "problems.jsonl", "samples.jsonl", "results.jsonl", "notes.txt"):
        assert (tmp_path / "full" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
