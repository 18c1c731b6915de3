"""The public API: what docs/api.txt says of it, and what a type checker sees."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_it_is_written_down() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "api.py")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    written = (ROOT / "docs" / "api.txt").read_text(encoding="utf-8")
    # A change of the public API shows here. Where it is meant: python scripts/api.py > docs/api.txt
    assert written.splitlines() == printed.splitlines()


@pytest.mark.slow
def test_its_types_are_those_that_users_rely_on() -> None:
    command = [sys.executable, "-m", "mypy", "tests/typing"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert checked.returncode == 0, checked.stdout
