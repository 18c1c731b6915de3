"""A run is gone on with by the models that it began with, or not at all."""

import os
import shutil
from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.inputs.specs import model_digests
from bench.tiny import weights_folder


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    shutil.copytree(weights_folder("orm"), tmp_path / "m")
    before = model_digests(f"orm:{tmp_path / 'm'}")
    os.mkfifo(tmp_path / "m" / "more.safetensors")
    assert model_digests(f"orm:{tmp_path / 'm'}") == before


def flip(path: Path) -> None:
    """One bit of the last weight, which leaves it a number."""
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("part", ["policy", "orm"])
def test_a_run_is_not_gone_on_with_by_a_changed_model(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("policy", "orm"):
        shutil.copytree(weights_folder(name), name)
    command = ["run", "--task=chain", "--policy=transformers:policy", "--scorer=orm:orm", "--n=1", "--limit=2"]
    command += ["--chunk=1", "--max-tokens=8", "--out=out"]
    assert main(command) == 0
    names = ("samples.jsonl", "scores.jsonl", "results.jsonl")
    whole = {name: Path("out", name).read_bytes() for name in names}
    lines = Path("out/journal.jsonl").read_bytes().splitlines(keepends=True)
    Path("out/journal.jsonl").write_bytes(b"".join(lines[:2]))  # as a kill amid the second problem leaves it
    flip(Path(part, "model.safetensors"))
    capsys.readouterr()
    assert main(command) == 2
    line = capsys.readouterr().err
    assert len(line.splitlines()) == 1
    assert f"begun with another model as {'policy' if part == 'policy' else 'scorer orm'}" in line
    flip(Path(part, "model.safetensors"))
    assert main(command) == 0
    assert {name: Path("out", name).read_bytes() for name in names} == whole
    flip(Path(part, "model.safetensors"))
    assert main(command) == 0  # a finished run is shown without its models


def test_a_folder_of_a_kinds_name_is_no_model_of_the_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(weights_folder("orm"), "models/orm")
    shutil.copytree("models/orm", "pav")
    specs = ("orm:models/orm", "tiny:policy", "mine:pupil", "pav:prm:models/orm,k=4")
    before = [model_digests(spec) for spec in specs]
    assert [len(each) for each in before] == [1, 1, 0, 1]
    for name in ("orm", "tiny", "policy", "mine", "prm"):
        Path(name).mkdir()
    assert [model_digests(spec) for spec in specs] == before
    assert model_digests("pav:pav") == before[0]  # its name may be that of a kind
