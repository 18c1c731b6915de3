"""The public API is what docs/api.txt says; what a type checker sees of it, `scripts/lint` asks of tests/typing."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_it_is_written_down() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "api.py")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    written = (ROOT / "docs" / "api.txt").read_text(encoding="utf-8")
    # A change of the public API shows here. Where it is meant: python scripts/api.py > docs/api.txt
    assert written.splitlines() == printed.splitlines()
