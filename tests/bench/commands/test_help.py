"""Help is quick: nothing heavy is imported for it."""

import subprocess
import sys

import pytest

from bench.commands.cli import main


def test_the_parser_needs_neither_torch_nor_a_plot() -> None:
    code = "import bench.commands.cli as cli, sys; cli._parser(); print(*{m.split('.')[0] for m in sys.modules})"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "numpy" in imported
    assert not {"torch", "transformers", "datasets", "matplotlib"} & set(imported)


def test_every_command_has_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("demo", "run", "rerank", "report", "train", "processbench", "reproduce"):
        with pytest.raises(SystemExit) as done:
            main([command, "--help"])
        assert done.value.code == 0
        assert capsys.readouterr().out.startswith(f"usage: stepbeam {command}")
