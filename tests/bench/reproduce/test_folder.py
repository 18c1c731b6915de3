"""A unit of a reproduction is done once, and read back as it was written or not at all."""

import errno
from pathlib import Path

import pytest
from safetensors import SafetensorError

from bench.reproduce.folder import Unit, unit
from verifiers.interface.errors import BadInput


def test_a_unit_whose_file_is_damaged(tmp_path: Path) -> None:
    made = {"right": [0.5, 1.0], "prm": None, "mean": float("inf")}
    assert unit(tmp_path, "arms/one", lambda: made) == made
    assert unit(tmp_path, "arms/one", dict) == made
    path = tmp_path / "arms" / "one.json"
    whole = path.read_bytes()
    for damaged in (whole.replace(b"0.5", b"0.6"), whole[:-1], whole[:20], b"", b"{}\n", whole + whole):
        path.write_bytes(damaged)
        with pytest.raises(BadInput, match=r"one\.json(:1)?: (not a line that was written here|damaged)"):
            unit(tmp_path, "arms/one", lambda: made)
    path.unlink()
    assert unit(tmp_path, "arms/one", lambda: made) == made


def test_a_model_for_which_there_is_no_room(tmp_path: Path) -> None:
    def compute() -> Unit:
        raise SafetensorError(f"Error while serializing: I/O error: No space left (os error {errno.ENOSPC})")

    with pytest.raises(OSError, match=r"make room and give the same command again.*one\.json"):
        unit(tmp_path, "one", compute)
    assert not list(tmp_path.iterdir())
