"""What is a folder, what is a hub name, and what is neither: one rule for everything that is loaded."""

from pathlib import Path

import pytest

import policies
import prms
import verifiers
from policies.models.pretrained import checked_source
from policies.models.sources import is_hub_name, source_of


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize("name", ["gpt2", "owner/name", "Qwen/Qwen2.5-Math-PRM-7B", "a_b/c-d.e"])
def test_a_hub_name_is_left_as_it_is(name: str) -> None:
    assert is_hub_name(name)
    assert source_of(name) == name


NEITHER = [
    "./name",
    "../name",
    "~/name",
    "~name",
    "/name",
    "owner/name/more",
    "owner/",
    "/",
    "",
    ".",
    "owner//name",
    "owner/.name",
    "owner/name:split",
    "C:\\models\\name",
    "C:/name",
    "models\\name",
    "a name",
    "näme",
]


@pytest.mark.parametrize("name", [name for name in NEITHER if name not in ("/", "", ".")])
def test_what_is_neither_a_folder_nor_a_hub_name_is_named(name: str) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        source_of(name, "prm")
    assert str(raised.value).startswith(f"no prm at {name!r}: there is no such folder")


@pytest.mark.parametrize("name", NEITHER)
def test_it_is_no_hub_name(name: str) -> None:
    assert not is_hub_name(name)


def test_a_folder_goes_before_a_hub_name_and_a_path_is_always_a_folder() -> None:
    assert source_of("owner/name") == "owner/name"
    with pytest.raises(FileNotFoundError, match="no model at 'owner/name'"):
        source_of(Path("owner/name"))
    Path("owner/name").mkdir(parents=True)
    assert source_of("owner/name") == source_of(Path("owner/name")) == "owner/name"
    with pytest.raises(FileNotFoundError, match=r"^owner/name: no config\.json"):
        checked_source("owner/name")


def test_home_is_written_out(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    assert source_of("~/models") == source_of(Path("~/models")) == str(tmp_path / "models")


def test_a_file_is_refused() -> None:
    Path("weights.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"^weights\.safetensors: a file, where a folder"):
        source_of("weights.safetensors")


@pytest.mark.parametrize("name", ["./name", "~/name", "owner/name/more"])
def test_every_loader_has_the_rule(name: str) -> None:
    loads = (
        policies.Transformers.load,
        prms.load,
        prms.PRM.load,
        verifiers.ORM.load,
        verifiers.GenRM.load,
        lambda name: verifiers.ImplicitReward.load(name, name, beta=0.1),
        lambda name: prms.load(name, format="math-shepherd"),
    )
    for load in loads:
        with pytest.raises(FileNotFoundError, match=f"at '{name}': there is no such folder"):
            load(name)
